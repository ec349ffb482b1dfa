"""What a FineTuneJob's status says, as values; statusschema.py has the same for the API server."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

from ftjob.cluster.names import Condition, State
from ftjob.cluster.times import parse_time, render_time
from ftjob.progress import Amount, Count


def _seconds(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


Time = Annotated[float, BeforeValidator(_seconds), PlainSerializer(render_time)]
"""Seconds since 1970; written as Kubernetes writes times."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class ConditionStatus(_Part):
    """One thing that is so, or is not, and why."""

    type: Condition
    status: str
    reason: str
    message: str = ""
    last_transition_time: Time = 0.0
    observed_generation: int | None = None


class Life(_Part):
    """One pod of one attempt, and what it is accounted with."""

    attempt: int
    pod: str
    node: str | None = None
    scheduled: Time | None = None
    ended: Time | None = None
    usd_per_hour: float = 0.0
    """Its own: what the profile said when its attempt began."""
    spot: bool = False
    seconds: float = 0.0
    usd: float = 0.0
    exit_code: int | None = None
    reason: str | None = None
    iteration: int | None = None
    """The newest snapshot when it ended."""


Bytes = Annotated[int, Field(ge=0, le=2**50)]


class Figures(_Part):
    """What was planned, as far as the cluster needs it: a user's word, which sizes his own pods alone."""

    run_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
    engine: Literal["caffe", "torch"] = "caffe"
    max_iter: Count = 0
    snapshot_bytes: Bytes = 0
    """One caffemodel with its solverstate."""
    memory_bytes: Bytes = 0
    """What the worker needs on a node without a GPU."""
    data_bytes: Bytes | None = None
    """Weights and datasets on the pod's disk; None where nobody looked."""
    seconds: Amount = 0.0
    usd: Amount = 0.0


class FineTuneStatus(_Part):
    """Where a FineTuneJob stands."""

    observed_generation: int | None = None
    state: State = State.PENDING
    reason: str = "Submitted"
    message: str = ""
    conditions: tuple[ConditionStatus, ...] = ()
    run_id: str | None = None
    folder: str | None = None
    identity: str | None = None
    plan: Figures | None = None
    attempt: int = 0
    attempts: tuple[Life, ...] = ()
    earlier_seconds: float = 0.0
    earlier_usd: float = 0.0
    """What its folder had cost before this object came to it, as the workers report; never lowered."""
    granted_seconds: float | None = None
    granted_usd: float | None = None
    deadline_seconds: float | None = None
    """How long the last attempt's pod may run; None without a budget."""
    min_attempt_seconds: float | None = None
    """What a budget must still pay for, for another attempt to begin: the controller's setting."""
    capacity: str | None = None
    """Of the last attempt: spot or on-demand."""
    usd_per_hour: float | None = None
    """Of the last attempt: the controller's own record of the price that it made its Job at."""
    iteration: int | None = None
    max_iter: int | None = None
    snapshot: int | None = None
    loss: float | None = None
    accuracy: float | None = None
    images_per_second: float | None = None
    eta_seconds: float | None = None
    seconds: float = 0.0
    usd: float = 0.0
    cost: str = "$0.00"
    start_time: Time | None = None
    completion_time: Time | None = None
    updated: Time | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the values of the object's `status`, without empty texts: old API servers refuse them."""
        values = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        conditions = [_without_empty(each) for each in values["conditions"]]
        return _without_empty({**values, "conditions": conditions})

    @classmethod
    def from_json(cls, values: dict[str, Any] | None) -> Self:
        """Read `status`; an object that nobody has looked at yet has none."""
        return cls.model_validate(values or {})

    def condition(self, kind: Condition) -> ConditionStatus | None:
        """Return the condition of a type, if it was ever said."""
        return next((each for each in self.conditions if each.type is kind), None)


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value != ""}


def with_conditions(
    before: FineTuneStatus, said: Iterable[ConditionStatus], generation: int, now: float
) -> tuple[ConditionStatus, ...]:
    """Return the conditions that are said now; one whose status is as before keeps its transition time."""
    made = []
    for each in said:
        old = before.condition(each.type)
        since = old.last_transition_time if old and old.status == each.status else now
        made.append(
            each.model_copy(
                update={"last_transition_time": float(int(since)), "observed_generation": generation}
            )
        )
    return tuple(made)
