"""What the pages show, and who may do what on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftjob.web.bearer import Access

LARGEST_BODY = 64 << 20
"""Bytes of a request: pictures that are dropped on a page."""


@dataclass(frozen=True)
class UiSettings:
    """How the pages are served."""

    token: str = ""
    """Whoever has it may cancel, submit and promote; empty where nobody may."""
    hosts: frozenset[str] = frozenset()
    """The names that the server answers to; empty for any."""
    context: str | None = None
    namespace: str | None = None
    """Of the cluster whose runs are shown; both None for those submitted on this machine."""
    review: "Callable[[str], Access] | None" = None
    """Whether the owner of a bearer token may read the pages; None where nobody needs one."""
    body_bytes: int = LARGEST_BODY
    refresh_seconds: float = 1.0
    """Between two looks at what a page follows, at least."""
