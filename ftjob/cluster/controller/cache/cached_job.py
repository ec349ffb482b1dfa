"""What the cache holds of a FineTuneJob: its JSON, and the few fields that are needed of all of them.

An object is cached whatever its spec and status hold: reconciling it writes on the object why it cannot run.
Values nested deeper than any field of a spec become null.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

from pydantic_core import from_json, to_json

from ftjob.cluster.controller.cache.shallow import cut
from ftjob.cluster.resource.member import SweepMember, sweep_of
from ftjob.cluster.resource.objects import Object, key_of
from ftjob.errors.outcomes import Reason

UNREAD = ("managedFields", "selfLink")
"""Metadata that nobody reads."""
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Holds the spec a second time."""


@dataclass(frozen=True, slots=True)
class CachedJob:
    """A FineTuneJob as last received or written: JSON, as parsed values would take ten times the memory."""

    key: str
    namespace: str
    uid: str
    version: int
    created: str
    state: str
    """Empty before the first reconcile."""
    usd: float
    ended: bool
    begun: bool
    """Whether it ever had an attempt."""
    sweep: str
    """The key of the sweep that it is a member of; empty for any other."""
    member: SweepMember | None
    """Of a sweep, else none."""
    waits: bool
    """Whether it waits for its namespace's budget."""
    text: bytes

    @classmethod
    def of(cls, item: Object) -> Self:
        """Return what to cache of an object."""
        metadata, status = item["metadata"], _object(item.get("status"))
        state, sweep = status.get("state"), sweep_of(item)
        is_sweep = "sweep" in _object(item.get("spec"))  # its members have the cost
        return cls(
            key=key_of(item),
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            version=int(metadata["resourceVersion"]),
            created=str(metadata.get("creationTimestamp", "")),
            state=state if isinstance(state, str) else "",
            usd=0.0 if is_sweep else _number(status.get("usd")),
            ended="completionTime" in status,
            begun=_number(status.get("attempt")) > 0,
            sweep=sweep,
            member=SweepMember.of(item) if sweep else None,
            waits=status.get("reason") == Reason.NAMESPACE_BUDGET,
            text=cut(to_json(_read(item))),
        )

    def item(self) -> Object:
        """Return the object, without the metadata that nobody reads."""
        item: dict[str, Any] = from_json(self.text)
        return item


def _read(item: Object) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key not in UNREAD}
    if "annotations" in metadata:
        kept = _object(metadata["annotations"])
        metadata["annotations"] = {key: value for key, value in kept.items() if key != APPLIED}
    return {**item, "metadata": metadata}


def _object(value: Any) -> dict[str, Any]:
    """Return a value that is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    """Return a value that is a finite number, else 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and isfinite(value) else 0.0
