"""Contact sheets: a class at a glance."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ftjob.dataset.facts import DatasetFacts
from ftjob.fs import files

TILE = 96
"""Side of one picture in pixels."""
GAP = 4
COLUMNS = 8
MOST = 64
"""Pictures on a sheet."""
TITLE = 22
T = TypeVar("T")


class Tiles:
    """Pictures of one class for its sheet: every so many-th, so that they show the whole of it."""

    def __init__(self) -> None:
        self.seen = 0
        self._step = 1
        self._kept: list[NDArray[np.uint8]] = []

    def add(self, tile: NDArray[np.uint8]) -> None:
        """Take the class's next picture, (h, w, 3) RGB."""
        if self.seen % self._step == 0:
            self._kept.append(tile)
        self.seen += 1
        if len(self._kept) == 2 * MOST:
            self._kept, self._step = self._kept[::2], 2 * self._step

    def chosen(self) -> list[NDArray[np.uint8]]:
        """Return at most MOST of them, evenly spread."""
        return evenly(self._kept, MOST)


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many of some items, evenly spread."""
    count = min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (H, W, C) in BGR as RGB that fits a tile."""
    height, width, channels = image.shape
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    colour = cv2.COLOR_GRAY2RGB if channels == 1 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(small, colour), dtype=np.uint8)


def write_sheet(folder: Path, facts: DatasetFacts, label: int, pictures: Tiles) -> Path:
    """Write one class's sheet as PNG; return its path."""
    name = facts.labels[label] if 0 <= label < len(facts.labels) else ""
    tiles = pictures.chosen()
    title = f"label {label} ({name}): {len(tiles)} of {pictures.seen} images"
    columns = min(COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    width = max(columns * (TILE + GAP) + GAP, 4 * TILE)
    sheet = Image.new("RGB", (width, TITLE + rows * (TILE + GAP) + GAP), "white")
    ImageDraw.Draw(sheet).text((GAP, GAP), title, fill="black")
    for number, tile in enumerate(tiles):
        left = GAP + number % columns * (TILE + GAP) + (TILE - tile.shape[1]) // 2
        top = TITLE + number // columns * (TILE + GAP) + (TILE - tile.shape[0]) // 2
        sheet.paste(Image.fromarray(tile), (left, top))
    plain = re.sub(r"[^-.\w]", "_", name)
    path = folder / f"{label:04d}_{plain}.png"
    with files.whole(path) as temporary:
        sheet.save(temporary, format="PNG")
    return path
