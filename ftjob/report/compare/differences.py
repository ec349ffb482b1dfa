"""The fields in which specs differ. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobspec import JobSpec
from jobspec.spec import STAGED_SECTIONS
from jobspec.text import shortened

LONGEST = 200
"""Characters of a value."""
STAGES = "stages"
UNREADABLE = "?"
"""The value of every field of a spec that is not there or not readable."""


@dataclass(frozen=True)
class FieldValues:
    """A field with another value in some run."""

    field: str
    values: tuple[str, ...]
    """In the order of the runs, as YAML's flow style has them."""


def spec_differences(specs: Sequence[JobSpec | None]) -> tuple[FieldValues, ...]:
    """Return the fields that are not the same in all specs, in the order of a spec; none where fewer than two
    can be read."""
    flat = [dict(_fields(spec.model_dump(mode="json"))) if spec else None for spec in specs]
    known = [each for each in flat if each is not None]
    if len(known) < 2:
        return ()
    names = dict.fromkeys(name for each in known for name in each)
    different = [name for name in names if len({_text(each.get(name)) for each in known}) > 1]
    return tuple(
        FieldValues(name, tuple(_text(each.get(name)) if each else UNREADABLE for each in flat))
        for name in different
    )


def _fields(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if name == STAGES:
            yield STAGES, len(value or ())
            for number, stage in enumerate(value or ()):
                yield from _of_stage(stage, f"{STAGES}[{number}]")
        elif isinstance(value, Mapping) and not prefix:
            yield from _fields(value, f"{name}.")
        else:
            yield f"{prefix}{name}", value


def _of_stage(stage: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    """Yield what a stage has of its own."""
    for name, value in stage.items():
        if isinstance(value, Mapping) and name in STAGED_SECTIONS:
            yield from _of_stage(value, f"{place}.{name}")
        elif value is not None:
            yield f"{place}.{name}", value


def _text(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value)
    return shortened(shown, LONGEST)
