"""The CustomResourceDefinition of FineTuneJob, made from the job spec's own JSON Schema."""

from collections.abc import Mapping
from typing import Any

from ftjob.cluster.names import GROUP, KIND, PLURAL, SHORT, SINGULAR, VERSION
from ftjob.cluster.statusschema import STATUS_SCHEMA
from jobspec import JobSpec, json_schema

NAME_LENGTH = 40
KEPT = ("description", "type", "enum", "pattern", "minimum", "maximum", "minLength", "minItems")
"""What a structural schema says as JSON Schema does. Defaults are not among them: the spec fills its own in,
and some of them depend on other fields."""


def definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition; `make k8s` writes it into k8s/base/crd.yaml."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT],
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": printer_columns(),
                    "schema": {"openAPIV3Schema": object_schema()},
                }
            ],
        },
    }


def printer_columns() -> list[dict[str, Any]]:
    """Return what `kubectl get ftj` shows, and with `-o wide` the rest."""
    shown = [
        ("State", "string", ".status.state", 0),
        ("Iteration", "integer", ".status.iteration", 0),
        ("Accuracy", "number", ".status.accuracy", 0),
        ("Cost", "string", ".status.cost", 0),
        ("Node", "string", ".spec.resources.node", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Attempt", "integer", ".status.attempt", 1),
        ("Capacity", "string", ".status.capacity", 1),
        ("Run", "string", ".status.runId", 1),
        ("Message", "string", ".status.message", 1),
    ]
    return [
        {"name": name, "type": kind, "jsonPath": path, "priority": priority}
        for name, kind, path, priority in shown
    ]


def object_schema() -> dict[str, Any]:
    """Return the schema of a whole FineTuneJob. Its name is the run's, whose length and letters it has."""
    name = JobSpec.model_json_schema()["properties"]["name"]
    return {
        "type": "object",
        "description": "One fine-tune of a Caffe image classifier, within a stated number of dollars.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": NAME_LENGTH, "pattern": name["pattern"]}
                },
            },
            "spec": spec_schema(),
            "status": STATUS_SCHEMA,
        },
    }


def spec_schema() -> dict[str, Any]:
    """Return the schema of `spec`: the job spec, whose name may be left out, and `suspend`."""
    whole = json_schema()
    schema = structural(whole, whole["$defs"])
    schema["required"] = [field for field in schema["required"] if field != "name"]
    schema["properties"]["name"]["description"] = "The run's name: that of this object; may be left out."
    schema["properties"]["suspend"] = {
        "type": "boolean",
        "description": "Whether the run is held: a running attempt makes a snapshot and ends, none is begun.",
    }
    return schema


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema as a structural one: no $ref, no null, no closed objects, few unions.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
    """
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        described = {"description": schema["description"]} if "description" in schema else {}
        return {**structural(target, definitions), **described}
    if "anyOf" in schema:
        return _union(schema, definitions)
    made = {key: schema[key] for key in KEPT if key in schema}
    made |= _limits(schema)
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if "items" in schema:
        made["items"] = structural(schema["items"], definitions)
    if "properties" in schema:
        made["properties"] = {
            name: structural(field, definitions) for name, field in schema["properties"].items()
        }
        if "required" in schema:
            made["required"] = list(schema["required"])
    return made


def _limits(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return exclusive limits as OpenAPI 3.0 has them: a flag beside the limit."""
    made: dict[str, Any] = {}
    for exclusive, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in schema:
            made |= {plain: schema[exclusive], exclusive: True}
    if "maxLength" in schema:
        made["maxLength"] = schema["maxLength"]
    return made


def _union(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a union as far as a structural schema can say it; the rest is for jobspec to refuse."""
    described = {"description": schema["description"]} if "description" in schema else {}
    branches = [structural(branch, definitions) for branch in schema["anyOf"] if branch.get("type") != "null"]
    types = {branch.get("type") for branch in branches}
    if len(branches) == 1:
        return {**branches[0], **described}
    if types == {"string"}:
        return {"type": "string", "minLength": 1, **described}
    if types == {"integer", "string"}:
        return {**_int_or_string(branches), **described}
    return {"x-kubernetes-preserve-unknown-fields": True, **described}


def _int_or_string(branches: list[dict[str, Any]]) -> dict[str, Any]:
    [number] = [branch for branch in branches if branch["type"] == "integer"]
    [text] = [branch for branch in branches if branch["type"] == "string"]
    pattern = text.get("pattern") or f"^({'|'.join(text['enum'])})$"
    return {
        "x-kubernetes-int-or-string": True,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "minimum": number["minimum"],
        "maximum": number["maximum"],
        "pattern": pattern,
    }
