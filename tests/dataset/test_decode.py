"""Encoded records become the pixels that Caffe's OpenCV makes of them, whichever library decodes them."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ftjob.dataset.lmdb.datum import RecordError, encode_datum, read_head
from ftjob.dataset.lmdb.decode import decode_data, decode_planes

SETTINGS = st.fixed_dictionaries(
    {
        "quality": st.integers(1, 100),
        "subsampling": st.integers(0, 2),
        "progressive": st.booleans(),
        "optimize": st.booleans(),
        "restart_marker_blocks": st.sampled_from([0, 1, 3]),
        "keep_rgb": st.booleans(),
    }
)


def by_opencv(data: bytes) -> Any:
    """What io.cpp, DecodeDatumToCVMatNative, gives: None where it is no image."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels[:, :, np.newaxis] if pixels is not None and pixels.ndim == 2 else pixels


def decoded(data: bytes) -> Any:
    return decode_data(read_head(encode_datum(data, 0, channels=0, height=0, width=0, encoded=True)), data)


def jpeg(seed: int, size: tuple[int, int], mode: str, orientation: int = 1, **settings: Any) -> bytes:
    """A picture of soft shapes, as a photograph's are, with the orientation in its EXIF."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 4), np.uint8)
    picture = Image.fromarray(small[:, :, :3]).resize(size, Image.Resampling.BICUBIC).convert(mode)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    if mode != "RGB":
        settings.pop("keep_rgb", None)
    if settings.get("keep_rgb"):
        settings["subsampling"] = 0  # there is none without a transform
    picture.save(file, "JPEG", exif=exif, **settings)
    return file.getvalue()


SIZES = st.tuples(st.integers(1, 70), st.integers(1, 70))
MODES = st.sampled_from(["RGB", "RGB", "L", "CMYK"])


@given(st.integers(0, 99), SIZES, MODES, st.integers(1, 8), SETTINGS)
def test_every_jpeg_becomes_what_opencv_makes_of_it(
    seed: int, size: tuple[int, int], mode: str, orientation: int, settings: dict[str, Any]
) -> None:
    """In every quality, subsampling, order of its parts, colour space and orientation."""
    data = jpeg(seed, size, mode, orientation, **settings)

    assert np.array_equal(decoded(data), by_opencv(data))


@given(
    st.integers(0, 9), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3), st.floats(0, 1)
)
def test_what_is_damaged_becomes_what_opencv_makes_of_it(
    seed: int, bytes_changed: list[tuple[float, int]], kept: float
) -> None:
    """It fills up with grey what it cannot read, or makes nothing of it."""
    data = bytearray(jpeg(seed, (40, 30), "RGB"))
    for place, value in bytes_changed:
        data[int(place * (len(data) - 1))] = value
    data = data[: int(kept * len(data))]

    expected = by_opencv(bytes(data)) if data else None
    if expected is None or expected.shape[2] not in (1, 3):
        with pytest.raises(RecordError):
            decoded(bytes(data))
    else:
        assert np.array_equal(decoded(bytes(data)), expected)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp"])
def test_other_files_are_decoded_too(suffix: str) -> None:
    """Losslessly, as they were stored."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    data = cv2.imencode(suffix, pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    head = read_head(encode_datum(data, 0, channels=0, height=0, width=0, encoded=True))

    assert np.array_equal(decode_planes(head, data), pixels.transpose(2, 0, 1))
