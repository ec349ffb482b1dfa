"""What the controller keeps of a FineTuneJob: its text, and the little that is asked of all of them."""

from dataclasses import dataclass
from typing import Any, Self

from pydantic_core import from_json, to_json

from ftjob.cluster.names import NAMESPACE_BUDGET
from ftjob.cluster.objects import Object, key_of

UNREAD = ("managedFields", "selfLink")
"""Of the metadata."""
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The spec once more."""


@dataclass(frozen=True, slots=True)
class Kept:
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
        metadata, status = item["metadata"], item.get("status") or {}
        return cls(
            key=key_of(item),
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            version=int(metadata["resourceVersion"]),
            created=metadata.get("creationTimestamp", ""),
            state=status.get("state", ""),
            usd=status.get("usd", 0.0),
            ended="completionTime" in status,
            begun=status.get("attempt", 0) > 0,
            waits=status.get("reason") == NAMESPACE_BUDGET,
            text=to_json(_read(item)),
        )

    def item(self) -> Object:
        """Return the object, without what nobody reads."""
        item: dict[str, Any] = from_json(self.text)
        return item


def _read(item: Object) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key not in UNREAD}
    if APPLIED in metadata.get("annotations", ()):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != APPLIED}
    return {**item, "metadata": metadata}
