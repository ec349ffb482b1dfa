"""The status of a FineTuneJob.

Its schema in the CustomResourceDefinition is generated from these models (crd.py), so every text and list has
a limit, and every field that needs one has a description.
"""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from ftjob.cluster.resource.names import Condition
from ftjob.cluster.resource.times import parse_time, render_time
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.progress import MOST_GPUS, Count, Figure
from ftjob.runfolder.status import State
from ftjob.sweep.record import SweepRecord

ClusterState = Literal[
    State.PENDING,
    State.RUNNING,
    State.STOPPING,
    State.RETRYING,
    State.SUSPENDED,
    State.SUCCEEDED,
    State.FAILED,
    State.STOPPED,
]
"""The states that a controller writes."""
STATES: tuple[State, ...] = get_args(ClusterState)
MOST_CONDITIONS, MOST_ATTEMPTS = 32, 5000


def _seconds(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


Time = Annotated[
    float,
    BeforeValidator(_seconds),
    PlainSerializer(render_time),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64}),
]
"""Seconds since 1970; written as Kubernetes writes times."""
Text = Annotated[str, StringConstraints(max_length=4096)]
Message = Annotated[str, StringConstraints(max_length=32768)]
"""As long as the message of a Kubernetes condition may be."""
INT64 = Field(json_schema_extra={"format": "int64"})
Whole = Annotated[int, INT64]
Bytes = Annotated[int, Field(ge=0, le=2**50), INT64]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class ConditionStatus(_Part):
    """A condition: whether something holds, and why."""

    type: Condition
    """One of the types that docs/kubernetes.md lists."""
    status: Literal["True", "False", "Unknown"]
    reason: Text
    message: Message = ""
    last_transition_time: Time
    observed_generation: Whole | None = None


class PodRecord(_Part):
    """One pod of one attempt."""

    attempt: Whole
    pod: Text
    node: Text | None = None
    """The machine the pod ran on."""
    scheduled: Time | None = None
    """When the pod got its node; money is counted from here."""
    ended: Time | None = None
    """When its container ended, or the pod was gone; money is counted to here."""
    seconds: float = 0.0
    usd: float = 0.0
    usd_per_hour: float = 0.0
    """The node profile's price when its attempt began."""
    spot: bool = False
    """Whether it was a spot instance."""
    exit_code: Whole | None = None
    """The worker's; see the table of exit codes."""
    reason: Text | None = None
    """Why it ended, as docs/kubernetes.md lists."""
    iteration: Whole | None = None
    """The newest snapshot when it ended."""


class Figures(_Part):
    """The figures of a plan that the cluster needs."""

    # Not verified: a user may write anything here, and it sizes that user's own pods alone.
    run_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$", max_length=64)]
    engine: Literal["caffe", "torch"] = "caffe"
    max_iter: Annotated[Count, INT64] = 0
    snapshot_bytes: Bytes = 0
    """One caffemodel with its solverstate."""
    memory_bytes: Bytes = 0
    """Of the worker on a node without a GPU."""
    data_bytes: Bytes | None = None
    """Weights and datasets on the pod's disk."""
    seconds: Figure = 0.0
    """Estimated, for one attempt that nothing interrupts."""
    usd: Figure = 0.0
    """Estimated likewise."""


class GpuStatus(_Part):
    """How much one of a run's GPUs does."""

    utilization: float
    """The share of the last moments in which it computed anything."""
    memory: Bytes
    """Bytes in use."""
    memory_total: Bytes


class FineTuneStatus(_Part):
    """Where the run stands; written by the controller."""

    observed_generation: Whole | None = None
    observed_retry: Whole | None = None
    """The attempt after which another was requested when this status was written."""
    state: ClusterState = State.PENDING
    """Where the run stands, in one word. Succeeded, Failed and Stopped are ends."""
    reason: Text = Reason.SUBMITTED
    """Why, in one CamelCase word."""
    message: Message = ""
    """Why, in one sentence."""
    conditions: Annotated[
        tuple[ConditionStatus, ...],
        Field(
            max_length=MOST_CONDITIONS,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        ),
    ] = ()
    run_id: Text | None = None
    folder: Text | None = None
    """The run's folder, <output>/<name>/<run id>."""
    identity: Text | None = None
    """Digest of the parts of the spec that may not change once a run began."""
    plan: Figures | None = None
    attempt: Whole = 0
    """The number of the last attempt."""
    attempts: Annotated[tuple[PodRecord, ...], Field(max_length=MOST_ATTEMPTS)] = ()
    earlier_seconds: float = 0.0
    """What its folder had cost before this object, as its workers report."""
    earlier_usd: float = 0.0
    granted_seconds: float | None = None
    """What the budget paid for over all attempts when the last one began."""
    granted_usd: float | None = None
    """What the last attempt may cost at most: what its budget pays for; none without a budget."""
    deadline_seconds: float | None = None
    """How long the last attempt's pod may run."""
    min_attempt_seconds: float | None = None
    """What a budget must still pay for, for another attempt to begin: the controller's setting."""
    capacity: Text | None = None
    """Of the last attempt: spot or on-demand."""
    usd_per_hour: float | None = None
    """Of the last attempt: the node profile's price when its Job was made."""
    stage: Text | None = None
    """Of a run with stages, the one under way, as in `faces (2 of 3)`."""
    iteration: Whole | None = None
    """Of all stages together."""
    max_iter: Whole | None = None
    """Likewise."""
    snapshot: Whole | None = None
    """The newest complete snapshot; likewise."""
    tested: Whole | None = None
    """The iteration of the last test."""
    loss: float | None = None
    accuracy: float | None = None
    """The best so far, of the main head on the validation data."""
    images_per_second: float | None = None
    gpus: Annotated[tuple[GpuStatus, ...], Field(max_length=MOST_GPUS)] = ()
    """Those of the running attempt, as its worker reports."""
    eta_seconds: float | None = None
    seconds: float = 0.0
    """Over all attempts, from a pod's scheduling to its end."""
    usd: float = 0.0
    """Over all attempts, each at its own price."""
    cost: Text = "$0.00"
    """The same, for people."""
    sweep: SweepRecord | None = None
    """Of a sweep: its members, which are FineTuneJobs of their own."""
    start_time: Time | None = None
    completion_time: Time | None = None
    updated: Time | None = None
    """When this status was written."""

    def to_json(self) -> dict[str, Any]:
        """Return the values of the object's `status`, without empty texts: old API servers refuse them."""
        values = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        conditions = [_without_empty(each) for each in values["conditions"]]
        sweep = self.sweep and {"sweep": self.sweep.to_json()}
        return _without_empty({**values, "conditions": conditions, **(sweep or {})})

    @classmethod
    def from_json(cls, values: dict[str, Any] | None) -> Self:
        """Read `status`; an object that was never reconciled has none."""
        return cls.model_validate(values or {})

    def condition(self, kind: Condition) -> ConditionStatus | None:
        """Return the condition of a type, if it ever had one."""
        return next((each for each in self.conditions if each.type is kind), None)


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value != ""}


def condition_now(
    last: ConditionStatus | None,
    kind: Condition,
    *,
    holds: bool,
    reason: str,
    message: str,
    generation: int,
    now: float,
) -> ConditionStatus:
    """Return a condition as it is now: the last one itself where nothing changed.

    While its status stays, so does the time of its transition.
    """
    status: Literal["True", "False"] = "True" if holds else "False"
    facts = (status, reason, message, generation)
    if last and facts == (last.status, last.reason, last.message, last.observed_generation):
        return last
    return ConditionStatus(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=last.last_transition_time if last and last.status == status else now,
        observed_generation=generation,
    )
