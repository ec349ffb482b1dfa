"""Pydantic's findings as sentences: what a field must be, what it is, and what to do."""

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jobspec.caffefields import NOT_NEEDED, OF_FORKS, OTHER_NAMES, of_value
from jobspec.document import Document, Path, implicit_type
from jobspec.problems import Problem, dotted, one_line
from jobspec.spec import JobSpec

_MUST_BE = {
    "string_type": "must be text",
    "string_unicode": "must be Unicode text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list, such as [a, b]",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le} or less",
    "finite_number": "must be a finite number",
    "literal_error": "must be one of {expected}",
}
_SECTION_TYPES = ("model_type", "model_attributes_type", "dict_type")


def explain(error: ValidationError, document: Document) -> list[Problem]:
    """Return what is wrong, in the order of the document's lines."""
    details = error.errors(include_url=False)
    renamed = {_renamed(d["loc"]) for d in details if d["type"] == "extra_forbidden"}
    shown = [d for d in details if not (d["type"] == "missing" and d["loc"] in renamed)]
    problems = [_problem(d, document) for d in shown]
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))


def _problem(details: ErrorDetails, document: Document) -> Problem:
    context = details.get("ctx", {})
    path = details["loc"]
    if field := context.get("field"):
        path = (*path, *((field,) if isinstance(field, str) else field))
    mark = document.mark(path)
    message = _message(details, context)
    return Problem(dotted(path), message, mark.line if mark else None, mark.column if mark else None)


def _message(details: ErrorDetails, context: Mapping[str, Any]) -> str:
    hint = of_value(dotted(_in_spec(details["loc"])), details["input"])
    return _finding(details, context, f"; {hint}" if hint else None)


def _finding(details: ErrorDetails, context: Mapping[str, Any], hint: str | None) -> str:
    """Return what is wrong with a field; a `hint` takes precedence over what the value suggests."""
    kind, path, value = details["type"], details["loc"], details["input"]
    if kind == "sentence":
        return str(context["sentence"])
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return f"is missing; add it ({_summary(path)})"
    if kind == "extra_forbidden":
        return unknown_field(path)
    if kind in _SECTION_TYPES:
        fields = " and ".join(fields_at(path)[:2])
        return f"must be a group of fields such as {fields}, got {shown(value)}{hint or _hint(kind, value)}"
    if kind == "must_be":
        meant = hint or _did_you_mean(value, context["choices"])
        return f"must be {context['words']}, got {shown(value)}{meant}"
    must_be = _MUST_BE[kind].format(**context) if kind in _MUST_BE else details["msg"]
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        must_be = must_be.replace("'", "")
        return f"{must_be}, got {shown(value)}{hint or _did_you_mean(value, choices)}"
    return f"{must_be}, got {shown(value)}{hint or _hint(kind, value)}"


def shown(value: Any) -> str:
    """Return a value as errors show it: as YAML in one line."""
    if value is None:
        return "nothing"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return one_line(json.dumps(value, ensure_ascii=False, default=str))


def _hint(kind: str, value: Any) -> str:
    if value is None:
        return "; give it a value or remove the line"
    if kind == "string_type" and isinstance(value, int | float):
        return "; put it in quotes"
    if kind == "list_type" and isinstance(value, str | int | float):
        return f"; write [{value}]"
    if kind == "int_type" and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"; write {value:.0f}"
    if not isinstance(value, str):
        return ""
    if kind in ("int_type", "float_type") and implicit_type(value) in ("int", "float"):
        return "; remove the quotes"
    return _truth(value) if kind == "bool_type" else ""


def _truth(word: str) -> str:
    """Suggest the YAML 1.2 spelling of a word that YAML 1.1 reads as true or false."""
    if word.lower() in ("yes", "on", "y", "true"):
        return "; write true"
    if word.lower() in ("no", "off", "n", "false"):
        return "; write false"
    return ""


def _did_you_mean(value: Any, choices: Sequence[str]) -> str:
    """Suggest a choice close to the given word, or to a key of the given mapping."""
    words = [value] if isinstance(value, str) else list(value) if isinstance(value, Mapping) else []
    if isinstance(value, str) and "false" in choices and (truth := _truth(value)):
        return truth
    for word in words:
        close = _closest(str(word), choices)
        if close and close != word:
            return f"; did you mean {close}?"
    return ""


def _closest(word: str, choices: Iterable[str]) -> str | None:
    by_letters = {_letters(choice): choice for choice in choices}
    close = get_close_matches(_letters(word), by_letters, n=1, cutoff=0.65)
    return by_letters[close[0]] if close else None


def _letters(word: str) -> str:
    return re.sub(r"[-_ ]", "", word).lower()


def unknown_field(path: Path) -> str:
    """Return why a path is no field of a spec, and which field was probably meant."""
    section, name = path[:-1], str(path[-1])
    known = fields_at(section)
    if name in NOT_NEEDED:
        return f"is not needed here; {NOT_NEEDED[name]}"
    if name in OF_FORKS:
        return f"is {OF_FORKS[name]}"
    target = _renamed(path)
    if target:
        return f"is not a field of {_named(section)}; did you mean {target[-1]}?"
    elsewhere = [dotted(other) for other in _places(OTHER_NAMES.get(name, name))]
    if elsewhere:
        return f"is not a field of {_named(section)}; write it as {' or '.join(elsewhere)}"
    return f"is not a field of {_named(section)}, which has {', '.join(known)}"


def _renamed(path: Path) -> Path | None:
    """Return the path of the field in the same section that an unknown one was probably meant to be."""
    section, name = path[:-1], str(path[-1])
    known = fields_at(section)
    places = _places(OTHER_NAMES.get(name, name))
    here = [path for path in places if path[:-1] == _in_spec(section)]
    if here or places or name in (*NOT_NEEDED, *OF_FORKS):
        return here[0] if here else None
    close = _closest(name, known)
    return (*section, close) if close else None


def _in_spec(path: Path) -> Path:
    """Return where a stage's field is in a spec without stages; any other field is where it is."""
    return path[2:] if len(path) > 2 and path[0] == "stages" else path


def _named(section: Path) -> str:
    return dotted(section) or "a spec"


def _places(name: str) -> list[tuple[str, ...]]:
    """Return the paths of all fields of that name in the spec, ignoring case and dashes."""
    return [path for path in _walk(JobSpec, ()) if _letters(path[-1]) == _letters(name)]


def _walk(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*path, name)
        inner = _model_in(field.annotation) if name != "sweep" else None  # its options are nobody's fields
        if inner:
            yield from _walk(inner, (*path, name))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model a field holds, if it can hold only that model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType):
        models = [model for model in map(_model_in, get_args(annotation)) if model]
        return models[0] if len(models) == 1 else None
    return None


def _model_at(path: Path) -> type[BaseModel] | None:
    model: type[BaseModel] | None = JobSpec
    annotation: Any = JobSpec
    for part in path:
        if isinstance(part, int):
            annotation = _item_in(annotation)
        else:
            field = model.model_fields.get(part) if model else None
            annotation = field.annotation if field else None
        model = _model_in(annotation)
    return model


def _item_in(annotation: Any) -> Any:
    """Return what a list holds, also of a field that may be a list or nothing."""
    if get_origin(annotation) is list:
        return get_args(annotation)[0]
    if get_origin(annotation) is Annotated:
        return _item_in(get_args(annotation)[0])
    return next(filter(None, map(_item_in, get_args(annotation))), None)


def fields_at(path: Path) -> list[str]:
    """Return the fields of a section; none of what is no section."""
    model = _model_at(path)
    return list(model.model_fields) if model else []


def _summary(path: Path) -> str:
    """Return the first sentence of a field's description, which describes what belongs there."""
    model = _model_at(path[:-1])
    field = model.model_fields.get(str(path[-1])) if model else None
    description = " ".join((field.description or "").split()) if field else ""
    sentence = re.split(r"(?<=[a-z)`])\. ", description)[0].rstrip(".").replace("`", "")
    return sentence[:1].lower() + sentence[1:]
