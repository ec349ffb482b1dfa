"""The CustomResourceDefinition of FineTuneJob, made from the JSON Schemas of the job spec and of its status.

Every object that an API server takes by it is of bounded size and depth: each text and each list has a
largest length, and nothing may be of any kind. A structural schema has no unions, but each of its keywords
speaks of values of one type and lets those of others pass. So a field that may be a text, a list or an object
has no type, and says of each how it must be then; a type that it may not have must be empty, and jobspec
refuses it. Such a field has to be marked as one that keeps unknown fields: it has none that are unknown.
"""

from collections.abc import Mapping
from typing import Any

from ftjob.cluster.resource.names import GROUP, KIND, PLURAL, SHORT, SINGULAR, VERSION
from ftjob.cluster.resource.status import FineTuneStatus
from jobspec import JobSpec, json_schema

NAME_LENGTH = 40
LONGEST_TEXT, MOST_ITEMS = 2048, 1000
"""Of what jobspec has no limit for: a URI, a list of layers."""
MOST_FIELDS = 64
"""Of a section that takes fields of any name."""
LONGEST_VALUE, DEEPEST_VALUE = 4096, 3
"""Of what such a field may hold: a value of any field of the spec, in a list."""
MOST_INTEGER = 2.0**63
KEPT = (
    *("description", "type", "format", "enum", "pattern", "minimum", "maximum"),
    *("minLength", "maxLength", "minItems", "maxItems"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
)
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
            "status": status_schema(),
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


def status_schema() -> dict[str, Any]:
    """Return the schema of `status`, which the controller alone writes."""
    whole = FineTuneStatus.model_json_schema()
    return structural(whole, whole["$defs"])


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
    if schema.get("additionalProperties"):  # it may not have `properties` besides
        others = {"maxProperties": MOST_FIELDS, "additionalProperties": _value(DEEPEST_VALUE)}
        return {"description": schema["description"], "type": "object", **others}
    made = {key: schema[key] for key in KEPT if key in schema and not _is_beyond_integers(schema[key])}
    made |= _limits(schema) | _sizes(schema)
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


def _is_beyond_integers(value: Any) -> bool:
    """Whether a limit is more than an API server can compare a whole number with: it takes both for an int64
    (go-openapi/validate, MaximumNativeType), in which 3.4e38 is negative."""
    return isinstance(value, float) and abs(value) > MOST_INTEGER


def _limits(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return exclusive limits as OpenAPI 3.0 has them: a flag beside the limit."""
    made: dict[str, Any] = {}
    for exclusive, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in schema:
            made |= {plain: schema[exclusive], exclusive: True}
    return made


def _sizes(schema: Mapping[str, Any]) -> dict[str, int]:
    """Return how long a text or list may be at most, where that follows from nothing else."""
    if schema.get("type") == "string" and not {"maxLength", "enum", "const"} & schema.keys():
        return {"maxLength": LONGEST_TEXT}
    if schema.get("type") == "array" and "maxItems" not in schema:
        return {"maxItems": MOST_ITEMS}
    return {}


def _union(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a union as far as a structural schema can say it; the rest is for jobspec to refuse."""
    described = {"description": schema["description"]} if "description" in schema else {}
    branches = [structural(branch, definitions) for branch in schema["anyOf"] if branch.get("type") != "null"]
    types = {branch.get("type") for branch in branches}
    if len(branches) == 1:
        return {**branches[0], **described}
    if types == {"string"}:
        longest = max(branch["maxLength"] for branch in branches)
        return {"type": "string", "minLength": 1, "maxLength": longest, **described}
    if types == {"integer", "string"}:
        return {**_int_or_string(branches), **described}
    return {**_untyped(branches), **described}


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
        "maxLength": _longest([text]),
    }


def _untyped(branches: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what holds of a value of any of these schemas, by its type."""
    of = {kind: [each for each in branches if each["type"] == kind] for kind in ("string", "array", "object")}
    items = [each["items"] for each in of["array"]]
    fields = [field for each in of["object"] for field in each["properties"].values()]
    return {
        "x-kubernetes-preserve-unknown-fields": True,
        "maxLength": _longest(of["string"]),
        "maxItems": max((each["maxItems"] for each in of["array"]), default=0),
        **({"items": _any_of(items)} if items else {}),
        "maxProperties": 1 if fields else 0,
        **({"additionalProperties": _any_of(fields)} if fields else {}),
    }


def _value(depth: int) -> dict[str, Any]:
    """Return what holds of any value with at most so many levels of lists and objects."""
    inner = {"items": _value(depth - 1), "additionalProperties": _value(depth - 1)} if depth else {}
    most = (
        {"maxItems": MOST_ITEMS, "maxProperties": MOST_FIELDS}
        if depth
        else {"maxItems": 0, "maxProperties": 0}
    )
    return {"x-kubernetes-preserve-unknown-fields": True, "maxLength": LONGEST_VALUE, **most, **inner}


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else _untyped(schemas)


def _longest(texts: list[dict[str, Any]]) -> int:
    """Return the length of the longest text that one of the schemas takes, choices included."""
    lengths = [each["maxLength"] for each in texts if "maxLength" in each]
    choices = [len(choice) for each in texts for choice in each.get("enum", ())]
    longest: int = max([0, *lengths, *choices])
    return longest
