"""The members of a sweep: the specs that it stands for. Pure."""

import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from jobspec.document import Document
from jobspec.explain import explain, fields_at, shown, unknown_field
from jobspec.problems import SHOWN, Problem, SpecError
from jobspec.spec import FREE_SECTIONS, JobSpec
from jobspec.sweeps.sweep import MOST_MEMBERS, SWEPT, Sweep, ValueRange

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
"""A value for each swept field, by SECTION.FIELD."""


@dataclass(frozen=True)
class Member:
    """One run of a sweep."""

    spec: JobSpec
    """Complete, and no sweep."""
    overrides: Values

    @property
    def name(self) -> str:
        """The sweep's name and a digest of the overrides: other members do not change it."""
        return self.spec.name

    @property
    def label(self) -> str:
        """The overrides as people read them: `base_lr 0.01, freeze none`."""
        return ", ".join(f"{field.partition('.')[2]} {value}" for field, value in self.values.items())

    @property
    def values(self) -> dict[str, str]:
        """The overrides as texts, by SECTION.FIELD."""
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
    problems = _field_problems(sweep, document) or _size_problems(sweep, document)
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


def _field_problems(sweep: Sweep, document: Document) -> list[Problem]:
    """Return what is wrong with the names of the swept fields."""
    problems = []
    for field in sweep.fields:
        section, _, name = field.partition(".")
        if section not in SWEPT and (section in fields_at(()) or not name):
            message = f"cannot be swept; members differ in fields of {', '.join(SWEPT)}"
        elif section not in SWEPT or name not in fields_at((section,)) or name == "weights_from":
            path = (section, name) if section in SWEPT else (section,)
            message = unknown_field(path)
        else:
            continue
        problems.append(_problem(f"sweep.{field}", message, document, "sweep", field))
    return problems


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
    section, _, name = field.partition(".")
    model: type[BaseModel] = JobSpec.model_fields[section].annotation  # type: ignore[assignment]
    types = _types(model.model_fields[name].annotation)
    return int in types and float not in types


def _types(annotation: Any) -> set[Any]:
    """Return every type in an annotation."""
    inner = [kind for each in get_args(annotation) for kind in _types(each)]
    return {annotation, *inner} if isinstance(annotation, type) else set(inner)


def _member(name: str, base: Mapping[str, Any], values: Values) -> Member:
    """Return a member. Raises ValidationError."""
    sections = {field.partition(".")[0] for field in values}
    changed = {**base, **{section: dict(base.get(section, {})) for section in sections}}
    for field, value in values.items():
        section, _, key = field.partition(".")
        changed[section][key] = value
    spec = JobSpec.model_validate(changed)
    canonical = spec.canonical()
    overrides = {field: _at(canonical, field) for field in values}
    suffix = _digest([name, overrides])[:DIGEST_LENGTH]
    own = f"{name[: NAME_LENGTH - DIGEST_LENGTH - 1].rstrip('-')}-{suffix}"
    return Member(spec.model_copy(update={"name": own}), overrides)


def _at(canonical: Mapping[str, Any], field: str) -> Any:
    section, _, name = field.partition(".")
    return canonical[section].get(name)


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
