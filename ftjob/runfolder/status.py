"""status.json: the state of a run, written only by its worker and read by everything else."""

import dataclasses
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Self

from annotated_types import Interval

from ftjob.errors.outcomes import Reason
from ftjob.fs.documents import UnreadableError, checked_as, parse_json

Count = Annotated[int, Interval(ge=0, le=2**31 - 1)]
Seconds = Annotated[float, Interval(ge=0, le=1e12)]
"""More than a run can take or foretell; NaN is in no interval."""
Moment = Annotated[float, Interval(ge=0, le=2e11)]
"""Seconds since 1970, as far as a calendar goes."""
Dollars = Annotated[float, Interval(ge=0, le=1e9)]
Share = Annotated[float, Interval(ge=0, le=1)]
Rate = Annotated[float, Interval(ge=0, le=1e9)]
Size = Annotated[int, Interval(ge=0, le=2**50)]
"""Bytes of a device."""
Number = Annotated[float, Interval(ge=-3.5e38, le=3.5e38)]
"""As far as Caffe's floats go."""

ENV_SECONDS_BEFORE = "FTJOB_SECONDS_BEFORE"
"""Environment variable with the seconds charged to earlier pods of a worker's FineTuneJob."""
ENV_USD_BEFORE = "FTJOB_USD_BEFORE"
"""The same in dollars."""
ENV_USD_PER_HOUR = "FTJOB_USD_PER_HOUR"
"""The price at which the worker's own pod is charged."""
ENV_IMAGE = "FTJOB_IMAGE"
"""The image of the worker's container."""


class State(StrEnum):
    """The state of a run. Succeeded is final; Failed, Stopped and Interrupted resume when submitted again."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"
    INTERRUPTED = "Interrupted"
    """Never written: a reader's name for a run whose status is Running and whose worker is gone."""
    STOPPING = "Stopping"
    """On a cluster: asked to end, and not yet gone."""
    RETRYING = "Retrying"
    """On a cluster: the next attempt follows."""
    SUSPENDED = "Suspended"
    """On a cluster: held until it is resumed."""
    UNREACHABLE = "Unreachable"
    """Never written: a list's name for a run whose folder cannot be read now."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change until somebody submits again."""
        return self not in UNFINISHED


UNFINISHED = frozenset({State.PENDING, State.RUNNING, State.STOPPING, State.RETRYING, State.SUSPENDED})


@dataclass(frozen=True)
class Resumed:
    """How an attempt resumed from a snapshot."""

    iteration: Count
    images_replayed: Annotated[int, Interval(ge=0, le=2**53)]
    """Images that the data layer skipped without training."""
    seconds: Seconds
    """What restoring took, the skipping included."""
    lost_seconds: Seconds = 0.0
    """Of training after that snapshot, which is done again."""


@dataclass(frozen=True)
class Attempt:
    """What one attempt took, by its worker's clock; the last one may be under way."""

    attempt: Count
    node: str
    usd_per_hour: Dollars
    begun: Moment
    """Seconds since 1970. On a cluster, when its pod came to its node."""
    seconds: Seconds = 0.0
    usd: Dollars = 0.0
    reason: str = ""
    """How it ended; empty while it runs, and where its worker was killed."""
    stages: dict[str, Seconds] = field(default_factory=dict)
    """Seconds by what the worker did: start (pod, image, Python), fetch, open (the engine), replay, train,
    test, snapshot, bundle."""
    lost_seconds: Seconds = 0.0
    """Of its training, what came after its last snapshot and is done again."""
    saved_seconds: dict[str, Seconds] = field(default_factory=dict)
    """What it would have taken more: by the reason of the guard that ended it, or `cache` for inputs that
    were there already."""
    spot: bool | None = None
    """Whether the price is a spot instance's; None of attempts from before this was kept."""
    waited_seconds: Seconds | None = None
    """Of its training, what the engine spent waiting for images; None where it does not know (Caffe)."""
    ftjob: str = ""
    """Version of its worker; empty of attempts from before this was kept."""
    image: str = ""
    """Of its container, as the controller named it; empty outside a cluster."""

    @property
    def waiting(self) -> float | None:
        """The share of training that was spent waiting for images; None where that is not known."""
        train = self.stages.get("train", 0.0)
        return None if self.waited_seconds is None or not train else min(1.0, self.waited_seconds / train)


@dataclass(frozen=True)
class GpuUse:
    """How much one of the run's GPUs does, as last read from its driver."""

    utilization: Share
    """The share of the last moments in which it computed anything."""
    memory: Size
    """Bytes in use, by whomever."""
    memory_total: Size


@dataclass(frozen=True)
class StageResult:
    """One stage of a run with stages, and what it came to so far."""

    name: str
    run_id: str
    """The stage's id."""
    state: State = State.PENDING
    """Pending before it begins, Succeeded once it is complete, and the run's own state in between."""
    iteration: Count = 0
    max_iter: Count = 0
    accuracy: Share | None = None
    """The best so far, on the stage's own validation data."""
    seconds: Seconds = 0.0
    usd: Dollars = 0.0
    """What this run paid for it, over all attempts: what an attempt takes to begin is its first stage's."""
    reused_from: str = ""
    """The run that trained it, where that was another one: its id, NAME/ID where its name is another too."""


@dataclass(frozen=True)
class Status:
    """One run at one moment. Times are seconds since 1970, in UTC."""

    name: str
    run_id: str
    state: State = State.PENDING
    reason: str = Reason.SUBMITTED
    """CamelCase, as a Kubernetes condition has it."""
    message: str = ""
    stage: str = ""
    """What the worker is doing: fetch, train, test, snapshot, bundle."""
    attempt: Count = 0
    iteration: Count = 0
    max_iter: Count = 0
    loss: Number | None = None
    learning_rate: Number | None = None
    accuracy: Share | None = None
    """Of the main head on the validation data, at the last test."""
    best_accuracy: Share | None = None
    best_iteration: Count | None = None
    tested: Count | None = None
    """The iteration of the last test."""
    snapshot: Count | None = None
    """The newest complete snapshot."""
    resumed: Resumed | None = None
    images_per_second: Rate | None = None
    gpus: tuple[GpuUse, ...] = ()
    """Those that the attempt under way computes on, where their driver says what they do."""
    eta_seconds: Seconds | None = None
    seconds: Seconds = 0.0
    """Over all attempts."""
    usd: Dollars = 0.0
    """`seconds` at the node's price."""
    usd_estimate: Seconds | None = None
    """What the whole run will have cost, from recent speed; None while unknown."""
    attempts: tuple[Attempt, ...] = ()
    """What each attempt took, oldest first."""
    stage_results: tuple[StageResult, ...] = ()
    """The stages of a run that has some, first to last. Iterations, snapshots and accuracies above are those
    of the stage under way; time and money are the whole run's."""
    submitted: Moment | None = None
    updated: Moment | None = None
    ended: Moment | None = None
    exit_code: Annotated[int, Interval(ge=0, le=255)] | None = None

    @property
    def stage_under_way(self) -> str:
        """The first stage that is not complete, as in `faces (2 of 3)`; empty where there is none."""
        for number, each in enumerate(self.stage_results, 1):
            if each.state is not State.SUCCEEDED:
                return f"{each.name} ({number} of {len(self.stage_results)})"
        return ""

    @property
    def earlier_stage(self) -> str:
        """The id of the stage under way where that is not the last one, and has a folder of its own."""
        unfinished = [each for each in self.stage_results if each.state is not State.SUCCEEDED]
        return unfinished[0].run_id if len(unfinished) > 1 else ""

    @property
    def iterations_before(self) -> int:
        """Iterations planned for the stages before the one under way."""
        done = [each for each in self.stage_results[:-1] if each.state is State.SUCCEEDED]
        return sum(each.max_iter for each in done)

    @property
    def iterations_in_all(self) -> int:
        """Iterations planned for the whole run; 0 while unknown."""
        return sum(each.max_iter for each in self.stage_results) or self.max_iter

    @property
    def highest_accuracy(self) -> float | None:
        """Of all tests, the last one included, whose snapshot may not be complete yet."""
        return max((each for each in (self.accuracy, self.best_accuracy) if each is not None), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as status.json and `-o json` have them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Read `to_json`'s values; fields of a newer ftjob are passed over. Raises UnreadableError."""
        if isinstance(values, dict) and "state" not in values:
            raise UnreadableError("state: is missing")
        return checked_as(cls, values)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read status.json. Raises UnreadableError."""
        return cls.from_json(parse_json(data))


def render(status: Status) -> str:
    """Return the text of status.json."""
    return json.dumps(status.to_json(), indent=1) + "\n"
