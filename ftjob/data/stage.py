"""A build on its way: records, journal and sums that grow together, and go on after a kill."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from ftjob.data.convert import Chunk, Earlier, convert
from ftjob.data.folder import DatasetFolder
from ftjob.data.journal import Checkpoint, Journal, Sums, read_checkpoint, read_lines, write_checkpoint
from ftjob.data.manifest import Tally
from ftjob.data.options import BuildOptions, Progress
from ftjob.data.order import Part
from ftjob.data.records import RecordWriter
from ftjob.data.threads import THREADS, in_order
from ftjob.errors import BadDataError

CHECKPOINT_SECONDS = 1.0
BATCH_BYTES = 32 << 20
"""Of records that wait to be written; LMDB holds as much again while it writes."""
AHEAD_BYTES = 48 << 20
"""Of records that are made while others are written."""
CHUNK = 16
PROGRESS_SECONDS = 0.1
TOLD = 3


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
    """What a finished stage knows."""

    tally: Tally
    sums: Sums
    reused: int


class Stage:
    """The folder in which a dataset grows."""

    def __init__(self, folder: DatasetFolder, work: Work, progress: Callable[[Progress], None]) -> None:
        self._folder, self._work, self._progress = folder, work, progress
        options = work.options
        shape = (options.height, options.width, 3)[: 3 if options.color else 2]
        start = read_checkpoint(folder.checkpoint) or Checkpoint(0, 0, np.zeros(shape))
        self._done = self._begun_at = start.done
        self._sums = start.sums
        self._journal = Journal(folder.sources, start.journal_bytes)
        self._tally = Tally(len(work.classes), work.digest_seed)
        for line in read_lines(folder.sources):
            self._tally.add(line)
        self._reused = 0
        self._began = self._told = self._saved = time.monotonic()

    def run(self) -> Staged:
        """Make every record that is not there yet."""
        before = 0
        cv2.setNumThreads(1)  # the threads are ours already
        try:
            for part in self._work.parts:
                self._run_part(part, max(0, self._done - before))
                before += len(part.places)
        finally:
            self._journal.close()
        self._tell(last=True)
        return Staged(self._tally, self._sums, self._reused)

    def _run_part(self, part: Part, start: int) -> None:
        if start >= len(part.places) > 0:
            return
        writer = RecordWriter(self._folder.split(part.split), keep=start)
        try:
            batch: list[tuple[bytes, bytes]] = []
            size = 0
            for chunk in self._chunks(part, start):
                batch += [(image.key, image.value) for image in chunk.images if image.key]
                size += sum(len(image.value) for image in chunk.images)
                self._count(chunk)
                if size > BATCH_BYTES or time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                    self._save(writer, batch)
                    batch, size = [], 0
            self._save(writer, batch)
        finally:
            writer.close()

    def _chunks(self, part: Part, start: int) -> Iterator[Chunk]:
        """The chunks of a part in order, made ahead of time but not by far."""
        options = self._work.options
        record_bytes = options.height * options.width * options.channels
        size = max(1, min(CHUNK, AHEAD_BYTES // (4 * record_bytes)))
        ahead = max(THREADS, AHEAD_BYTES // (size * record_bytes)) + 1
        make = partial(convert, part, options=options, earlier=self._work.earlier)
        end = len(part.places)
        calls = (partial(make, first, min(first + size, end)) for first in range(start, end, size))
        return in_order(calls, ahead)

    def _count(self, chunk: Chunk) -> None:
        for image in chunk.images:
            self._journal.add(image.line)
            self._tally.add(image.line)
            self._reused += image.reused
        if chunk.sums is not None:
            self._sums += chunk.sums
        self._done += len(chunk.images)
        self._refuse_too_many()
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._tell()

    def _save(self, writer: RecordWriter, batch: list[tuple[bytes, bytes]]) -> None:
        if batch:
            writer.append(batch)
        write_checkpoint(self._folder.checkpoint, Checkpoint(self._done, self._journal.flush(), self._sums))
        self._saved = time.monotonic()

    def _refuse_too_many(self) -> None:
        bad, total, share = self._tally.unreadable, self._work.total, self._work.options.allow_unreadable
        if bad > total * share:
            told = "; ".join(self._tally.unreadable_first[:TOLD])
            raise BadDataError(
                f"{bad} of the first {self._done} images cannot be read, more than {share * 100:g} % of all "
                f"{total}: mend or remove them, or allow a larger share: {told}"
            )

    def _tell(self, last: bool = False) -> None:
        now = time.monotonic()
        speed = (self._done - self._begun_at) / max(now - self._began, 1e-9)
        left = (self._work.total - self._done) / speed if speed else None
        self._told = now
        self._progress(
            Progress(self._done, self._work.total, speed, 0.0 if last else left, self._tally.unreadable)
        )
