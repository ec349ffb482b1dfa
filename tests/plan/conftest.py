"""A folder as docs/plan.md has it: seven classes of faces, GoogLeNet's weights, a prototxt with a typo."""

from pathlib import Path

import pytest

from benchmarks.plan import write_lmdb, write_weights
from ftjob.net import zoo
from ftjob.net.prototxt import to_text
from ftjob.status import ENV_SECONDS_BEFORE


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; its images are black and its weights zeros, which no plan minds."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "faces").mkdir()
    for split, records in (("train", 70), ("val", 14)):
        write_lmdb(folder / "faces" / split, records, classes=7)
    write_weights("googlenet", folder / "bvlc_googlenet.caffemodel")
    text = to_text(zoo.build("googlenet"))
    (folder / "mine.prototxt").write_text(text.replace('"inception_4e/1x1"', '"inception_4e/1x1_"'))
    return folder


@pytest.fixture
def in_faces(faces: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, with the test working in it."""
    monkeypatch.chdir(faces)
    return faces


@pytest.fixture
def in_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker measures is of the node that its spec names."""
    monkeypatch.setenv(ENV_SECONDS_BEFORE, "0")
