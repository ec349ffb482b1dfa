"""A bundle answers about image files as the run it came from did about its data."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ftjob
from ftjob.answers.answer import ConfusionTally, Guess, PictureAnswer, best
from ftjob.answers.pictures import find_pictures
from ftjob.bundle.classifier import read_for_use, softmax
from ftjob.bundle.hardware import choose_hardware
from ftjob.dataset.image.pixels import Shape, stored_picture
from ftjob.engine.onnx import installed
from ftjob.errors import BadDataError, BadNetError, FtjobError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.storage import open_store
from tests.bundle.conftest import Changed
from tests.dataset.astronaut import picture, turned
from tests.dataset.images import jpeg
from tests.storage.servers import Bucket
from tests.tiers import hide_torch

ENGINES = [
    pytest.param("caffe", marks=pytest.mark.caffe),
    pytest.param("torch", marks=pytest.mark.torch),
    "onnx",
]
pytestmark = pytest.mark.torch  # whose libraries draw the digits


def val_of(bundle: Path) -> Path:
    """The folders of images that the run was evaluated on."""
    return bundle.parents[3] / "val"


def document(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize("engine", ENGINES)
def test_the_answers_are_those_of_the_evaluation(made: Path, engine: str) -> None:
    """From the image files, through decoding, resizing, crop and mean: the same confusion."""
    answers = ftjob.classify(str(made), [str(val_of(made))], confusion=True, engine=engine, batch=7)
    assert not [answer for answer in answers if answer.problem]
    ours, theirs = answers.counts().evaluation, document(made / "evaluation.json")
    assert (ours.images, ours.accuracy, ours.confusion) == (30, theirs["accuracy"], theirs["confusion"])
    assert ours.loss == pytest.approx(theirs["loss"], abs=1e-4)


@pytest.mark.parametrize("batch", [1, 5, 32])
def test_golden_images_get_the_golden_scores(made: Path, batch: int) -> None:
    """Whatever goes through the net beside them, in the order in which they were named."""
    golden = document(made / "golden" / "scores.json")["images"]
    names = [str(made / "golden" / each["image"]) for each in golden]
    found = list(ftjob.classify(str(made), names[::-1], top=3, batch=batch))
    assert [answer.picture for answer in found] == names[::-1]
    for answer, each in zip(found[::-1], golden, strict=True):
        expected = softmax(np.array([each["scores"]], np.float32))[0]
        shares = {guess.name: guess.probability for guess in answer.guesses}
        assert [shares[str(label)] for label in range(3)] == pytest.approx(expected.tolist(), abs=1e-5)


def test_what_cannot_be_read_is_named_and_the_rest_answered(made: Path, tmp_path: Path) -> None:
    """Exit code 4; text, json and csv."""
    good, junk = tmp_path / "good.png", tmp_path / "=junk.png"
    shutil.copy(made / "golden" / "00.png", good)
    junk.write_bytes(b"\x89PNG\r\n\x1a\n junk")
    names = ["=junk.png", "good.png", "missing.png"]

    def called(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ftjob", "classify", str(made), *names, "--top", "1", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    text = called()
    assert text.returncode == 4
    assert text.stdout.startswith("good.png: ")
    assert text.stdout.count("\n") == 1
    assert text.stderr.splitlines()[-1] == "2 of 3 images cannot be read"
    assert "missing.png: cannot be read (No such file or directory)" in text.stderr

    answers = json.loads(called("-o", "json").stdout)["answers"]
    assert [sorted(each) for each in answers] == [
        ["image", "problem"],
        ["classes", "image"],
        ["image", "problem"],
    ]

    rows = list(csv.reader(io.StringIO(called("-o", "csv").stdout)))
    assert rows[0] == ["image", "class1", "probability1", "problem"]
    assert [row[0] for row in rows[1:]] == ["'=junk.png", "good.png", "missing.png"]  # no formula
    assert [bool(row[3]) for row in rows[1:]] == [True, False, True]


def test_a_list_comes_from_stdin_and_a_run_by_its_name(made: Path, tmp_path: Path) -> None:
    """The list may have blank lines and another system's line ends."""
    command = [sys.executable, "-m", "ftjob", "classify", str(made.parent), "-", "--confusion", "-o", "json"]
    listed = f"{val_of(made)}\r\n\n"
    done = subprocess.run(command, input=listed, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found["answers"]) == found["confusion"]["images"] == 30
    assert found["confusion"]["matrix"] == document(made / "evaluation.json")["confusion"]


@pytest.mark.store
def test_bundle_and_images_in_a_store(made: Path, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle is fetched into the cache; an image that is not there is named."""
    for folder, name in ((made, "bundle"), (val_of(made), "images")):
        store = open_store(f"{s3.uri}/classify/{name}")
        for path in folder.rglob("*"):
            if path.is_file():
                store.upload(path, path.relative_to(folder).as_posix())
    images = f"{s3.uri}/classify/images"
    answers = ftjob.classify(f"{s3.uri}/classify/bundle", [images], confusion=True)
    assert [answer.problem for answer in answers] == [""] * 30
    assert answers.counts().evaluation.confusion == document(made / "evaluation.json")["confusion"]
    [lost] = ftjob.classify(f"{s3.uri}/classify/bundle", [f"{images}/0/none.png"])
    assert "is not there" in lost.problem


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [(["0", "cats"], "in the folder cats"), (["."], "lies in no folder of a class")],
)
def test_only_folders_of_classes_are_counted(
    made: Path, tmp_path: Path, folders: list[str], sentence: str
) -> None:
    """Before anything is computed."""
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
        shutil.copy(made / "golden" / "00.png", tmp_path / folder / "image.png")
    with pytest.raises(BadDataError, match=sentence):
        ftjob.classify(str(made), [str(tmp_path)], confusion=True)


def test_the_fastest_that_can_answers(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime where it is installed and has all of the net's layers, else PyTorch, else Caffe."""

    def chosen(net: NetParameter) -> str:
        return choose_hardware("auto", gpu=False, precision="fp32", fastest_for=net).engine

    net = read_for_use(made).net
    assert chosen(net) == "onnx"
    other = NetParameter()
    other.CopyFrom(net)
    other.layer[1].type = "MVN"
    assert chosen(other) == "torch"
    monkeypatch.setattr(installed, "has_onnx", lambda: False)
    assert chosen(net) == "torch"
    hide_torch(monkeypatch)
    assert chosen(net) == "caffe"


def test_nothing_to_count_is_no_evaluation() -> None:
    """Not an accuracy of 0, and no division by it."""
    with pytest.raises(BadDataError, match="none of the images can be read"):
        ConfusionTally(["a", "b"], []).counts()


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        ("preprocess.json", ("resize_mode",), "stretch"),
        ("preprocess.json", ("height",), 30),
        ("preprocess.json", ("crop",), 20),
    ],
)
def test_a_bundle_that_does_not_fit_itself_is_refused(
    made: Path, tmp_path: Path, key: str, path: tuple[str], value: Any
) -> None:
    """A sentence that names the file, before an engine is started."""
    changed = Changed(shutil.copytree(made, tmp_path / "bundle"))
    changed.set(key, *path, value=value)
    with pytest.raises(BadNetError, match=str(changed.root)):
        read_for_use(changed.root)


@pytest.mark.parametrize("model", ["nobody", "no/such/folder", "x" * 5000, "alias:nobody"])
def test_a_model_that_is_not_there(model: str, cache: Path) -> None:
    """One sentence, from a name, a path or an alias."""
    with pytest.raises(FtjobError, match=r"no such run|no run was submitted"):
        ftjob.classify(model, [])


def test_the_best_are_in_order_and_ties_keep_the_labels_order() -> None:
    """As numpy's argmax has it."""
    shares = np.array([0.1, 0.4, 0.1, 0.4], np.float32)
    assert best(shares, "abcd", 3) == (Guess("b", shares[1]), Guess("d", shares[3]), Guess("a", shares[0]))


def test_a_folder_is_walked_whole(tmp_path: Path) -> None:
    """Images right in it and below; hidden files and other kinds are passed over."""
    for name in ("b.png", "a/2.jpg", "a/deep/1.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [(picture.name, picture.folder) for picture in find_pictures([f"{tmp_path}/"])]
    assert found == [
        (f"{tmp_path}/a/2.jpg", "a"),
        (f"{tmp_path}/a/deep/1.jpg", "a"),
        (f"{tmp_path}/b.png", None),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadDataError, match="has no images"):
        list(find_pictures([str(tmp_path / "empty")]))


def test_faces_are_cut_out_as_they_were_for_training(made: Path, tmp_path: Path) -> None:
    """A whole photograph gets the answer of its face; `face_crop` decides otherwise."""
    portrait = stored_picture(jpeg(turned(20)), Shape(32, 32, "squash", color=False, face_crop=True))
    (tmp_path / "whole.jpg").write_bytes(jpeg(turned(20)))
    Image.fromarray(portrait.pixels).save(tmp_path / "face.png")
    (tmp_path / "cat.jpg").write_bytes(jpeg(picture("chelsea.png")))
    faces = Changed(shutil.copytree(made, tmp_path / "bundle"))
    faces.set("preprocess.json", "face_crop", value=True)

    def answers(model: Path, name: str, face_crop: bool | None = None) -> PictureAnswer:
        return next(iter(ftjob.classify(str(model), [str(tmp_path / name)], face_crop=face_crop)))

    face = answers(made, "face.png").guesses
    assert answers(faces.root, "whole.jpg").guesses == face
    assert answers(made, "whole.jpg", face_crop=True).guesses == face
    assert answers(faces.root, "face.png", face_crop=False).guesses == face
    assert answers(made, "whole.jpg").guesses != face
    assert answers(faces.root, "cat.jpg").problem == "no face was found in it"
