"""The fields of a spec that hold a path or URI, and those that name another run. Pure."""

import re
from collections.abc import Callable, Container
from typing import Any, TypeVar

from pydantic import BaseModel

from jobspec.grammar import KNOWN_REFERENCE, REFERENCES
from jobspec.spec import JobSpec

FIELDS = (
    *("base.net", "base.weights", "data.train", "data.val", "data.mean"),
    *("accept.not_below", "accept.on", "output"),
)
"""Each may hold a path or a URI, those for single files also an address of the web."""
RUN_FIELDS = ("base.weights", "accept.not_below")
"""Each may name an earlier run, as `run:NAME` or `alias:NAME`."""
STAGE_FIELDS = tuple(field for field in FIELDS if field.startswith("data."))
"""Those that a stage may change."""
MEAN_WORDS = ("auto", "none")
M = TypeVar("M", bound=BaseModel)
_OF_STAGE = re.compile(r"stages\[(\d+)\]\.(.+)")


def locations(spec: JobSpec, nets: Container[str]) -> dict[str, str]:
    """Return the paths and URIs that a spec names, by field.

    It leaves out built-in nets, whose names are in `nets`, a mean's words and values, and names of runs and
    of published weights.
    """
    found = {field: _value(spec, field) for field in FIELDS}
    for number, stage in enumerate(spec.stages or ()):
        found |= {f"stages[{number}].{field}": _value(stage, field) for field in STAGE_FIELDS}
    return {field: value for field, value in found.items() if _is_place(field, value, nets)}


def with_locations(spec: JobSpec, change: Callable[[str], str], nets: Container[str]) -> JobSpec:
    """Return the spec with every path and URI changed."""
    return with_values(spec, {field: change(value) for field, value in locations(spec, nets).items()})


def run_references(spec: JobSpec) -> dict[str, str]:
    """Return the references to earlier runs in a spec, by field."""
    found = {field: _value(spec, field) for field in RUN_FIELDS}
    return {field: value for field, value in found.items() if value and value.startswith(REFERENCES)}


def with_values(spec: JobSpec, values: dict[str, str]) -> JobSpec:
    """Return the spec with other texts in some fields, without checking them again."""
    changed: dict[str, Any] = {}
    for field, value in values.items():
        if found := _OF_STAGE.fullmatch(field):
            stages = changed.setdefault("stages", list(spec.stages or ()))
            stages[int(found[1])] = _changed(stages[int(found[1])], found[2], value)
            continue
        section, _, name = field.rpartition(".")
        if section:
            changed[section] = _changed(changed.get(section, getattr(spec, section)), name, value)
        else:
            changed[name] = value
    return spec.model_copy(update=changed)


def _changed(part: M, field: str, value: str) -> M:
    """Return a part of a spec with another text in a field of it, or of a section in it."""
    section, _, name = field.rpartition(".")
    update = {section: _changed(getattr(part, section), name, value)} if section else {name: value}
    return part.model_copy(update=update)


def _value(part: BaseModel, field: str) -> Any:
    """Return a field's value; None where a section on the way is None."""
    value: Any = part
    for name in field.split("."):
        value = getattr(value, name, None)
    return value


def _is_place(field: str, value: Any, nets: Container[str]) -> bool:
    if not isinstance(value, str) or not value:
        return False
    match _OF_STAGE.sub(r"\2", field):
        case "base.net":
            return value not in nets
        case "base.weights" | "accept.not_below":
            return not value.startswith((*REFERENCES, KNOWN_REFERENCE))
        case "data.mean":
            return value not in MEAN_WORDS
    return True
