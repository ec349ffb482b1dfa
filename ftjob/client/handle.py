"""The interface of every run, on this machine or on a cluster."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ftjob.errors import BadSpecError, NotEndedError, StorageError
from ftjob.runfolder.address import RunReference
from ftjob.runfolder.charges import Bill
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status

if TYPE_CHECKING:
    from ftjob.models.lineage import Lineage
    from ftjob.models.promote import Promoted
    from ftjob.report.facts import Facts
    from ftjob.report.render import Report
    from ftjob.runfolder.records.evaluation import Evaluation
    from ftjob.runfolder.records.metrics import TestLine, TrainLine
    from ftjob.sweep.standing import SweepState


@dataclass(frozen=True)
class RunUpdate:
    """A run's status at one moment."""

    status: Status
    ended: bool
    """Whether nothing will change any more."""


class RunHandle(Protocol):
    """A submitted run. Whatever reads it raises StorageError where that cannot be read, and on a cluster
    BadSpecError where the run is not there."""

    @property
    def name(self) -> str: ...

    @property
    def run_id(self) -> str:
        """Its id, empty while nobody has planned it."""
        ...

    @property
    def reference(self) -> RunReference:
        """Its name and as much of its id as is known without reading anything."""
        ...

    @property
    def location(self) -> str:
        """The path or URI of its folder."""
        ...

    def status(self) -> Status:
        """Return its status."""
        ...

    def updates(self, deadline: float | None = None) -> Iterator[RunUpdate]:
        """Yield where it stands now, and whenever that may have changed; it ends at
        `deadline` (time.monotonic), or when somebody deletes the run."""
        ...

    def status_or_unreachable(self) -> Status:
        """Return its status, Unreachable where it cannot be read, so that it hides no other runs."""
        ...

    def follow(self) -> Iterator[Status]:
        """Yield the status whenever it changed, the last one when the run has ended."""
        ...

    def wait(self, timeout: float | None = None) -> Status:
        """Return the last status once the run has ended. Raises NotEndedError after `timeout` seconds."""
        ...

    def log_lines(self, *, follow: bool = False) -> Iterator[str]:
        """Yield its logs as text; `follow` waits for more until the run ends."""
        ...

    def log_reader(self, most: int) -> Callable[[], str]:
        """Return a function that returns what the logs in its folder have gained since it was last called, of
        each the last `most` bytes."""
        ...

    def logs(self) -> str:
        """Return its logs."""
        ...

    def metrics(self) -> "list[TrainLine]":
        """Return one line per iteration."""
        ...

    def tests(self) -> "list[TestLine]":
        """Return one line per test."""
        ...

    def spec_text(self) -> str:
        """Return its spec.yaml; of a sweep, the sweep's own."""
        ...

    def evaluation(self) -> "Evaluation":
        """Return how the bundled snapshot was evaluated."""
        ...

    def weights(self, iteration: int | None = None) -> str:
        """Return the path or URI of the bundle's caffemodel, or of a snapshot's. Raises BadSpecError."""
        ...

    def bill(self) -> Bill:
        """Return what each attempt has cost, and a sentence for each part that is not known."""
        ...

    def facts(self) -> "Facts":
        """Return all that a report is made from."""
        ...

    def report(self, against: "RunHandle | None" = None) -> "Report":
        """Return its report as it stands now, compared with another run where one is given."""
        ...

    def cancel(self, *, now: bool = False) -> bool:
        """Stop it after a snapshot (`now`: without one); return whether it was running."""
        ...

    def retry(self) -> bool:
        """Resume it if it did not end well; return whether an attempt began. Raises FtjobError."""
        ...

    def bundle(self) -> str | None:
        """Return the path or URI of the bundle, None where there is none (yet)."""
        ...

    def get(self, destination: Path) -> Path:
        """Copy the bundle to a folder that does not exist yet."""
        ...

    def promote(self, alias: str, why: str = "", *, force: bool = False) -> "Promoted":
        """Point an alias beside the runs of its output to it."""
        ...

    def lineage(self) -> "Lineage":
        """Return where its model came from, back to the first weights."""
        ...

    def sweep(self) -> "SweepState | None":
        """Return what the members of a sweep came to; None for a run."""
        ...

    def members(self) -> "list[RunHandle]":
        """Return the runs of a sweep that have started; none for a run."""
        ...

    def of_folder(self) -> "RunHandle":
        """Return the run as its folder alone has it."""
        ...

    def bring_all(self) -> RunFolder:
        """Return a folder on this disk with every small file of the run."""
        ...


class SharedVerbs:
    """The verbs that every kind of run implements alike, on top of those that differ."""

    def status_or_unreachable(self: RunHandle) -> Status:
        """Return its status, Unreachable where it cannot be read, so that it hides no other runs."""
        try:
            return self.status()
        except (StorageError, BadSpecError) as error:
            known = self.reference
            return Status(known.name, known.run_id, State.UNREACHABLE, error.reason, str(error))

    def follow(self: RunHandle) -> Iterator[Status]:
        """Yield the status whenever it changed, the last one when the run has ended."""
        seen: Status | None = None
        for update in self.updates():
            if update.status != seen:
                yield update.status
            seen = update.status
            if update.ended:
                return

    def wait(self: RunHandle, timeout: float | None = None) -> Status:
        """Return the last status once the run has ended. Raises NotEndedError after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            for update in self.updates(deadline):
                if update.ended:
                    return update.status
                if is_over(deadline):
                    break
            if is_over(deadline):
                raise NotEndedError(
                    f"{self.reference}: is still {update.status.state} after {timeout:g} s: wait again"
                )

    def report(self: RunHandle, against: RunHandle | None = None) -> "Report":
        """Return its report as it stands now, compared with another run where one is given: `.html()` is a
        page, `.markdown()` a comment for a pull request. Raises StorageError."""
        from ftjob.report.render import Report

        return Report(self.facts(), against.facts() if against else None)

    def promote(self: RunHandle, alias: str, why: str = "", *, force: bool = False) -> "Promoted":
        """Point an alias beside the runs of its output to it; where it does so already, nothing changes.

        Raises NotAcceptedError where the run does not reach its `accept`, or has other classes than the
        current one, unless `force`, which needs a `why`. Raises PromotionLostError where somebody else
        promoted another run at the same moment, BadSpecError or StorageError.
        """
        from ftjob.models.alias import AliasReference
        from ftjob.models.promote import promote

        return promote(self.of_folder().location, AliasReference.bare(alias), why, force=force)

    def lineage(self: RunHandle) -> "Lineage":
        """Return where its model came from, back to the first weights. Raises StorageError where the run
        itself cannot be read; what cannot be read of an earlier one is in its `problem`."""
        from ftjob.models.lineage import lineage_of

        return lineage_of(self.of_folder().location)

    def logs(self: RunHandle) -> str:
        """Return its logs."""
        return "".join(self.log_lines())


def is_over(deadline: float | None) -> bool:
    """Return whether a time of time.monotonic is reached."""
    return deadline is not None and time.monotonic() >= deadline
