"""A build under way: records, journal and sums that grow together, and resume after a kill."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from ftjob.concurrency.ahead import THREADS, in_order
from ftjob.concurrency.malloc import keep_freed_memory
from ftjob.dataset.build.convert import Chunk, Earlier, convert
from ftjob.dataset.build.order import Part
from ftjob.dataset.build.saver import Batch, BatchSaver
from ftjob.dataset.build_options import BuildOptions, DataProgress
from ftjob.dataset.folder import DatasetFolder
from ftjob.dataset.journal import Checkpoint, Sums, read_checkpoint, read_lines
from ftjob.dataset.lmdb.records import RecordWriter
from ftjob.dataset.manifest import Tally
from ftjob.errors import BadDataError

CHECKPOINT_SECONDS = 1.0
BATCH_BYTES = 16 << 20
"""Of records in a batch: one batch is being made, one written to disk, and LMDB has a copy of that."""
AHEAD_BYTES = 48 << 20
"""Of records that are made while others are written."""
CHUNK = 64
PROGRESS_SECONDS = 0.1
SHOWN = 3


@dataclass(frozen=True)
class Work:
    """Everything a build does, decided before the first image is read."""

    parts: tuple[Part, ...]
    classes: tuple[str, ...]
    options: BuildOptions
    earlier: Earlier
    digest_seed: bytes
    """What all records have in common, for the digest of each split."""

    @property
    def total(self) -> int:
        return sum(len(part.places) for part in self.parts)


@dataclass(frozen=True)
class Staged:
    """The results of a finished stage."""

    tally: Tally
    sums: Sums
    reused: int


class Stage:
    """The folder in which a dataset grows."""

    def __init__(self, folder: DatasetFolder, work: Work, progress: Callable[[DataProgress], None]) -> None:
        self._folder, self._work, self._progress = folder, work, progress
        options = work.options
        shape = (options.height, options.width, 3)[: 3 if options.color else 2]
        self._start = read_checkpoint(folder.checkpoint) or Checkpoint(0, 0, np.zeros(shape))
        self._done = self._start.done
        self._sums = self._start.sums
        self._tally = Tally(len(work.classes), work.digest_seed)
        self._reused = 0
        self._began = self._reported_at = time.monotonic()

    def run(self) -> Staged:
        """Make every record that is not there yet."""
        cv2.setNumThreads(1)  # ftjob's own threads use the processors already
        keep_freed_memory()
        with BatchSaver(self._folder, self._start) as saver:
            for line in read_lines(self._folder.sources):
                self._tally.add(line)
            before = 0
            for part in self._work.parts:
                self._run_part(part, max(0, self._start.done - before), saver)
                before += len(part.places)
        self._report(last=True)
        return Staged(self._tally, self._sums, self._reused)

    def _run_part(self, part: Part, start: int, saver: BatchSaver) -> None:
        if start >= len(part.places) > 0:
            return
        with RecordWriter(self._folder.split(part.split), keep=start) as writer, saver.all_saved():
            batch, saved = Batch(), time.monotonic()
            for chunk in self._chunks(part, start):
                self._take(chunk, batch)
                if batch.size > BATCH_BYTES or time.monotonic() - saved > CHECKPOINT_SECONDS:
                    saver.save(writer, batch, self._done, self._sums)
                    batch, saved = Batch(), time.monotonic()
            saver.save(writer, batch, self._done, self._sums)

    def _chunks(self, part: Part, start: int) -> Iterator[Chunk]:
        """Yield the chunks of a part in order, a bounded number of them made ahead of time."""
        options = self._work.options
        record_bytes = options.height * options.width * options.channels
        threads = max(THREADS, part.listing.tree.readers)
        size = max(1, min(CHUNK, AHEAD_BYTES // (max(4, threads) * record_bytes)))
        ahead = max(threads, AHEAD_BYTES // (size * record_bytes)) + 1
        make = partial(convert, part, options=options, earlier=self._work.earlier)
        end = len(part.places)
        calls = (partial(make, first, min(first + size, end)) for first in range(start, end, size))
        return in_order(calls, ahead, threads)

    def _take(self, chunk: Chunk, batch: Batch) -> None:
        for image in chunk.images:
            batch.add(image.line, image.key, image.value)
            self._tally.add(image.line)
            self._reused += image.reused
        if chunk.sums is not None:
            cv2.accumulate(chunk.sums, self._sums)
        self._done += len(chunk.images)
        self._refuse_too_many()
        if time.monotonic() - self._reported_at > PROGRESS_SECONDS:
            self._report()

    def _refuse_too_many(self) -> None:
        bad, total, share = self._tally.unreadable, self._work.total, self._work.options.allow_unreadable
        if bad > total * share:
            shown = "; ".join(self._tally.unreadable_first[:SHOWN])
            raise BadDataError(
                f"{bad} of the first {self._done} images cannot be read, more than {share * 100:g} % of all "
                f"{total}: fix or remove them, or allow a larger share: {shown}"
            )

    def _report(self, last: bool = False) -> None:
        now = time.monotonic()
        speed = (self._done - self._start.done) / max(now - self._began, 1e-9)
        left = (self._work.total - self._done) / speed if speed else None
        self._reported_at = now
        self._progress(
            DataProgress(self._done, self._work.total, speed, 0.0 if last else left, self._tally.unreadable)
        )
