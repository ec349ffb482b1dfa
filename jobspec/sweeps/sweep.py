"""The section `sweep`: which fields of a spec take several values, and how its members are run."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from jobspec.fields import INT32_MAX, IterationsOrPercent, Number, Off, Section, mistake, must_be

MOST_MEMBERS = 1000
"""Of one sweep."""


class ValueRange(Section):
    """All values between two numbers."""

    min: Number
    """The smallest value."""
    max: Number
    """The largest value."""
    log: bool = False
    """Whether to draw evenly between the logarithms, as fits learning rates."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.min >= self.max:
            raise mistake(f"must be greater than min, got {self.max:g}", "max")
        if self.log and self.min <= 0:
            raise mistake(f"must be greater than 0 with log, got {self.min:g}", "min")
        return self


class Halving(Section):
    """Asynchronous successive halving (ASHA): stops members that fall behind others at the same iteration."""

    factor: Annotated[int, Field(ge=2, le=10)] = 3
    """At each rung the best 1/factor continue, and the next rung is `factor` times as far."""
    first: IterationsOrPercent = "10%"
    """The first rung: iterations, or a share of a member's run."""


class Sweep(Section):
    """Several runs from one spec, which differ in the fields given here."""

    # Every other key is a field of the spec (jobspec.sweeps.swept_field).
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[
        str,
        Annotated[
            Annotated[list[Any], Field(min_length=1, max_length=MOST_MEMBERS)] | ValueRange,
            must_be("a list of values, such as [0.01, 0.001], or {min: ..., max: ..., log: true}"),
        ],
    ]

    OPTIONS: ClassVar[tuple[str, ...]] = ("search", "members", "parallel", "halving", "seed")

    search: Literal["grid", "random"] = "grid"
    """`grid`: every combination of the values; `random`: as many as `members`, drawn at random."""
    members: Annotated[int, Field(ge=1, le=MOST_MEMBERS)] | None = None
    """How many members `search: random` draws."""
    parallel: Annotated[int, Field(ge=1, le=MOST_MEMBERS)] = 1
    """How many members run at the same time."""
    halving: Annotated[
        Halving | None,
        BeforeValidator(
            lambda value: None if value is False else value, json_schema_input_type=Halving | Off | None
        ),
    ] = None
    """Stops members that fall behind. Without it, or with `false`, every member runs to its end."""
    seed: Annotated[int, Field(ge=0, le=INT32_MAX)] = 1
    """The seed of `search: random`."""

    @property
    def fields(self) -> Mapping[str, list[Any] | ValueRange]:
        """The swept fields, as SECTION.FIELD or stages[NUMBER].SECTION.FIELD, with their values."""
        return self.__pydantic_extra__

    @model_validator(mode="before")
    @classmethod
    def _names_options(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        wrong = [str(key) for key in values if "." not in str(key) and key not in cls.OPTIONS]
        if wrong:
            found = [InitErrorDetails(type=mistake(_no_option(key)), loc=(key,), input=key) for key in wrong]
            raise ValidationError.from_exception_data("sweep", found)
        return values

    @model_validator(mode="after")
    def _has_fields(self) -> Self:
        if not self.fields:
            raise mistake("names no field; add one with its values, such as solver.base_lr: [0.01, 0.001]")
        return self

    @model_validator(mode="after")
    def _search_fits(self) -> Self:
        if self.search == "random":
            if self.members is None:
                raise mistake("is missing; search random needs a number of members, such as 20", "members")
            return self
        if self.members is not None:
            raise mistake("is for search random, and search is grid; remove it", "members")
        for field, values in self.fields.items():
            if isinstance(values, ValueRange):
                raise mistake("is a range, which needs search random; list its values instead", field)
        return self


def _no_option(key: str) -> str:
    """Return why a key without a dot is neither an option nor a field."""
    close = get_close_matches(key.lower(), Sweep.OPTIONS, n=1, cutoff=0.65)
    meant = f"; did you mean {close[0]}?" if close else f", which are {', '.join(Sweep.OPTIONS)}"
    hint = "" if close else "; write a field to vary as SECTION.FIELD, such as solver.base_lr"
    return f"is not one of sweep's options{meant}{hint}"
