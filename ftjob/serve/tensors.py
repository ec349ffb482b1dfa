"""Requests and answers of KServe's v2 protocol for one net: JSON, and its binary tensor extension. Pure.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and, for the bytes behind
the JSON, Triton's protocol/extension_binary_data.md and extension_classification.md.
"""

import base64
import binascii
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ftjob.answers.answer import best

IMAGE = "image"
"""The input of encoded pictures."""
VALUES = "data"
"""The input of prepared ones, named as the net's."""
PROBABILITIES = "probabilities"
LABELS = "labels"
OUTPUTS = (PROBABILITIES, LABELS)


class InvalidRequestError(Exception):
    """A request that is not one of this model's; the text is a sentence."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TensorParameters(_Document):
    """What an input or output has beside the protocol's own."""

    binary_data_size: int | None = Field(default=None, ge=0)
    binary_data: bool | None = None
    classification: int = Field(default=0, ge=0)


class InputTensor(_Document):
    """An input of a request."""

    name: str
    datatype: str
    shape: list[int] = Field(max_length=8)
    data: list[Any] | None = None
    parameters: TensorParameters = TensorParameters()


class OutputTensor(_Document):
    """An output that a request wants."""

    name: str
    parameters: TensorParameters = TensorParameters()


class RequestParameters(_Document):
    """What holds for a request as a whole."""

    binary_data_output: bool = False


class InferenceRequest(_Document):
    """The JSON of a request for answers."""

    id: str = ""
    inputs: list[InputTensor] = Field(min_length=1, max_length=8)
    outputs: list[OutputTensor] = Field(default=[], max_length=8)
    parameters: RequestParameters = RequestParameters()


@dataclass(frozen=True)
class Inference:
    """What a request is about: pictures, or what was made of them already."""

    id: str
    outputs: tuple[OutputTensor, ...]
    binary: bool
    """Whether an output is binary that does not have it otherwise."""
    pictures: tuple[bytes, ...] = ()
    values: NDArray[np.float32] | None = None
    """(N, C, H, W)."""


def parse_request(body: bytes, json_bytes: int | None, image: tuple[int, int, int]) -> Inference:
    """Return a request for a net that takes `image` (C, H, W).

    `json_bytes` is the length of its JSON, None where it is all JSON. Raises InvalidRequestError.
    """
    if json_bytes is not None and json_bytes > len(body):
        raise InvalidRequestError(
            f"Inference-Header-Content-Length: {json_bytes} is more than the body's {len(body)} bytes"
        )
    try:
        request = InferenceRequest.model_validate_json(body[:json_bytes])
    except ValidationError as error:
        raise InvalidRequestError(_explained(error)) from None
    tensor = _only_input(request.inputs)
    _check_outputs(request.outputs)
    binary = _binary_of(request.inputs, body[json_bytes:] if json_bytes is not None else b"")
    wanted = tuple(request.outputs) or tuple(OutputTensor(name=name) for name in OUTPUTS)
    asked = Inference(request.id, wanted, request.parameters.binary_data_output)
    if tensor.name == IMAGE:
        return Inference(asked.id, asked.outputs, asked.binary, pictures=_pictures(tensor, binary))
    return Inference(asked.id, asked.outputs, asked.binary, values=_values(tensor, binary, image))


def render_answer(
    asked: Inference, probabilities: NDArray[np.float32], labels: Sequence[str], model: str, version: str
) -> tuple[bytes, int | None]:
    """Return the body of an answer to a request, and the length of its JSON where binary tensors follow."""
    outputs: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for wanted in asked.outputs:
        values, datatype = _output(wanted, probabilities, labels)
        output: dict[str, Any] = {
            "name": wanted.name,
            "datatype": datatype,
            "shape": list(values.shape),
        }
        binary = wanted.parameters.binary_data
        if asked.binary if binary is None else binary:
            parts.append(_packed(values))
            output["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            output["data"] = values.ravel().tolist()
        outputs.append(output)
    document = {"model_name": model, "model_version": version, "outputs": outputs}
    head = json.dumps({**document, "id": asked.id} if asked.id else document).encode()
    return b"".join([head, *parts]), len(head) if parts else None


def _only_input(inputs: Sequence[InputTensor]) -> InputTensor:
    for tensor in inputs:
        if tensor.name not in (IMAGE, VALUES):
            raise InvalidRequestError(f"inputs: there is no {tensor.name[:100]!r}: give {IMAGE} or {VALUES}")
    if len(inputs) > 1:
        raise InvalidRequestError(f"inputs: give one of {IMAGE} and {VALUES}, not several")
    return inputs[0]


def _check_outputs(outputs: Sequence[OutputTensor]) -> None:
    for output in outputs:
        if output.name not in OUTPUTS:
            raise InvalidRequestError(
                f"outputs: there is no {output.name[:100]!r}: the model has {' and '.join(OUTPUTS)}"
            )
        if output.parameters.classification and output.name != PROBABILITIES:
            raise InvalidRequestError(f"outputs: classification is of {PROBABILITIES} only")


def _binary_of(inputs: Sequence[InputTensor], rest: bytes) -> bytes | None:
    """Return the bytes of the one input; None where its data is in the JSON."""
    (tensor,) = inputs
    size = tensor.parameters.binary_data_size
    if size is None:
        if rest:
            raise InvalidRequestError("there are bytes behind the JSON, and no input has binary_data_size")
        return None
    if tensor.data is not None:
        raise InvalidRequestError(f"{tensor.name}: has both data and binary_data_size: give one")
    if size != len(rest):
        raise InvalidRequestError(
            f"{tensor.name}: binary_data_size is {size}, and {len(rest)} bytes are behind the JSON"
        )
    return rest


def _pictures(tensor: InputTensor, binary: bytes | None) -> tuple[bytes, ...]:
    _check_tensor(tensor, "BYTES", "[N] or [N, 1]", len(tensor.shape) == 1 or tensor.shape[1:] == [1])
    found = tuple(_decoded(each) for each in _flat(tensor)) if binary is None else _unpacked(binary)
    wanted = prod(tensor.shape)
    if len(found) != wanted:
        raise InvalidRequestError(f"{IMAGE}: its shape has {wanted} images, and its data {len(found)}")
    return found


def _values(tensor: InputTensor, binary: bytes | None, image: tuple[int, int, int]) -> NDArray[np.float32]:
    shape = ", ".join(map(str, image))
    _check_tensor(tensor, "FP32", f"[N, {shape}]", tensor.shape[1:] == list(image))
    try:
        values = np.frombuffer(binary, "<f4") if binary is not None else np.asarray(_flat(tensor), np.float32)
        values = values.reshape(tensor.shape)
    except (ValueError, TypeError, OverflowError):
        raise InvalidRequestError(
            f"{VALUES}: its data is not {prod(tensor.shape)} numbers, as its shape has it"
        ) from None
    if not np.isfinite(values).all():
        raise InvalidRequestError(f"{VALUES}: has numbers that are not finite")
    return values


def _check_tensor(tensor: InputTensor, datatype: str, shape: str, fits: bool) -> None:
    if tensor.datatype != datatype:
        raise InvalidRequestError(f"{tensor.name}: is {datatype}, and not {tensor.datatype[:20]!r}")
    if not fits or not tensor.shape or tensor.shape[0] < 1:
        raise InvalidRequestError(f"{tensor.name}: takes a shape of {shape}, and not {tensor.shape}")


def _flat(tensor: InputTensor) -> list[Any]:
    """Return the elements of a tensor's data, whose rows may be nested."""
    if tensor.data is None:
        raise InvalidRequestError(f"{tensor.name}: has no data")
    found = tensor.data
    for _ in range(len(tensor.shape) - 1):
        if found and all(isinstance(each, list) for each in found):
            found = [element for row in found for element in row]
    return found


def _decoded(text: object) -> bytes:
    """Return the file that base64 in JSON has."""
    try:
        return base64.b64decode(text if isinstance(text, str) else "=", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestError(
            f"{IMAGE}: in JSON, each element is an image file in base64; binary data has the files themselves"
        ) from None


def _unpacked(data: bytes) -> tuple[bytes, ...]:
    """Return the elements of a binary BYTES tensor: each has its length before it, in four bytes."""
    found, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            break
        (size,) = struct.unpack_from("<I", data, at)
        at += 4 + size
        found.append(data[at - size : at])
    if at != len(data):
        raise InvalidRequestError(f"{IMAGE}: its binary data ends within an element")
    return tuple(found)


def _packed(values: NDArray[Any]) -> bytes:
    if values.dtype != object:
        return values.astype("<f4").tobytes()
    elements = [text.encode() for text in values.ravel()]
    return b"".join(struct.pack("<I", len(each)) + each for each in elements)


def _output(
    wanted: OutputTensor, probabilities: NDArray[np.float32], labels: Sequence[str]
) -> tuple[NDArray[Any], str]:
    """Return the values of an output and their type."""
    top = min(wanted.parameters.classification, len(labels))
    if wanted.name == PROBABILITIES and not top:
        return probabilities, "FP32"
    if wanted.name == LABELS:
        names = [best(row, labels, 1)[0].name for row in probabilities]
        return np.array(names, object), "BYTES"
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    rows = [
        [f"{row[label]:f}:{label}:{labels[label]}" for label in chosen]
        for row, chosen in zip(probabilities, order.tolist(), strict=True)
    ]
    return np.array(rows, object).reshape(len(rows), top), "BYTES"


def _explained(error: ValidationError) -> str:
    """Return the first of what is wrong with a document in a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "the request is none of the v2 protocol"
    return f"{where[:200]}: {first['msg'][:200]}"


def model_metadata(name: str, version: str, image: tuple[int, int, int], classes: int) -> dict[str, Any]:
    """Return the metadata of the model, as the protocol has it."""
    return {
        "name": name,
        "versions": [version],
        "platform": "caffe",
        "inputs": [
            {"name": IMAGE, "datatype": "BYTES", "shape": [-1]},
            {"name": VALUES, "datatype": "FP32", "shape": [-1, *image]},
        ],
        "outputs": [
            {"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, classes]},
            {"name": LABELS, "datatype": "BYTES", "shape": [-1]},
        ],
    }
