"""A folder as docs/plan.md has it: seven classes of faces, GoogLeNet's weights, a prototxt with a typo."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.plan import write_lmdb, write_weights
from ftjob.net import zoo
from ftjob.net.prototxt import to_text
from tests.dataset.images import dataset, raw


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; its images are black and its weights zeros, which no plan minds."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "faces").mkdir()
    for split, records in (("train", 70), ("few", 35), ("val", 14)):
        write_lmdb(folder / "faces" / split, records, classes=7)
    write_lmdb(folder / "faces" / "small", 14, classes=7, side=192)
    write_lmdb(folder / "faces" / "grey", 14, classes=7, channels=1)
    in_order = [raw(at // 10, np.zeros((256, 256, 3), np.uint8)) for at in range(70)]
    dataset(folder / "faces" / "in_order", in_order)
    write_weights("googlenet", folder / "bvlc_googlenet.caffemodel")
    write_weights("squeezenet", folder / "squeezenet.caffemodel")
    text = to_text(zoo.build("googlenet"))
    (folder / "mine.prototxt").write_text(text.replace('"inception_4e/1x1"', '"inception_4e/1x1_"'))
    return folder


@pytest.fixture
def in_faces(faces: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, with the test working in it."""
    monkeypatch.chdir(faces)
    return faces
