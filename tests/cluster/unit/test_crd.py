"""The CustomResourceDefinition: current, structural, and of one mind with the job spec."""

from collections.abc import Iterator
from typing import Any

import pytest

from ftjob.cluster.resource.crd import definition, object_schema, spec_schema, status_schema, structural
from ftjob.cluster.resource.status import FineTuneStatus, PodRecord
from jobspec import JobSpec
from tests.cluster.unit.builders import begun, fine_tune, life
from tools import k8s


def schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema in a schema."""
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from schemas(inner)
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from schemas(schema[key])


def test_the_generated_manifests_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """The CRD and the node profiles in k8s/ are what the program makes; `make k8s` writes them."""
    assert k8s.main(["--check"]) == 0, capsys.readouterr().err


def test_it_has_the_fields_of_the_spec_and_suspend() -> None:
    """By the same names, all described; the name may be left out, since the object has one."""
    schema = spec_schema()

    assert list(schema["properties"]) == [*JobSpec.model_fields, "suspend"]
    assert schema["required"] == ["base", "data", "output"]
    assert [name for name, field in schema["properties"].items() if not field.get("description")] == []


def test_it_is_structural() -> None:
    """Every field has a type, or says that it may be anything, or a number or a text; no $ref is left."""
    loose = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string")
    version = definition()["spec"]["versions"][0]
    whole = version["schema"]["openAPIV3Schema"]

    assert [
        each for each in schemas(whole) if not ("type" in each or any(mark in each for mark in loose))
    ] == []
    assert {key for each in schemas(whole) for key in each} & {"$ref", "default", "title", "const"} == set()


def test_every_value_is_of_bounded_size_and_depth() -> None:
    """Each text and list has a largest length, and no object may have any field it likes.

    What has no type holds texts, lists and objects within limits, or none of them.
    """
    loose = "x-kubernetes-preserve-unknown-fields"
    whole = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    untyped = [each for each in schemas(whole) if loose in each]
    lists = [each for each in schemas(whole) if each.get("type") == "array"]
    kinds = [whole["properties"].pop(key) for key in ("apiVersion", "kind")]  # are what they are
    texts = [each for each in schemas(whole) if each.get("type") == "string" and "enum" not in each]

    assert kinds == [{"type": "string"}] * 2
    assert [each for each in texts + untyped if "maxLength" not in each] == []
    assert [each for each in lists + untyped if "maxItems" not in each] == []
    assert [each for each in untyped if each["maxItems"] and "items" not in each] == []
    assert [each for each in untyped if each["maxProperties"] and "additionalProperties" not in each] == []
    assert [each for each in untyped if "type" in each or "properties" in each] == []


def test_unions_keep_what_a_structural_schema_can_express() -> None:
    """A number or a share, auto or a number; of the rest what its texts, lists and objects may be."""
    fields = spec_schema()["properties"]
    surgery = fields["surgery"]["properties"]
    layers = {"type": "string", "minLength": 1, "maxLength": 255}

    assert fields["solver"]["properties"]["stepsize"]["x-kubernetes-int-or-string"] is True
    assert surgery["num_output"]["pattern"] == "^(auto)$"
    assert (surgery["heads"]["maxLength"], surgery["heads"]["items"]) == (4, layers)
    assert (surgery["heads"]["maxProperties"], surgery["freeze"]["maxProperties"]) == (0, 1)
    assert surgery["freeze"]["additionalProperties"]["items"] == layers


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"exclusiveMinimum": 0, "type": "number"},
            {"minimum": 0, "exclusiveMinimum": True, "type": "number"},
        ),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, {"type": "integer", "minimum": 1}),
        ({"type": "string"}, {"type": "string", "maxLength": 2048}),
        ({"const": "auto", "type": "string", "default": "auto"}, {"enum": ["auto"], "type": "string"}),
    ],
)
def test_what_json_schema_writes_differently(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    """Exclusive limits are flags, null is absence, a constant is a choice of one."""
    assert structural(schema, {}) == expected


def test_the_status_that_is_written_is_in_the_schema() -> None:
    """Field by field, so that the server drops none of them in silence."""
    known = status_schema()["properties"]
    written = {field.alias or name for name, field in FineTuneStatus.model_fields.items()}
    entry = {field.alias or name for name, field in PodRecord.model_fields.items()}

    assert written == set(known)
    assert entry == set(known["attempts"]["items"]["properties"])


def test_a_status_is_read_as_it_was_written() -> None:
    """Times, accounts and figures survive the API server."""
    status = fine_tune(status=begun(attempts=[life(1)], startTime="2026-01-31T12:00:00Z")).status

    assert FineTuneStatus.from_json(status.to_json()) == status
    assert status.to_json()["startTime"] == "2026-01-31T12:00:00Z"


def test_no_limit_is_beyond_what_a_server_compares_whole_numbers_with() -> None:
    """It makes int64 of both where a user writes `1`; 3.4e38 then refuses every one of them."""
    numbers = [each for each in schemas(object_schema()) if {"minimum", "maximum"} & each.keys()]

    assert len(numbers) > 20
    assert all(abs(each.get(key, 0)) < 2**63 for each in numbers for key in ("minimum", "maximum"))
