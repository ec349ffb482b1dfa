"""The fields of a spec that hold a path or URI, and those that name another run. Pure."""

from collections.abc import Callable, Container
from typing import Any

from jobspec.grammar import KNOWN_REFERENCE, REFERENCES
from jobspec.spec import JobSpec

FIELDS = (
    *("base.net", "base.weights", "data.train", "data.val", "data.mean"),
    *("accept.not_below", "accept.on", "output"),
)
"""Each may hold a path or a URI, those for single files also an address of the web."""
RUN_FIELDS = ("base.weights", "accept.not_below")
"""Each may name an earlier run, as `run:NAME` or `alias:NAME`."""
MEAN_WORDS = ("auto", "none")


def locations(spec: JobSpec, nets: Container[str]) -> dict[str, str]:
    """Return the paths and URIs that a spec names, by field.

    It leaves out built-in nets, whose names are in `nets`, a mean's words and values, and names of runs and
    of published weights.
    """
    found = {field: _value(spec, field) for field in FIELDS}
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
        section, _, name = field.rpartition(".")
        if section:
            before = changed.get(section, getattr(spec, section))
            changed[section] = before.model_copy(update={name: value})
        else:
            changed[name] = value
    return spec.model_copy(update=changed)


def _value(spec: JobSpec, field: str) -> Any:
    value: Any = spec
    for name in field.split("."):
        value = getattr(value, name)
    return value


def _is_place(field: str, value: Any, nets: Container[str]) -> bool:
    if not isinstance(value, str) or not value:
        return False
    match field:
        case "base.net":
            return value not in nets
        case "base.weights" | "accept.not_below":
            return not value.startswith((*REFERENCES, KNOWN_REFERENCE))
        case "data.mean":
            return value not in MEAN_WORDS
    return True
