"""The members of a sweep: the specs that it stands for. Pure."""

import hashlib
import json
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from jobspec.document import Document
from jobspec.explain import explain, fields_at, shown, unknown_field
from jobspec.problems import SHOWN, Problem, SpecError
from jobspec.spec import FREE_SECTIONS, JobSpec
from jobspec.sweeps.sweep import MOST_MEMBERS, Sweep, ValueRange
from jobspec.sweeps.swept_field import SweptField, heading_of

NAME_LENGTH, DIGEST_LENGTH = 40, 8
DRAWS_PER_MEMBER = 20
"""Draws before a random search ends because it finds nothing new."""
DIGITS = 4
"""Significant digits of a number drawn from a range."""
ID_LENGTH = 10
SWEEP_ID = "sweep-"
"""The beginning of a sweep's id, by which it is distinguished from a run's."""
_NOWHERE = Document(None, {})

Values = Mapping[str, Any]
"""A value for each swept field, by its name in the spec."""


@dataclass(frozen=True)
class Member:
    """One run of a sweep."""

    spec: JobSpec
    """Complete, and no sweep."""
    overrides: Values
    stages: tuple[str, ...] = ()
    """What decides each stage but the last, and those before it, as digests. Members that agree on a
    digest share that stage."""

    @property
    def name(self) -> str:
        """The sweep's name and a digest of the overrides: other members do not change it."""
        return self.spec.name

    @property
    def label(self) -> str:
        """The overrides as people read them: `base_lr 0.01, freeze none`."""
        return ", ".join(f"{heading_of(field)} {value}" for field, value in self.values.items())

    @property
    def values(self) -> dict[str, str]:
        """The overrides as texts, by field."""
        return {field: shown(value).replace('"', "") for field, value in self.overrides.items()}


def members(spec: JobSpec, document: Document = _NOWHERE, source: str = "spec") -> tuple[Member, ...]:
    """Return the members of a spec's sweep, in the order in which they start.

    The same spec always has the same members; another value for a field leaves those that there are as they
    were. Raises SpecError, which names each field or value that makes no valid spec, and its line in
    `document`.
    """
    sweep = spec.sweep
    if sweep is None:
        return ()
    problems = _field_problems(sweep.fields, len(spec.stages or ()), document)
    problems = problems or _size_problems(sweep, document)
    if problems:
        raise SpecError(source, problems)
    base = spec.model_dump(mode="json", exclude_unset=True, exclude={"sweep"})
    made: dict[str, Member] = {}
    for choice in _choices(sweep):
        try:
            member = _member(spec.name, base, {field: value for field, (value, _) in choice.items()})
        except ValidationError as error:
            problems += _explained(error, choice, document)
            if len(problems) >= SHOWN:
                break
            continue
        made.setdefault(member.name, member)
        if len(made) == sweep.members:
            break
    if problems:
        first = {problem.field: problem for problem in reversed(problems)}  # of each field
        raise SpecError(source, list(first.values())[::-1])
    return tuple(made.values())


def sweep_id(spec: JobSpec) -> str:
    """Return a sweep's id: a digest of its members and of all that they share but what may be changed later.

    Raises SpecError.
    """
    kept = {key: value for key, value in spec.canonical().items() if key not in (*FREE_SECTIONS, "sweep")}
    names = sorted(member.name for member in members(spec))
    return f"{SWEEP_ID}{_digest([kept, names])[:ID_LENGTH]}"


def unknown_fields(document: Document) -> list[Problem]:
    """Return what is wrong with the names of the swept fields in a document that is no valid spec."""
    values = document.value if isinstance(document.value, dict) else {}
    sweep, stages = values.get("sweep"), values.get("stages")
    fields = [key for key in sweep if "." in key] if isinstance(sweep, dict) else []
    return _field_problems(fields, len(stages) if isinstance(stages, list) else 0, document)


def _field_problems(fields: Iterable[str], stages: int, document: Document) -> list[Problem]:
    """Return what is wrong with the names of the swept fields of a spec with so many stages."""
    found = ((field, _field_problem(field, stages)) for field in fields)
    return [
        _problem(f"sweep.{field}", message, document, "sweep", field) for field, message in found if message
    ]


def _field_problem(text: str, stages: int) -> str:
    """Return why a swept field cannot be swept; empty where it can."""
    field = SweptField.parse(text)
    if field.section.startswith("stages") and field.stage is None:
        return "is not a field of a stage; write it as stages[0].SECTION.FIELD, counted from 0"
    if field.stage is not None and field.stage >= stages:
        there = f"stages[0] to stages[{stages - 1}]" if stages else "no stages"
        return f"names a stage that is not there; the spec has {there}"
    section = (*field.parent, field.section)
    if field.section in field.sections and field.name:
        known = field.name in fields_at(section) and field.name != "weights_from"
        return "" if known else unknown_field(field.path)
    if field.section in fields_at(field.parent):
        return f"cannot be swept; members differ in fields of {', '.join(field.sections)}"
    return unknown_field(section)


def _size_problems(sweep: Sweep, document: Document) -> list[Problem]:
    if sweep.search == "random":
        return []
    size = math.prod(len(values) for values in sweep.fields.values() if isinstance(values, list))
    if size <= MOST_MEMBERS:
        return []
    message = (
        f"has {size:,} combinations, and a sweep has at most {MOST_MEMBERS:,} members; give fewer values, "
        "or search: random with members"
    )
    return [_problem("sweep", message, document, "sweep")]


def _choices(sweep: Sweep) -> Iterator[dict[str, tuple[Any, int | None]]]:
    """Yield a value for each field, with its index in the list where it is from one."""
    fields = sweep.fields
    if sweep.search == "grid":
        lists = (list(enumerate(values)) for values in fields.values() if isinstance(values, list))
        for combination in product(*lists):
            yield {field: (value, index) for field, (index, value) in zip(fields, combination, strict=True)}
        return
    for number in range(DRAWS_PER_MEMBER * (sweep.members or 0)):
        yield {field: _draw(sweep.seed, number, field, values) for field, values in fields.items()}


def _draw(seed: int, number: int, field: str, values: list[Any] | ValueRange) -> tuple[Any, int | None]:
    """Return a field's value in the draw of that number: it depends on no other field and no other draw."""
    chance = random.Random(f"{seed}/{number}/{field}").random()
    if isinstance(values, list):
        index = int(chance * len(values))
        return values[index], index
    if values.log:
        low, high = math.log(values.min), math.log(values.max)
        drawn = math.exp(low + chance * (high - low))
    else:
        drawn = values.min + chance * (values.max - values.min)
    if _is_whole(field):
        return round(drawn), None
    return min(values.max, max(values.min, float(f"{drawn:.{DIGITS}g}"))), None


def _is_whole(field: str) -> bool:
    """Whether a field of the spec holds whole numbers only."""
    swept = SweptField.parse(field)
    model = cast("type[BaseModel]", JobSpec.model_fields[swept.section].annotation)
    types = _types(model.model_fields[swept.name].annotation)
    return int in types and float not in types


def _types(annotation: Any) -> set[Any]:
    """Return every type in an annotation."""
    inner = [kind for each in get_args(annotation) for kind in _types(each)]
    return {annotation, *inner} if isinstance(annotation, type) else set(inner)


def _member(name: str, base: Mapping[str, Any], values: Values) -> Member:
    """Return a member. Raises ValidationError."""
    changed = deepcopy(dict(base))
    for field, value in values.items():
        SweptField.parse(field).put_into(changed, value)
    spec = JobSpec.model_validate(changed)
    canonical = spec.canonical()
    overrides = {field: SweptField.parse(field).value_in(canonical) for field in values}
    suffix = _digest([name, overrides])[:DIGEST_LENGTH]
    member = spec.model_copy(update={"name": f"{_stem(name)}{suffix}", "member_of": name})
    return Member(member, overrides, tuple(_stage_digests(member)))


def member_names(sweep: str) -> re.Pattern[str]:
    """Return the pattern of the names that members of a sweep of that name have."""
    return re.compile(f"{re.escape(_stem(sweep))}[0-9a-f]{{{DIGEST_LENGTH}}}")


def _stem(sweep: str) -> str:
    """Return what the names of a sweep's members begin with."""
    return f"{sweep[: NAME_LENGTH - DIGEST_LENGTH - 1].rstrip('-')}-"


def _stage_digests(spec: JobSpec) -> Iterator[str]:
    """Yield what decides each stage but the last, and those before it."""
    before = ""
    for part, stage in zip(spec.stages or (), spec.stage_specs()[:-1], strict=False):
        decides = {key: value for key, value in stage.canonical().items() if key not in FREE_SECTIONS}
        before = _digest([before, decides, part.wants_new_heads])
        yield before


def _explained(
    error: ValidationError, choice: Mapping[str, tuple[Any, int | None]], document: Document
) -> Iterator[Problem]:
    """Yield what is wrong with a member: at the value that is wrong by itself, else at the sweep."""
    for problem in explain(error, _NOWHERE):
        field = next(
            (each for each in choice if f"{problem.field}.".startswith((f"{each}.", f"{each}["))), None
        )
        if field is None:
            label = ", ".join(f"{name} {shown(value)}" for name, (value, _) in choice.items())
            yield _problem("sweep", f"with {label}: {problem.field}: {problem.message}", document, "sweep")
            continue
        index = choice[field][1]
        rest = problem.field.removeprefix(field)
        place = f"sweep.{field}" if index is None else f"sweep.{field}[{index}]"
        path = ("sweep", field) if index is None else ("sweep", field, index)
        yield _problem(f"{place}{rest}", problem.message, document, *path)


def _problem(field: str, message: str, document: Document, *path: str | int) -> Problem:
    mark = document.mark(path)
    return Problem(field, message, mark.line if mark else None, mark.column if mark else None)


def _digest(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
