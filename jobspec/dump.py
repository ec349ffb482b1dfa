"""A JobSpec to text: YAML for people, a digest that identifies a spec, a JSON Schema for tools."""

import hashlib
import json
from typing import Any

import yaml

from jobspec.document import implicit_type
from jobspec.spec import JobSpec

JSON_SCHEMA_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Block mappings, lists in one line, and quotes wherever YAML 1.1 or 1.2 would not read text.

    The C dumper is ten times as fast; PyYAML's wheels include it.
    """


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if implicit_type(value) != "str" else None if value.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    groups = any(isinstance(item, dict) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=not groups)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def dump_spec(spec: JobSpec) -> str:
    """Write a spec as YAML, fields in their order, defaults included; load_spec reads an equal one."""
    return plain_yaml(spec.model_dump(mode="json", exclude_none=True))


def plain_yaml(values: dict[str, Any]) -> str:
    """Write plain values as YAML, in their order."""
    return _dumped(values, width=110)


def flow(value: Any) -> str:
    """Write a plain value as YAML in one line, as it may stand behind a field or in brackets."""
    written = _dumped({"v": value}, is_flow=True, width=1_000_000)
    return written.removeprefix("{v: ").rstrip("\n").removesuffix("}")


def _dumped(values: dict[str, Any], *, width: int, is_flow: bool = False) -> str:
    text: str = yaml.dump(
        values,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=is_flow,
        width=width,
    )
    return text


def digest(spec: JobSpec) -> str:
    """Return the sha256 (hex) of a spec's values, whatever the order, comments and spaces in its text."""
    canonical = json.dumps(spec.canonical(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def json_schema() -> dict[str, Any]:
    """Return the spec's JSON Schema (draft 2020-12), with a description of every field."""
    schema: dict[str, Any] = _joined_lines(JobSpec.model_json_schema())
    return {"$schema": JSON_SCHEMA_DRAFT, **schema}


def _joined_lines(schema: Any) -> Any:
    """Return the schema with every description on one line; the source wraps them."""
    if isinstance(schema, list):
        return [_joined_lines(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: " ".join(value.split())
        if key == "description" and isinstance(value, str)
        else _joined_lines(value)
        for key, value in schema.items()
    }
