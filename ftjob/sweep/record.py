"""What a sweep keeps about each of its members, in a sweep's folder and in a FineTuneJob's status alike.

Whoever runs the sweep holds nothing else: killed at any point, its successor continues from this record.
"""

import json
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from ftjob.money.amount import Amount
from ftjob.runfolder.status import State
from jobspec.spec import MOST_STAGES
from jobspec.sweeps.sweep import MOST_MEMBERS

MOST_RUNGS = 32
"""A factor of 2 comes from one iteration to Caffe's most in 31 rungs."""
Micros = Annotated[int, Field(ge=0, le=2**53, json_schema_extra={"format": "int64"})]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Rung(_Record):
    """A rung of successive halving that a member reached."""

    number: Annotated[int, Field(ge=0, lt=MOST_RUNGS, json_schema_extra={"format": "int64"})]
    """Counted from 0."""
    accuracy: Share
    """The member's best when it was seen there first."""


class MemberRecord(_Record):
    """A member that was given its share of the budget."""

    name: Annotated[str, StringConstraints(max_length=40)]
    state: State | None = None
    """As it was seen last; none until it was seen."""
    reason: Annotated[str, StringConstraints(max_length=64)] = ""
    """Why it is in that state."""
    granted_microdollars: Micros | None = None
    """Its budget, set before it starts; none without one."""
    granted_milliseconds: Micros | None = None
    spent_microdollars: Micros = 0
    spent_milliseconds: Micros = 0
    accuracy: Share | None = None
    """Its best on the validation data."""
    rungs: Annotated[tuple[Rung, ...], Field(max_length=MOST_RUNGS)] = ()
    stopped: bool = False
    """Whether successive halving stopped it."""
    stages: Annotated[int, Field(ge=0, le=MOST_STAGES, json_schema_extra={"format": "int64"})] = 0
    """How many of its stages are complete, for others to copy."""
    held: bool = False
    """Whether it was stopped together with its sweep, and resumes with it."""

    @property
    def is_open(self) -> bool:
        """Whether it may yet spend all that it was granted."""
        return self.held or self.state is None or not self.state.ended

    @property
    def runs(self) -> bool:
        """Whether it was seen, and has not ended."""
        return self.state is not None and not self.state.ended

    @property
    def spent(self) -> Amount:
        return Amount(self.spent_milliseconds, self.spent_microdollars)


class SweepRecord(_Record):
    """The members that were started, oldest first."""

    members: Annotated[tuple[MemberRecord, ...], Field(max_length=MOST_MEMBERS)] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record. Raises ValueError."""
        return cls.model_validate_json(data)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without those that are the default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def render(self) -> str:
        """Return the text of sweep.json."""
        return json.dumps(self.to_json(), indent=1) + "\n"
