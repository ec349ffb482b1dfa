"""Small pictures of validation images, where their LMDB is on this machine."""

import base64
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ftjob.dataset.folder import DATA_FILE
from ftjob.dataset.lmdb.pages import check_pages
from ftjob.dataset.lmdb.read import exact_key, key_bytes, records_at
from ftjob.errors import BadDataError
from ftjob.report.compare.comparison import ChangedImage, Comparison, Difference
from ftjob.report.facts import Facts
from ftjob.storage import local_path

MOST = 48
"""Pictures in a page."""
SIDE = 96
"""Pixels of the longer side."""
QUALITY = 80
"""Of JPEG: some 3 KB each."""

Pictures = Mapping[str, str]
"""Data URIs by the key of the record."""


def shown_images(difference: Difference, differences: int) -> tuple[list[ChangedImage], list[ChangedImage]]:
    """Return the changed images of a difference that a page shows, those that became right first; of several
    differences each has its share of MOST."""
    each = max(1, MOST // (2 * max(1, differences)))
    return list(difference.gained[:each]), list(difference.lost[:each])


def pictures_of(comparison: Comparison, runs: Iterable[Facts]) -> Pictures:
    """Return pictures of the images that a page shows, from the first LMDB of the runs that has them; fewer,
    or none, where none is on this machine, or none is sound."""
    shown = [shown_images(each, len(comparison.differences)) for each in comparison.differences]
    wanted = {image.key: image.label for gained, lost in shown for image in (*gained, *lost)}
    places = dict.fromkeys(facts.plan.val.path for facts in runs if facts.plan and facts.plan.val.path)
    found: dict[str, str] = {}
    for place in places:
        if missing := [key for key in wanted if key not in found]:
            found |= pictures_at(local_path(place), missing[:MOST])
    return {key: data_uri(picture) for key, picture in found.items()}


def data_uri(picture: str) -> str:
    """Return a JPEG in base64 as an address that a page can show."""
    return f"data:image/jpeg;base64,{picture}"


def pictures_at(path: Path | None, keys: Iterable[str]) -> dict[str, str]:
    """Return small JPEGs in base64 of an LMDB's records, by key; fewer, or none, where it is not sound.

    A page is whole without its pictures, so data that cannot be read are no error.
    """
    try:
        if path is None or not (path / DATA_FILE).is_file():
            return {}
        check_pages(path)
        return {
            exact_key(each.key): small_jpeg(each.image) for each in records_at(path, map(key_bytes, keys))
        }
    except (BadDataError, OSError, ValueError):
        return {}


def small_jpeg(image: NDArray[np.uint8], side: int = SIDE) -> str:
    """Return an image (H, W, C) in BGR, or grey, as a JPEG of at most so many pixels a side, in base64."""
    pixels = image[:, :, 0] if image.shape[2] == 1 else image[:, :, ::-1]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((side, side))
    written = io.BytesIO()
    picture.save(written, format="JPEG", quality=QUALITY)
    return base64.b64encode(written.getvalue()).decode("ascii")
