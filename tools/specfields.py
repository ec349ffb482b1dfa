"""The spec's fields as tables, from its JSON Schema."""

from collections.abc import Iterator
from typing import Any

from jobspec import json_schema
from jobspec.fields import FLOAT_MAX, INT32_MAX

Schema = dict[str, Any]


def spec_fields() -> str:
    """Return a table for the spec and one for each of its sections: field, type, default, meaning."""
    schema = json_schema()
    return "\n".join(_tables(schema, schema["$defs"]))


def _tables(schema: Schema, defs: dict[str, Schema]) -> Iterator[str]:
    yield _table("The spec", schema, defs)
    for name, field in schema["properties"].items():
        section, item = _section(field, defs), _item(field, defs)
        if section:
            yield _table(f"`{name}`", section, defs)
        if item:
            yield _table(f"Each of `{name}`", item, defs)


def _table(title: str, schema: Schema, defs: dict[str, Schema]) -> str:
    rows = [_row(name, field, schema, defs) for name, field in schema["properties"].items()]
    head = ["| Field | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    return "\n".join([f"### {title}", "", schema["description"], "", *head, *rows, ""])


def _row(name: str, field: Schema, schema: Schema, defs: dict[str, Schema]) -> str:
    section = _section(field, defs)
    meaning = field.get("description") or (section or {}).get("description", "")
    default = "required" if name in schema.get("required", []) else _default(field, section)
    cells = [f"`{name}`", _type(field, defs), default, meaning]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _section(field: Schema, defs: dict[str, Schema]) -> Schema | None:
    """Return the section that a field is, or may be; a section's own sections are in its row."""
    refs = [each["$ref"] for each in (field, *field.get("anyOf", ())) if "$ref" in each]
    return defs[refs[0].rpartition("/")[2]] if len(refs) == 1 else None


def _item(field: Schema, defs: dict[str, Schema]) -> Schema | None:
    """Return the section of which a field holds a list, None where it holds none."""
    lists = [each for each in (field, *field.get("anyOf", ())) if each.get("type") == "array"]
    return next((_section(each["items"], defs) for each in lists if "$ref" in each["items"]), None)


def _default(field: Schema, section: Schema | None) -> str:
    value = field.get("default")
    if section or value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _type(field: Schema, defs: dict[str, Schema]) -> str:
    """Return a field's type in words."""
    if "anyOf" in field:
        if part := _part(field):
            return part
        options = [_type(option, defs) for option in field["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(options))
    if "$ref" in field:
        section = _section(field, defs) or {}
        required = section.get("required", [])
        return f"`{{{required[0]}: …}}`" if section["title"].startswith("Freeze") else "a section"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "array":
        return "list of sections" if _item(field, defs) else f"list of {_type(field['items'], defs)}"
    if field["type"] == "boolean":
        return "`true`, `false`"
    return _text(field) if field["type"] == "string" else _number(field)


def _part(field: Schema) -> str:
    """Return how to write a part of a section; empty for any other field."""
    names = [each["$ref"].rpartition("/PartOf")[2] for each in field["anyOf"] if "/PartOf" in str(each)]
    return f"fields of `{names[0].lower()}`" if names else ""


def _text(field: Schema) -> str:
    known = {
        "run:": "`run:NAME`",
        "binaryproto": "path or URI of a .binaryproto",
        "s3://": "path or URI",
        "%$": "share such as `33%`",
    }
    pattern = field.get("pattern", "")
    return next((words for part, words in known.items() if part in pattern), "text")


def _number(field: Schema) -> str:
    kind = "whole number" if field["type"] == "integer" else "number"
    limits = [
        f"{sign} {field[key]:,g}"
        for key, sign in (
            ("exclusiveMinimum", ">"),
            ("minimum", "≥"),
            ("exclusiveMaximum", "<"),
            ("maximum", "≤"),
        )
        if key in field and abs(field[key]) not in (INT32_MAX, FLOAT_MAX)
    ]
    return " ".join([kind, ", ".join(limits)]).strip()
