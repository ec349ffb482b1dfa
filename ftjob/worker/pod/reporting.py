"""What a pod's worker reports: its progress while it lives, and how it ended (runfolder/progress)."""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ftjob.errors import FtjobError
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.progress import LONGEST, MOST_GPUS, UNREAD_SECONDS, GpuProgress, Progress
from ftjob.runfolder.status import Status
from ftjob.worker.owner import Owner, UserOwner
from ftjob.worker.pod.context import PodContext
from ftjob.worker.pod.statusport import StatusServer
from ftjob.worker.watch.signals import StopRequest

_COUNT, _AMOUNT = 2**31 - 1, 1e9
Log = Callable[[str], None]


class AttemptReport:
    """What is known of an attempt so far."""

    def __init__(self, attempt: int) -> None:
        """`attempt` is the number that the cluster gave it."""
        self._attempt = attempt
        self._owner: Owner = UserOwner(user="")
        self._status: Callable[[], Status] = lambda: Status("", "", reason="")
        self._over = False

    def owned_by(self, owner: Owner) -> None:
        """Record the owner of the run's folder."""
        self._owner = owner

    def follow(self, status: Callable[[], Status]) -> None:
        """Report from now on what that function returns: the attempt's own status at that moment."""
        self._status = status

    def progress(self) -> Progress:
        """Return the attempt's progress; from any thread."""
        return progress_of(self._status(), self._owner, self._attempt)

    def answer(self) -> bytes:
        """Return the attempt's progress as the status port serves it: without an exit code until the end."""
        progress = self.progress()
        return (progress if self._over else progress.model_copy(update={"exit_code": None})).render()

    def close(self) -> Progress:
        """Have the end served from now on, and return it."""
        self._over = True
        return self.progress()

    def end(self, reason: Reason, message: str, code: int) -> int:
        """Record an end that is in no status, and return its exit code."""
        last = replace(self._status(), reason=reason, message=message, exit_code=int(code))
        self._status = lambda: last
        return int(code)

    def failed(self, error: FtjobError) -> int:
        """Record an error as the end, and return its exit code."""
        return self.end(error.reason, str(error), error.exit_code)


@contextmanager
def reporting(
    attempt: int, pod: PodContext, stop: StopRequest, log: Log, *, in_pod: bool
) -> Iterator[AttemptReport]:
    """Yield an attempt's report. In a pod it is served during the block, and written as the pod's termination
    message at its end; after a request to stop, behind which a kubelet may not read that message, it is also
    served until it was read."""
    report = AttemptReport(attempt)
    server = serve(report.answer, pod.status_port, log) if in_pod else None
    try:
        yield report
    except BaseException as error:
        why = f"an unexpected error ({type(error).__name__}: {error}): please report it"
        report.end(Reason.INTERNAL_ERROR, why, 1)
        raise
    finally:
        if in_pod:
            leave(pod.termination_log, report.close().render(), log)
        if server:
            if stop:
                server.wait_until_read(UNREAD_SECONDS)
            server.close()


def serve(answer: Callable[[], bytes], requested: str, log: Log) -> StatusServer | None:
    """Serve the answer on the requested port; None where that cannot be opened, which must not end a run."""
    try:
        port = int(requested)
        if port not in range(65536):
            raise ValueError(f"{port} is no port")
        server = StatusServer(answer, port)
    except (OSError, ValueError) as error:
        log(f"the status port cannot be opened ({error}): the cluster shows no progress of this attempt")
        return None
    log(f"the status port is {server.port}")
    return server


def leave(path: Path, message: bytes, log: Log) -> None:
    """Write the termination message; a failure to do so changes nothing about the end."""
    try:
        path.write_bytes(message)  # in place: a kubelet mounts this one file
    except OSError as error:
        log(f"{path}: the termination message cannot be written ({error.strerror})")


def progress_of(status: Status, owner: Owner, attempt: int) -> Progress:
    """Return the progress in a status; values beyond the model's bounds are clamped or left out."""
    # The cluster counts the iterations of all stages together: a later stage's first snapshot is progress,
    # and so is the end of the stage before it.
    before = status.iterations_before
    max_iter = _count(status.iterations_in_all) or 0
    snapshot = _count(before + (status.snapshot or 0)) if before else _count(status.snapshot)
    iteration = max(
        _count(before + status.iteration) or 0, snapshot or 0
    )  # a resumed attempt's is its snapshot
    if max_iter:
        iteration = min(iteration, max_iter)
    return Progress(
        attempt=_count(attempt) or 0,
        stage=status.stage_under_way,
        iteration=iteration,
        max_iter=max_iter,
        snapshot=None if snapshot is None else min(snapshot, iteration),
        tested=_count(status.tested),
        loss=_number(status.loss, -math.inf, math.inf),
        accuracy=_number(status.highest_accuracy, 0.0, 1.0),
        images_per_second=_number(status.images_per_second, 0.0, _AMOUNT),
        gpus=tuple(GpuProgress(**vars(each)) for each in status.gpus[:MOST_GPUS]),
        eta_seconds=_number(status.eta_seconds, 0.0, _AMOUNT),
        earlier_seconds=owner.seconds_before,
        earlier_usd=owner.usd_before,
        reason=status.reason if re.fullmatch(r"[A-Z][A-Za-z0-9]{0,63}", status.reason) else "",
        message=legible(status.message),
        exit_code=status.exit_code if status.exit_code in range(256) else None,
    )


def legible(text: str) -> str:
    """Return a text as one line of at most LONGEST printable characters."""
    line = "; ".join(text[: 4 * LONGEST].splitlines())
    seen = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in line)
    return seen if len(seen) <= LONGEST else f"{seen[: LONGEST - 1]}…"


def _count(value: int | None) -> int | None:
    return None if value is None else min(max(value, 0), _COUNT)


def _number(value: float | None, least: float, most: float) -> float | None:
    """Return a number within bounds; None where it is none, or infinite."""
    try:
        number = None if value is None else float(value)
    except OverflowError:
        return None
    return None if number is None or not math.isfinite(number) else min(max(number, least), most)
