"""Reports transfers in the form of a build's progress: every 0.1 s, with speed and time left."""

import time
from collections.abc import Callable

from ftjob.dataset.build_options import DataProgress
from ftjob.storage import Transfer

REPORT_SECONDS = 0.1


def as_progress(progress: Callable[[DataProgress], None]) -> Callable[[Transfer], None]:
    """Return a callback for transfers that reports them to `progress`; each new key starts afresh."""
    began, reported_at, what = 0.0, 0.0, ""

    def report(transfer: Transfer) -> None:
        nonlocal began, reported_at, what
        if transfer.spared_seconds:
            return progress(
                DataProgress(
                    transfer.done, transfer.total, 0.0, 0.0, 0, transfer.key, transfer.spared_seconds
                )
            )
        now = time.monotonic()
        if transfer.key != what:
            began, reported_at, what = now, 0.0, transfer.key
        if now - reported_at > REPORT_SECONDS or transfer.done == transfer.total:
            reported_at = now
            speed = transfer.done / max(now - began, 1e-3)
            left = (transfer.total - transfer.done) / speed if speed else None
            progress(DataProgress(transfer.done, transfer.total, speed, left, 0, what))
        return None

    return report
