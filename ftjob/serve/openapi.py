"""The OpenAPI document of a server."""

from typing import Any

from ftjob.serve.tensors import IMAGE, LABELS, PROBABILITIES, VALUES, InferenceRequest

VERSION = "3.1.0"
SCHEMAS = "#/components/schemas/{model}"
SENTENCE = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
REFUSALS = {
    "400": "What is wrong with the request or the picture, in one sentence.",
    "413": "The request has more bytes than the server takes.",
    "503": "The server is busy: Retry-After has the seconds after which to try again.",
}


def document(name: str, version: str, image: tuple[int, int, int], classes: int) -> dict[str, Any]:
    """Return the document for a model that takes images (C, H, W)."""
    shape = ", ".join(map(str, image))
    infer = (
        f"Classify with KServe's v2 protocol. Inputs: {IMAGE} (BYTES [N], image files; in JSON as base64) or "
        f"{VALUES} (FP32 [N, {shape}], prepared). Outputs: {PROBABILITIES} (FP32 [N, {classes}]), {LABELS} "
        "(BYTES [N]). Binary tensors follow the JSON, whose length is in Inference-Header-Content-Length."
    )
    schema = InferenceRequest.model_json_schema(ref_template=SCHEMAS)
    components = schema.pop("$defs")
    model = f"/v2/models/{name}"
    wanted = {"application/json": {"schema": {"$ref": SCHEMAS.format(model="InferenceRequest")}}}
    pictures = {"image/*": {}, "multipart/form-data": {"schema": _form()}}
    return {
        "openapi": VERSION,
        "info": {"title": name, "version": version, "description": "Classifies pictures."},
        "paths": {
            "/classify": {"post": _classify(pictures)},
            "/v2": {"get": _read("What the server is, and its extensions of the protocol.")},
            "/v2/health/live": {"get": _read("Whether it is alive.")},
            "/v2/health/ready": {"get": _read("Whether it takes requests.", {"503": "It does not."})},
            model: {"get": _read("The model's inputs and outputs.")},
            f"{model}/ready": {"get": _read("Whether it takes requests.", {"503": "It does not."})},
            f"{model}/infer": {
                "post": {
                    "summary": infer,
                    "requestBody": {"required": True, "content": wanted},
                    "responses": _responses("The outputs.", REFUSALS),
                }
            },
            "/metrics": {"get": _read("Metrics in Prometheus' text format.")},
        },
        "components": {"schemas": {**components, "InferenceRequest": schema, "Problem": SENTENCE}},
    }


def _classify(content: dict[str, Any]) -> dict[str, Any]:
    top = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5}
    return {
        "summary": "Classify an image file, or those of a form: the most probable classes, as "
        "`ftjob classify -o json` has them.",
        "parameters": [{"name": "top", "in": "query", "schema": top}],
        "requestBody": {"required": True, "content": content},
        "responses": _responses("The answers.", REFUSALS),
    }


def _form() -> dict[str, Any]:
    files = {"type": "array", "items": {"type": "string", "contentMediaType": "application/octet-stream"}}
    return {"type": "object", "properties": {"image": files}}


def _read(summary: str, others: dict[str, str] | None = None) -> dict[str, Any]:
    return {"summary": summary, "responses": _responses("The answer.", others or {})}


def _responses(success: str, others: dict[str, str]) -> dict[str, Any]:
    problem = {"application/json": {"schema": {"$ref": SCHEMAS.format(model="Problem")}}}
    refused = {status: {"description": text, "content": problem} for status, text in others.items()}
    return {"200": {"description": success}, **refused}
