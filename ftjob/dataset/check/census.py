"""Counts the labels and shapes of a dataset's records, one after the other."""

from collections import Counter
from dataclasses import replace

from ftjob.dataset.facts import Contents, ImageSize, OtherSizes
from ftjob.dataset.lmdb.datum import Shape
from ftjob.dataset.lmdb.read import key_text
from ftjob.dataset.shuffled import Runs


class Census:
    """Takes the records in key order."""

    def __init__(self) -> None:
        self.records = 0
        self.shape: Shape | None = None
        """(H, W, C) of the first image."""
        self._first_key = b""
        self._histogram: Counter[int] = Counter()
        self._encoded = False
        self._others: OtherSizes | None = None
        self._runs = Runs()

    def add(self, key: bytes, label: int | None, shape: Shape | None, *, encoded: bool = False) -> None:
        """Take a record; its shape is None where it is no image, its label where it is no Datum."""
        self.records += 1
        if label is not None:
            self._histogram[label] += 1
            self._runs.add(label, key)
        if shape is None:
            return
        if self.shape is None:
            self.shape, self._encoded, self._first_key = shape, encoded, key
        elif shape[:2] != self.shape[:2]:
            self._add_other(ImageSize(key_text(key), *shape[:2]))

    def contents(self) -> Contents:
        """Return what all of them are; height, width and channels are 0 where none is an image."""
        height, width, channels = self.shape or (0, 0, 0)
        return Contents(
            records=self.records,
            channels=channels,
            height=height,
            width=width,
            histogram=dict(sorted(self._histogram.items())),
            encoded=self._encoded,
            others=self._others,
            long_runs=self._runs.long(),
        )

    def _add_other(self, image: ImageSize) -> None:
        if self._others is None:
            assert self.shape, "another size is that of another image"
            first = ImageSize(key_text(self._first_key), *self.shape[:2])
            self._others = OtherSizes(0, image, first)
        smallest = min(self._others.smallest, image, key=lambda each: each.side)
        self._others = replace(self._others, records=self._others.records + 1, smallest=smallest)
