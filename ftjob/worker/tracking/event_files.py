"""TensorBoard's event files of a run, derived from its metrics.

Every attempt writes them anew from the metrics that it keeps, so that each iteration is there once. They
begin with a restart at step 0, by which a TensorBoard that has the former ones open forgets them.
"""

import time
from collections.abc import Mapping, Sequence
from typing import IO

from ftjob.report.matrix_plot import matrix_png
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.metrics import TestLine, TrainLine
from ftjob.worker.tracking import tfevents
from ftjob.worker.tracking.scalars import ACCURACY, settings_of, test_scalars, train_scalars
from ftjob.worker.tracking.tfevents import record
from jobspec import JobSpec

FULL_BYTES = 1 << 20
"""After which a file is followed by the next one: a store takes whole files only."""


class EventFiles:
    """The sink that writes them."""

    title = "TensorBoard's event files"

    def __init__(self, folder: RunFolder, attempt: int, spec: JobSpec) -> None:
        """`spec` is that of the stage whose metrics are in `folder`."""
        self._folder, self._attempt, self._spec = folder, attempt, spec
        self._number = self._written = 0
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        """Begin anew, in the place of all files that are there. Raises OSError."""
        self.close()
        self._number = self._clear()
        self._begin()
        now = time.time()
        for event in (tfevents.restart(now, 0), *tfevents.settings(now, settings_of(self._spec), ACCURACY)):
            self._write(event)
        self._flush()

    def add(self, train: Sequence[TrainLine], tests: Sequence[TestLine]) -> None:
        """Write the scalars of these lines, and bring them to disk. Raises OSError."""
        for line in train:
            self._write_line(line, train_scalars(line, self._spec.images_per_iteration))
        for test in tests:
            self._write_line(test, test_scalars(test))
        self._flush()

    def close(self) -> None:
        """Close the last file. Raises OSError."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def explain(self, error: Exception) -> str:
        """Return as one line why they cannot be written."""
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        return f"{self._folder.events}: cannot be written ({type(error).__name__}: {why})"

    def _clear(self) -> int:
        """Remove all files; return the number of the next one.

        The last one stays, without contents: a TensorBoard that reads it would not find the way to the next.
        """
        folder = self._folder
        folder.events.mkdir(parents=True, exist_ok=True)
        found = sorted(folder.events.iterdir())
        for path in found[:-1]:
            path.unlink()
        if not found:
            return 0
        found[-1].write_bytes(b"")
        number = found[-1].suffix.removeprefix(".")
        is_own = number.isdecimal() and found[-1] == folder.event_file(self._attempt, int(number))
        return int(number) + 1 if is_own else 0

    def _begin(self) -> None:
        """Begin the next file."""
        self.close()
        self._file = self._folder.event_file(self._attempt, self._number).open("wb")
        self._number, self._written = self._number + 1, 0
        self._write(tfevents.first_event(time.time()))

    def _write_line(self, line: TrainLine | TestLine, values: Mapping[str, float]) -> None:
        if self._written >= FULL_BYTES:
            self._begin()
        self._write(tfevents.scalars(line.time or time.time(), line.iteration, values))

    def _write(self, event: bytes) -> None:
        assert self._file is not None
        self._written += self._file.write(record(event))

    def _flush(self) -> None:
        assert self._file is not None
        self._file.flush()


def last_events(evaluation: Evaluation) -> bytes:
    """Return the contents of the file that a run with a bundle ends with: the bundle's confusion."""
    now, step = time.time(), evaluation.iteration
    picture = tfevents.image(now, step, "confusion", matrix_png(evaluation))
    return b"".join(map(record, (tfevents.first_event(now), picture, tfevents.success(now))))
