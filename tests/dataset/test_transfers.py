"""Transfers reported as progress: now and then, with speed and time left."""

from ftjob.dataset.build.transfers import as_progress
from ftjob.dataset.build_options import DataProgress
from ftjob.storage import Transfer


def test_the_first_and_the_last_are_reported_and_few_between() -> None:
    """A thousand pieces in a moment are not a thousand lines."""
    seen: list[DataProgress] = []
    report = as_progress(seen.append)

    for done in range(1, 1001):
        report(Transfer("s3://models/net", done * 1_000_000, 1_000_000_000))

    assert (seen[0].done, seen[-1].done) == (1_000_000, 1_000_000_000)
    assert len(seen) < 20
    assert seen[-1].eta_seconds == 0


def test_every_transfer_begins_anew() -> None:
    """Speed and time left are of what is on its way now."""
    seen: list[DataProgress] = []
    report = as_progress(seen.append)
    for key in ("s3://models/net", "s3://models/weights"):
        report(Transfer(key, 1, 2))

    assert [update.transfer for update in seen] == ["s3://models/net", "s3://models/weights"]


def test_progress_reads_as_a_sentence() -> None:
    """In the worker's log: images for a build, megabytes for a transfer."""
    transfer = DataProgress(12_000_000, 600_000_000, 98e6, 6.0, 0, "s3://models/net")

    assert str(transfer) == "s3://models/net: 12.0 of 600.0 MB, 98 MB/s, 6 s left"
    assert str(DataProgress(3, 9, 1.0, 6.0, 1)) == "3/9 images, 1/s, 6 s left, 1 unreadable"
