"""Whose a run's folder is: a FineTuneJob of one cluster, or a user of a machine; pure."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from ftjob.errors import BadSpecError
from ftjob.fs.documents import UnreadableError, checked_as, parse_json
from ftjob.runfolder.progress import Count, Figure
from ftjob.runfolder.status import Status
from jobspec.problems import one_line

Name = Annotated[str, StringConstraints(max_length=253)]


SLACK_SECONDS = 10.0
"""By which a worker's clock and the cluster's times of its pods may differ."""


class _Owner(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", use_attribute_docstrings=True)

    def render(self) -> bytes:
        """Return the bytes of owner.json."""
        return self.model_dump_json(indent=1).encode() + b"\n"


class JobOwner(_Owner):
    """A FineTuneJob, and what had been charged to the folder before that object took it over."""

    kind: Literal["kubernetes"] = "kubernetes"
    cluster: Name
    namespace: Name
    name: Name
    uid: Name
    attempts_before: Count = 0
    seconds_before: Figure = 0.0
    usd_before: Figure = 0.0

    def __str__(self) -> str:
        of = f" of cluster {one_line(self.cluster)}" if self.cluster else ""
        return f"FineTuneJob {one_line(self.namespace)}/{one_line(self.name)}{of}"

    @property
    def place(self) -> tuple[str, ...]:
        """What stays when the object is deleted and applied again."""
        return self.kind, self.cluster, self.namespace, self.name

    @property
    def identity(self) -> tuple[str, ...]:
        return *self.place, self.uid

    def with_unaccounted(self, status: Status | None, seconds: float, usd: float) -> "JobOwner":
        """Return this owner, charged with what its folder records beyond the cluster's accounts: attempts
        that began and ended while no controller ran."""
        if status is None or _amount(status.seconds) - self.seconds_before - seconds < SLACK_SECONDS:
            return self
        more = {
            "seconds_before": _amount(status.seconds - seconds),
            "usd_before": max(self.usd_before, _amount(status.usd - usd)),
        }
        return self.model_copy(update=more)

    def adopting(self, status: Status | None) -> "JobOwner":
        """Return this owner, charged with what the folder it takes over has spent so far."""
        if status is None:
            return self
        before = {
            "attempts_before": min(max(status.attempt, 0), 2**31 - 1),
            "seconds_before": _amount(status.seconds),
            "usd_before": _amount(status.usd),
        }
        return self.model_copy(update=before)


class UserOwner(_Owner):
    """A user of a machine, whose attempts and costs the folder itself counts."""

    kind: Literal["local"] = "local"
    user: Name

    attempts_before: ClassVar[int] = 0
    seconds_before: ClassVar[float] = 0.0
    usd_before: ClassVar[float] = 0.0

    def __str__(self) -> str:
        return f"user {one_line(self.user)}, who ran it without a cluster"

    @property
    def place(self) -> tuple[str, ...]:
        """The user: one is not deleted and applied again."""
        return self.kind, self.user

    @property
    def identity(self) -> tuple[str, ...]:
        return self.place

    def with_unaccounted(self, status: Status | None, seconds: float, usd: float) -> "UserOwner":
        """Return this owner: only the folder keeps accounts."""
        return self

    def adopting(self, status: Status | None) -> "UserOwner":
        """Return this owner: the folder's own count continues."""
        return self


Owner = JobOwner | UserOwner


def parse_owner(data: bytes) -> Owner:
    """Read owner.json. Raises UnreadableError."""
    values = parse_json(data)
    kind = values.get("kind") if isinstance(values, dict) else None
    if kind == "kubernetes":
        return checked_as(JobOwner, values)
    if kind == "local":
        return checked_as(UserOwner, values)
    raise UnreadableError("kind: is neither kubernetes nor local")


def owner_after(
    found: Owner | None,
    mine: Owner,
    status: Status | None,
    location: str,
    accounted: tuple[float, float] = (0.0, 0.0),
    attempt: int = 2**31,
) -> Owner:
    """Return the owner of a folder once `mine` works there.

    A folder keeps its owner. One without an owner is adopted, as is one whose owner was deleted and applied
    again under the same name. `accounted` are the seconds and dollars that the cluster has charged for the
    owner's pods. `attempt` is the one that begins: a second pod of the same attempt changes nothing, since
    the cluster will charge the first. Raises BadSpecError for another's folder.
    """
    if found is not None and found.identity == mine.identity:
        is_second_pod = status is not None and status.attempt >= found.attempts_before + attempt
        return found if is_second_pod else found.with_unaccounted(status, *accounted)
    if found is None or found.place == mine.place:
        return mine.adopting(status)
    raise BadSpecError(
        f"{location}: belongs to {found}: give this run another name or output, or remove the folder's "
        "owner.json to take it over"
    )


def _amount(value: float) -> float:
    """Clamp what was spent to what an account holds: it can only rise."""
    return min(max(0.0, value), 1e9)  # in this order NaN is 0
