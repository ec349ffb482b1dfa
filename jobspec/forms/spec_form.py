"""The fields of a spec's form, made from its JSON Schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jobspec.document import Path
from jobspec.dump import flow, json_schema
from jobspec.fields import FLOAT_MAX, INT32_MAX
from jobspec.forms.edit import GONE, fields_of, value_of
from jobspec.problems import Problem, dotted

BESIDE_SECTIONS = "run"
"""The section of the fields that lie in none."""
_BOOLEANS = ("true", "false")
_NUMBERS = ("integer", "number")
_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
_ENDLESS = (FLOAT_MAX, INT32_MAX)
"""Limits that are those of Caffe's types, and nobody's concern."""


@dataclass(frozen=True)
class FormField:
    """A field of a spec, as a form shows it."""

    path: Path
    description: str
    required: bool
    default: str
    """As text; empty where there is none."""
    choices: tuple[str, ...]
    """All that it may be, where that can be listed."""
    words: tuple[str, ...]
    """Words that it may be, beside numbers, texts or lists."""
    range: str
    """Of its numbers, in words; empty without limits."""
    is_number: bool
    is_text: bool
    """Whether it holds nothing but text, which is taken as it stands; else it is written as in YAML."""

    @property
    def name(self) -> str:
        """Its path, such as `solver.base_lr`."""
        return dotted(self.path)

    def text_in(self, values: Mapping[str, Any]) -> str:
        """Return the text of its value among those of a spec; empty where it has none."""
        held: Any = values
        for part in self.path:
            held = held.get(part) if isinstance(held, Mapping) else None
        if held is None:
            return ""
        return held if self.is_text and isinstance(held, str) and held.isprintable() else flow(held)

    def value_of(self, text: str) -> Any:
        """Return the plain value of a text of the form, GONE of an empty one."""
        stripped = text.strip()
        if not stripped:
            return GONE
        return stripped if self.is_text else value_of(stripped)


@dataclass(frozen=True)
class FormSection:
    """Fields that belong together."""

    name: str
    description: str
    fields: tuple[FormField, ...]


@cache
def spec_form() -> tuple[FormSection, ...]:
    """Return the sections of a spec's form, in the spec's order; those of stages and sweeps are lists, which
    are written in YAML."""
    schema = json_schema()
    sections = [(name, prop) for name, prop in schema["properties"].items() if "$ref" in prop]
    alone = {name: prop for name, prop in schema["properties"].items() if not _holds_sections(prop)}
    made = [FormSection(BESIDE_SECTIONS, schema["description"], tuple(_fields((), alone, schema)))]
    for name, prop in sections:
        section = schema["$defs"][prop["$ref"].rpartition("/")[2]]
        fields = tuple(_fields((name,), section["properties"], section))
        made.append(FormSection(name, prop.get("description", section["description"]), fields))
    return tuple(made)


def form_texts(text: str) -> dict[str, str]:
    """Return what the form shows of a spec's text, by the names of its fields. Raises SpecError."""
    values = fields_of(text)
    return {field.name: field.text_in(values) for section in spec_form() for field in section.fields}


def form_changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[Path, Any]:
    """Return the plain values of the fields whose text is another, for `edited`."""
    fields = [field for section in spec_form() for field in section.fields]
    return {
        field.path: field.value_of(after[field.name])
        for field in fields
        if field.name in after and after[field.name].strip() != before.get(field.name, "").strip()
    }


def field_of(problem: Problem) -> str | None:
    """Return the name of the form's field that a problem is about; None where it is about none of them."""
    names = [field.name for section in spec_form() for field in section.fields]
    fitting = [name for name in names if f"{problem.field}.".startswith((f"{name}.", f"{name}["))]
    return fitting[0] if fitting else None


def _holds_sections(prop: Mapping[str, Any]) -> bool:
    """Return whether a field of the spec is a section, or a list of them."""
    options = _options(prop)
    return any("$ref" in option or "$ref" in option.get("items", {}) for option in options)


def _fields(path: Path, properties: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[FormField]:
    for name, prop in properties.items():
        options = _options(prop)
        words = tuple(dict.fromkeys(word for option in options for word in _words(option)))
        types = {option.get("type") for option in options}
        listed = all(_words(option) for option in options)
        default = prop.get("default")
        yield FormField(
            path=(*path, name),
            description=prop["description"],
            required=name in schema.get("required", ()),
            default="" if default is None else default if isinstance(default, str) else flow(default),
            choices=words if listed else (),
            words=() if listed else words,
            range=_range([option for option in options if option.get("type") in _NUMBERS]),
            is_number=types <= {*_NUMBERS},
            is_text=types == {"string"},
        )


def _options(prop: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a field may be, each as a schema, but for nothing."""
    return [option for option in prop.get("anyOf", [prop]) if option.get("type") != "null"]


def _words(option: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words that an option lists; none where it is open."""
    if "const" in option:
        return (flow(option["const"]),)
    if option.get("type") == "boolean":
        return _BOOLEANS
    return tuple(map(flow, option.get("enum", ())))


def _range(numbers: list[Mapping[str, Any]]) -> str:
    """Return the limits of a field's numbers, such as `at least 1, at most 64`."""
    limits = [
        f"{words} {option[key]:,g}"
        for option in numbers[:1]
        for key, words in _LIMITS.items()
        if key in option and abs(option[key]) not in _ENDLESS
    ]
    return ", ".join(limits)
