"""`ftjob export`: a file that another program reads, with the bundle's own scores, or no file at all."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftjob import api
from ftjob.bundle.verify import TRANSLATED
from ftjob.engine.onnx import maps, translation
from ftjob.engine.onnx.onnxgraph import Bound, OnnxGraph
from ftjob.engine.onnx.runtime import onnxruntime
from ftjob.engine.open import READERS
from ftjob.errors import BadNetError, BadSpecError, ExitCode, FtjobError, StorageError
from tests.bundle.colour import CROP, HEIGHT, NET, PREPROCESS, WIDTH, write_colour_bundle
from tests.bundle.conftest import Changed
from tests.engines import ENGINES

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("forked_torch")]

MEAN_FILE = replace(PREPROCESS, mean=(), mean_file="mean.binaryproto")
LAYOUTS = [("prepared", "rgb"), ("nhwc", "rgb"), ("nhwc", "bgr"), ("nchw", "rgb"), ("nchw", "bgr")]


@pytest.fixture(scope="session")
def colour_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a mean image, whose golden scores ONNX Runtime computed."""
    return write_colour_bundle(tmp_path_factory.mktemp("colour") / "bundle", "onnx", MEAN_FILE).root


@pytest.fixture
def colour(colour_made: Path, tmp_path: Path) -> Changed:
    """A copy of it."""
    return Changed(shutil.copytree(colour_made, tmp_path / "bundle"))


def golden(bundle: Changed) -> tuple[np.ndarray, np.ndarray]:
    """The golden images as people have them (N, H, W, 3) in RGB, and their scores."""
    images = json.loads(bundle.golden_scores.read_text())["images"]
    pictures = [np.asarray(Image.open(bundle.golden / each["image"])) for each in images]
    return np.stack(pictures), np.array([each["scores"] for each in images], np.float32)


def given(pictures: np.ndarray, takes: str, order: str) -> np.ndarray:
    """What somebody who has read the documentation gives an exported file."""
    pictures = pictures if order == "rgb" else pictures[..., ::-1]
    return np.ascontiguousarray(pictures if takes == "nhwc" else pictures.transpose(0, 3, 1, 2))


def prepared(bundle: Changed, pictures: np.ndarray) -> np.ndarray:
    """The net's own input, as preprocess.json describes it."""
    from ftjob.dataset.mean_image import read_mean_image

    top, left = (HEIGHT - CROP) // 2, (WIDTH - CROP) // 2
    window = np.s_[..., top : top + CROP, left : left + CROP]
    planes = pictures[..., ::-1].transpose(0, 3, 1, 2)[window].astype(np.float32)
    return (planes - read_mean_image(bundle.mean)[window]) * np.float32(MEAN_FILE.scale)


@pytest.mark.parametrize(("takes", "order"), LAYOUTS)
def test_an_onnx_file_gives_the_golden_scores(
    colour: Changed, tmp_path: Path, takes: str, order: str
) -> None:
    """To a program that knows nothing of ftjob, alone and in a batch; the file has what that has to know."""
    target = tmp_path / "out" / "net.onnx"

    exported = api.export(str(colour.root), target, "onnx", takes, order)

    pictures, scores = golden(colour)
    images = prepared(colour, pictures) if takes == "prepared" else given(pictures, takes, order)
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    for part in (slice(None), slice(2, 3)):
        fc, prob = session.run(["fc", "prob"], {"data": images[part]})
        np.testing.assert_allclose(fc, scores[part], atol=TRANSLATED * np.abs(scores).max())
        np.testing.assert_allclose(prob.sum(1), np.ones(len(prob)), rtol=1e-5)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["labels"]) == [f"class {number}" for number in range(5)]
    assert json.loads(facts["preprocess"]) == json.loads(colour.preprocess.read_text())
    assert (facts["run"], facts["iteration"]) == ("colour/0123456789ab", "7")
    assert facts["input"] == exported.takes
    assert facts["scores"] == exported.scores == "fc"
    assert exported.bytes == target.stat().st_size
    assert exported.largest_difference <= exported.tolerance == TRANSLATED


PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
WITH_ONNX, WITH_TORCH = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
LOAD = """
import json, sys, numpy, torch
facts = {"facts.json": ""}
module = torch.export.load("faces.pt2", extra_files=facts).module()
for images in (numpy.load("images.npy"), numpy.load("images.npy")[2:3]):
    numpy.save(f"found-{len(images)}.npy", module(torch.from_numpy(images))["fc"].detach().numpy())
print(json.loads(json.loads(facts["facts.json"])["labels"])[3])
"""


def ran(script: str, folder: Path) -> list[str]:
    """What a script prints that knows nothing of ftjob, in lines."""
    words = [sys.executable, "-I", "-W", "ignore", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=folder).stdout.splitlines()


def test_the_example_classifies_with_onnx_runtime(colour: Changed, tmp_path: Path) -> None:
    """As docs/export.md has it."""
    api.export(str(colour.root), tmp_path / "faces.onnx", "onnx", "nhwc")
    pictures, scores = golden(colour)
    Image.fromarray(pictures[1]).save(tmp_path / "face.png")

    assert ran(WITH_ONNX, tmp_path) == [f"class {scores[1].argmax()}"]


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("takes", ["prepared", "nhwc"])
def test_a_program_of_pytorch_gives_the_golden_scores(colour: Changed, tmp_path: Path, takes: str) -> None:
    """To a process without ftjob, alone and in a batch, and in the example of docs/export.md."""
    api.export(str(colour.root), tmp_path / "faces.pt2", "torch", takes)
    pictures, scores = golden(colour)
    images = prepared(colour, pictures) if takes == "prepared" else given(pictures, takes, "rgb")
    np.save(tmp_path / "images.npy", images)
    Image.fromarray(pictures[1]).save(tmp_path / "face.png")

    printed = ran(LOAD + (WITH_TORCH if takes == "nhwc" else ""), tmp_path)

    assert printed == ["class 3", *([str(scores[1].argmax())] if takes == "nhwc" else [])]
    for count, wanted in ((len(scores), scores), (1, scores[2:3])):
        found = np.load(tmp_path / f"found-{count}.npy")
        np.testing.assert_allclose(found, wanted, atol=TRANSLATED * np.abs(scores).max())


@pytest.mark.caffe
@pytest.mark.parametrize("takes", ["prepared", "nhwc", "nchw"])
def test_a_runs_own_bundle_is_exported(made: Path, tmp_path: Path, takes: str) -> None:
    """Of grey images, whose golden scores are Caffe's."""
    exported = api.export(str(made), tmp_path / "net.onnx", "onnx", takes)

    assert exported.largest_difference < 1e-5
    assert exported.images == 3


def wrong_mean(bundle: Changed) -> None:
    """The mean of each channel where a mean image was subtracted."""
    bundle.set("preprocess.json", "mean_file", value=None)
    bundle.set("preprocess.json", "mean", value=[104, 117, 123])


def rgb_for_bgr(bundle: Changed) -> None:
    """Images whose channels somebody turned round."""
    _change(bundle, lambda picture: Image.fromarray(np.asarray(picture)[:, :, ::-1]))


def another_resize(bundle: Changed) -> None:
    """Images that another filter brought to their size."""
    _change(bundle, lambda picture: picture.resize((WIDTH - 2, HEIGHT - 2)).resize((WIDTH, HEIGHT)))


def _change(bundle: Changed, edit: Callable[[Image.Image], Image.Image]) -> None:
    for path in bundle.golden.glob("*.png"):
        edit(Image.open(path)).save(path)
    bundle.seal()


@pytest.mark.parametrize("engine", [*ENGINES, *READERS])
@pytest.mark.parametrize("change", [wrong_mean, rgb_for_bgr, another_resize])
def test_verify_finds_another_preprocessing(
    colour: Changed, engine: str, change: Callable[[Changed], None]
) -> None:
    """In every engine; the bundle as it was is verified."""
    before = api.verify(colour.root, engine)
    assert before.ok
    assert before.tolerance == (TRANSLATED if engine in READERS else 1e-3)

    change(colour)

    assert not api.verify(colour.root, engine).ok


@pytest.mark.parametrize("engine", [*ENGINES, *READERS])
def test_verify_finds_a_caffemodel_that_is_cut_off(colour: Changed, engine: str) -> None:
    """With a manifest that fits it, too."""
    colour.write("weights.caffemodel", colour.weights.read_bytes()[:-100])

    with pytest.raises(BadNetError, match=r"weights\.caffemodel"):
        api.verify(colour.root, engine)


def untouched(tmp_path: Path) -> bool:
    """Whether nothing was written beside the bundle."""
    return {each.name for each in tmp_path.iterdir()} <= {"bundle", "there.onnx"}


def test_a_file_that_is_there_stays(colour: Changed, tmp_path: Path) -> None:
    """Whatever it is; a folder is one, and so is a link to nowhere."""
    there = tmp_path / "there.onnx"
    for make in (lambda: there.write_text("mine"), there.mkdir, lambda: there.symlink_to("nowhere")):
        make()
        with pytest.raises(BadSpecError, match=r"there\.onnx: is there already"):
            api.export(str(colour.root), there, "onnx")
        there.rmdir() if there.is_dir() else there.unlink()


def test_a_full_disk_leaves_nothing(colour: Changed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But a sentence."""

    def write_bytes(path: Path, data: bytes) -> int:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(StorageError, match=r"net\.onnx: cannot be written \(No space left on device\)"):
        api.export(str(colour.root), tmp_path / "net.onnx", "onnx")
    assert untouched(tmp_path)


@pytest.mark.caffe
def test_other_scores_are_refused_with_their_layer(
    colour: Changed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A translation that goes wrong is found before the file is there, and where it goes wrong."""

    def without_lrn(bound: Bound, graph: OnnxGraph) -> list[str]:
        return [graph.add("Identity", bound.bottoms[0])]

    monkeypatch.setitem(translation.TRANSLATORS, "LRN", without_lrn)
    with pytest.raises(BadNetError, match=r'onnx: its scores, from layer "norm" on, differ by .* 0\.0001 is'):
        api.export(str(colour.root), tmp_path / "net.onnx", "onnx")
    assert untouched(tmp_path)


def test_what_onnx_runtime_refuses_is_named(
    colour: Changed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its node, which begins with the layer's name."""
    monkeypatch.setattr(maps, "_shares", lambda window: np.full((1, 7, 1, 1), 2, np.float32))
    with pytest.raises(FtjobError, match=r"ONNX Runtime cannot compute the net: .*pool/Mul"):
        api.export(str(colour.root), tmp_path / "net.onnx", "onnx")
    assert untouched(tmp_path)


def test_a_layer_without_counterpart_is_named(tmp_path: Path) -> None:
    """Caffe has a type more than ONNX."""
    net = NET.replace('type: "ReLU" bottom: "conv" top: "conv"', 'type: "ReLU" bottom: "conv" top: "relu"')
    bundle = write_colour_bundle(tmp_path / "bundle", "onnx", net=net)
    bundle.write("deploy.prototxt", bundle.deploy.read_text().replace('type: "ReLU"', 'type: "MVN"'))

    with pytest.raises(BadNetError, match=r'layer "relu" \(MVN\): ONNX export does not have this type'):
        api.export(str(bundle.root), tmp_path / "net.onnx", "onnx")
    assert {each.name for each in tmp_path.iterdir()} == {"bundle"}


def test_images_of_several_sizes_can_only_come_prepared(colour: Changed, tmp_path: Path) -> None:
    """A crop takes images of any size, and a graph is made for one."""
    bundle = write_colour_bundle(tmp_path / "other", "onnx")
    bundle.set("preprocess.json", "width", value=WIDTH + 1)
    with pytest.raises(BadNetError, match=r"0\.png: is not of 29x24 pixels, .*--input prepared"):
        api.export(str(bundle.root), tmp_path / "net.onnx", "onnx", "nhwc")
    api.export(str(bundle.root), tmp_path / "net.onnx", "onnx")


def test_onnx_runtime_reports_to_nobody(colour: Changed, tmp_path: Path) -> None:
    """It would keep an id of the machine and a list of what to send in the user's cache."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    words = [sys.executable, "-m", "ftjob", "verify", str(colour.root), "--engine", "onnx"]
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "TMPDIR": str(home)}
    subprocess.run(words, capture_output=True, check=True, env={**kept, **places})

    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("options", [[], ["--onnx", "a.onnx", "--torch", "a.pt2"]])
def test_the_command_writes_one_file(colour: Changed, tmp_path: Path, options: list[str]) -> None:
    """None and two are a sentence."""
    words = [sys.executable, "-m", "ftjob", "export", str(colour.root), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == ExitCode.BAD_SPEC
    assert "export: give one file, with --onnx or with --torch" in " ".join(done.stderr.split())
    assert untouched(tmp_path)


def test_the_command_reports_what_it_wrote(colour: Changed, tmp_path: Path) -> None:
    """As JSON, with what the file takes and gives."""
    words = [
        "export",
        str(colour.root),
        "--onnx",
        "net.onnx",
        "--input",
        "nchw",
        "--order",
        "bgr",
        "-o",
        "json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "ftjob", *words], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    found = json.loads(done.stdout)
    assert found["path"] == "net.onnx"
    assert found["takes"] == f"uint8 NCHW Nx3x{HEIGHT}x{WIDTH} bgr"
    assert found["outputs"] == ["prob", "fc"]
    assert found["bytes"] == (tmp_path / "net.onnx").stat().st_size
