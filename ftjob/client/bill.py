"""What runs have cost, wherever they are."""

from collections.abc import Iterable

from ftjob.client.handle import RunHandle
from ftjob.errors import BadSpecError, StorageError
from ftjob.runfolder.charges import Bill, Charge, together


def bill(runs: Iterable[RunHandle], since: float | None = None, *, by_attempt: bool = False) -> Bill:
    """Return what runs have cost, each in one row or one for each attempt.

    `since` (seconds since 1970) leaves out attempts that began before. A run that cannot be read is named and
    hides no others.
    """
    rows: list[Charge] = []
    unknown: list[str] = []
    for run in runs:
        try:
            found = run.bill()
        except (StorageError, BadSpecError) as error:
            unknown.append(f"{run.name}: {error}")
            continue
        unknown += found.unknown
        kept = [row for row in found.rows if since is None or (row.begun or 0.0) >= since]
        rows += kept if by_attempt else [together(kept)] if kept else []
    return Bill(tuple(rows), tuple(unknown))
