"""One promotion of a run to an alias, as `history/NUMBER.json` and `current.json` have it; pure."""

import dataclasses
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from annotated_types import Interval

from ftjob.fs.documents import parse_strictly
from ftjob.runfolder.address import RunReference
from ftjob.runfolder.records.ranges import Images
from ftjob.runfolder.status import Moment, Share
from jobspec.grammar import RUN_NAME

LARGEST = 64 * 2**10
"""Bytes of a record."""
LONGEST = 1000
"""Characters of a text in it."""
_RUN_ID = re.compile(r"[0-9a-z]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Number = Annotated[int, Interval(ge=1, le=999_999)]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A promotion; a rollback, which promotes an earlier run again; or the removal of the alias."""

    number: Number
    """Counts the alias's promotions from 1."""
    name: str
    """The run's."""
    run_id: str
    weights: str
    """sha256 (hex) of the bundle's caffemodel."""
    bundle: str
    """sha256 (hex) of the bundle's manifest, which has the digest of every file in it."""
    labels: str
    """sha256 (hex) of the bundle's labels.txt."""
    classes: Images
    accuracy: Share
    """Of `images` validation images, the share that the bundled net gives its own label."""
    right: Images
    """The number of those."""
    images: Images
    spec: str
    """sha256 (hex) of the run's spec (jobspec.digest)."""
    when: Moment
    by: str
    """USER@HOST."""
    ci: str = ""
    """The pipeline that promoted it; empty outside of one."""
    objections: tuple[str, ...] = ()
    """The objections that a forced promotion overruled."""
    why: str = ""
    """The reason that its promoter gave."""
    previous: Number | None = None
    """The promotion that a rollback returns to; None for the first, also after a removal."""
    restores: Number | None = None
    """Of a rollback: the promotion that it returned to."""
    removed: bool = False
    """Whether this is a removal: the alias points to nothing any more. The run is the one that it left."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Identifies the call that wrote the record."""

    def __post_init__(self) -> None:
        if not re.fullmatch(RUN_NAME, self.name) or not _RUN_ID.fullmatch(self.run_id):
            raise ValueError("name and run_id are no run's")
        if not all(map(_SHA256.fullmatch, (self.weights, self.bundle, self.labels, self.spec))):
            raise ValueError("weights, bundle, labels or spec is no digest")
        if self.right > self.images:
            raise ValueError("more images are right than there are")
        if any(each is not None and each >= self.number for each in (self.previous, self.restores)):
            raise ValueError("previous or restores is no earlier promotion")
        if any(len(text) > LONGEST for text in (self.by, self.ci, self.why, self.token, *self.objections)):
            raise ValueError(f"a text has more than {LONGEST} characters")

    @property
    def reference(self) -> RunReference:
        """The run, as users write it."""
        return RunReference(self.name, self.run_id)

    @property
    def who(self) -> str:
        """The pipeline or the person that promoted it."""
        return self.ci or self.by

    @property
    def deed(self) -> str:
        """What was done, as a clause without its subject."""
        return "removed the alias" if self.removed else f"promoted {self.reference}"

    @property
    def moment(self) -> str:
        """When, in UTC, to the second."""
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.when))

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as the documents and `-o json` have them."""
        return dataclasses.asdict(self)

    def render(self) -> bytes:
        """Return the document."""
        return (json.dumps(self.to_json(), indent=1) + "\n").encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read `render`'s document. Raises UnreadableError."""
        return parse_strictly(cls, data)
