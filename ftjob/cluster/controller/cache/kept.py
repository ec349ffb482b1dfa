"""What the controller keeps of a FineTuneJob: its text, and the little that is asked of all of them.

Whatever its spec and status hold, something is kept: an object that nobody can run is refused by the look at
it, which says so on the object. What lies deeper than any field of a spec is null in it.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

from pydantic_core import from_json, to_json

from ftjob.cluster.controller.cache.shallow import cut
from ftjob.cluster.resource.objects import Object, key_of
from ftjob.errors.outcomes import Reason

UNREAD = ("managedFields", "selfLink")
"""Of the metadata."""
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The spec once more."""


@dataclass(frozen=True, slots=True)
class CachedJob:
    """A FineTuneJob as it was last heard of, or written: its values would take ten times the memory."""

    key: str
    namespace: str
    uid: str
    version: int
    created: str
    state: str
    """Empty before anybody looked at it."""
    usd: float
    ended: bool
    begun: bool
    """Whether it ever had an attempt."""
    waits: bool
    """For its namespace's budget."""
    text: bytes

    @classmethod
    def of(cls, item: Object) -> Self:
        """Return what is kept of an object."""
        metadata, status = item["metadata"], _object(item.get("status"))
        state = status.get("state")
        return cls(
            key=key_of(item),
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            version=int(metadata["resourceVersion"]),
            created=str(metadata.get("creationTimestamp", "")),
            state=state if isinstance(state, str) else "",
            usd=_number(status.get("usd")),
            ended="completionTime" in status,
            begun=_number(status.get("attempt")) > 0,
            waits=status.get("reason") == Reason.NAMESPACE_BUDGET,
            text=cut(to_json(_read(item))),
        )

    def item(self) -> Object:
        """Return the object, without what nobody reads."""
        item: dict[str, Any] = from_json(self.text)
        return item


def _read(item: Object) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key not in UNREAD}
    if "annotations" in metadata:
        kept = _object(metadata["annotations"])
        metadata["annotations"] = {key: value for key, value in kept.items() if key != APPLIED}
    return {**item, "metadata": metadata}


def _object(value: Any) -> dict[str, Any]:
    """Return an object; an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    """Return a finite number; 0 for what is none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and isfinite(value) else 0.0
