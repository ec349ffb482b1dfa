"""Writes batches of a build to disk, one at a time, while the next is being made."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ftjob.dataset.folder import DatasetFolder
from ftjob.dataset.journal import Checkpoint, Journal, JournalLine, Sums, write_checkpoint
from ftjob.dataset.lmdb.records import RecordWriter


@dataclass
class Batch:
    """Images in a row."""

    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    lines: list[JournalLine] = field(default_factory=list)
    size: int = 0
    """Bytes of the records."""

    def add(self, line: JournalLine, key: bytes, value: bytes) -> None:
        """Take one image; key and value are empty where it was left out."""
        self.lines.append(line)
        if key:
            self.records.append((key, value))
            self.size += len(value)


class BatchSaver:
    """Writes records, then the journal, then the checkpoint, each synced: only what it covers counts.

    Errors of the disk are raised by the next `save` or at the end.
    """

    def __init__(self, folder: DatasetFolder, start: Checkpoint) -> None:
        self._folder = folder
        self._journal = Journal(folder.sources, start.journal_bytes)
        self._thread = ThreadPoolExecutor(1)
        self._running: Future[None] | None = None

    def save(self, writer: RecordWriter, batch: Batch, done: int, sums: Sums) -> None:
        """Start writing a batch once the one before is on disk; `done` and `sums` include it."""
        self._wait()
        self._running = self._thread.submit(self._put, writer, batch, done, sums.copy())

    @contextmanager
    def all_saved(self) -> Iterator[None]:
        """Wait at the end of the block for what is being written. Raises what writing it raised."""
        try:
            yield
        finally:
            self._wait()

    def _wait(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            running.result()

    def _put(self, writer: RecordWriter, batch: Batch, done: int, sums: Sums) -> None:
        writer.append(batch.records)
        for line in batch.lines:
            self._journal.add(line)
        write_checkpoint(self._folder.checkpoint, Checkpoint(done, self._journal.flush(), sums))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        self._journal.close()
