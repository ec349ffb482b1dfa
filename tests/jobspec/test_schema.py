"""The JSON Schema: whole, described, and of one mind with the models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from jobspec import json_schema, load_spec
from jobspec.spec import STAGED_SECTIONS

ROOT = Path(__file__).parents[2]
SCHEMA = json_schema()


@pytest.fixture
def example() -> dict[str, Any]:
    return load_spec(ROOT / "examples" / "spec.yaml").model_dump(mode="json", exclude_none=True)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object schema in it."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from objects(inner)


def fields(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema in it."""
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from fields(inner)


def test_the_schema_is_one() -> None:
    """By its own draft's meta-schema."""
    Draft202012Validator.check_schema(SCHEMA)
    assert (SCHEMA["$schema"], SCHEMA["title"]) == (Draft202012Validator.META_SCHEMA["$id"], "JobSpec")


def test_every_object_is_closed_and_every_field_described() -> None:
    """An editor that knows the schema marks a misspelt field, and says what each one is.

    Only a sweep has fields of other names: those of other sections, each with its values.
    """
    found = list(objects(SCHEMA))
    open_ones = [each["title"] for each in found if each["additionalProperties"] is not False]

    assert len(found) == 14 + 1 + len(STAGED_SECTIONS)
    assert open_ones == ["Sweep"]
    assert all(each["description"] for each in found)
    fields = [field for each in found for field in each["properties"].values() if "$ref" not in field]
    assert [field for field in fields if "\n" in field.get("description", "\n")] == []


def test_every_text_list_and_number_has_an_end() -> None:
    """So that no spec is larger than what reads it expects, and no number overflows what is made of it."""
    ends = {"string": {"maxLength", "enum", "const"}, "array": {"maxItems"}}
    ends |= {kind: {"maximum", "exclusiveMaximum"} for kind in ("integer", "number")}
    found = [field for field in fields(SCHEMA) if str(field.get("type")) in ends]

    assert len(found) > 50
    assert [field for field in found if not ends[field["type"]] & set(field)] == []


def test_the_example_as_written_and_as_read_is_valid(example: dict[str, Any]) -> None:
    """The schema takes what users write and what load_spec makes of it."""
    validator = Draft202012Validator(SCHEMA)

    validator.validate(yaml.safe_load((ROOT / "examples" / "spec.yaml").read_text(encoding="utf-8")))
    validator.validate(example)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("solver", "base_Ir", 1),
        ("solver", "base_lr", 0),
        ("solver", "base_lr", "1"),
        ("solver", "type", "sgd"),
        ("solver", "stepsize", "33"),
        ("surgery", "freeze", {"up_too": "a"}),
        ("surgery", "num_output", 1),
        ("data", "mean", "mean.npy"),
        ("accept", "accuracy", 80),
        ("base", "net", ""),
    ],
)
def test_what_the_models_refuse_the_schema_refuses(
    section: str, field: str, value: object, example: dict[str, Any]
) -> None:
    """Types, limits, patterns and names, as far as a schema can say them."""
    example[section][field] = value

    assert not Draft202012Validator(SCHEMA).is_valid(example)
