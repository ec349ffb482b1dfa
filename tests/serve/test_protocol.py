"""KServe's v2 protocol, spoken by a client that we did not write."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

import ftjob
from ftjob.bundle.classifier import read_for_use
from tests.serve.conftest import NAME, Address

pytestmark = pytest.mark.torch  # the demo's digits
IMAGE, VALUES = "image", "data"


@pytest.fixture(scope="module")
def client(server: Address) -> Iterator[triton.InferenceServerClient]:
    """A client of the server."""
    with triton.InferenceServerClient(f"{server[0]}:{server[1]}") as found:
        yield found


@pytest.fixture(scope="module")
def pictures(made: Path) -> list[Path]:
    """The bundle's golden images."""
    return sorted((made / "golden").glob("*.png"))


@pytest.fixture(scope="module")
def expected(made: Path, pictures: list[Path]) -> list[dict[str, float]]:
    """What `ftjob classify` answers: a probability for each class."""
    answers = ftjob.classify(str(made), map(str, pictures), top=100)
    return [{guess.name: guess.probability for guess in answer.guesses} for answer in answers]


def as_tensor(pictures: list[Path], *, binary: bool) -> triton.InferInput:
    """Return image files as an input; in JSON they are base64."""
    files = [path.read_bytes() for path in pictures]
    tensor = triton.InferInput(IMAGE, [len(files)], "BYTES")
    elements = files if binary else [base64.b64encode(each) for each in files]
    return tensor.set_data_from_numpy(np.array(elements, object), binary_data=binary)


def prepared(made: Path, pictures: list[Path], *, binary: bool) -> triton.InferInput:
    """Return prepared images as an input."""
    reader = read_for_use(made).reader
    values = np.stack([reader.read(path.read_bytes()) for path in pictures])
    return triton.InferInput(VALUES, list(values.shape), "FP32").set_data_from_numpy(
        values, binary_data=binary
    )


def test_server_and_model_describe_themselves(client: triton.InferenceServerClient) -> None:
    """Ready, alive, and with inputs and outputs that a client can ask for."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data", "classification"]
    model = client.get_model_metadata(NAME)
    assert (model["name"], model["versions"]) == (NAME, ["1"])
    assert [
        (each["name"], each["datatype"], each["shape"]) for each in model["inputs"] + model["outputs"]
    ] == [
        (IMAGE, "BYTES", [-1]),
        (VALUES, "FP32", [-1, 1, 28, 28]),
        ("probabilities", "FP32", [-1, 3]),
        ("labels", "BYTES", [-1]),
    ]


@pytest.mark.parametrize("answer_binary", [True, False])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("encoded", [True, False])
def test_answers_are_those_of_classify(
    client: triton.InferenceServerClient,
    made: Path,
    pictures: list[Path],
    expected: list[dict[str, float]],
    encoded: bool,
    binary: bool,
    answer_binary: bool,
) -> None:
    """Image files and prepared images, in JSON and in binary, asked for in JSON and in binary."""
    tensor = as_tensor(pictures, binary=binary) if encoded else prepared(made, pictures, binary=binary)
    wanted = [triton.InferRequestedOutput(name, answer_binary) for name in ("probabilities", "labels")]
    result = client.infer(NAME, [tensor], outputs=wanted, request_id="seven")
    assert result.get_response()["id"] == "seven"
    found, labels = result.as_numpy("probabilities"), result.as_numpy("labels")
    names = read_for_use(made).labels
    for row, label, answer in zip(found, labels, expected, strict=True):
        assert dict(zip(names, row.tolist(), strict=True)) == pytest.approx(answer, abs=1e-6)
        label = label.decode() if isinstance(label, bytes) else label
        assert label == max(answer, key=answer.__getitem__)


def test_the_classes_of_an_output_are_ranked(
    client: triton.InferenceServerClient, pictures: list[Path], expected: list[dict[str, float]]
) -> None:
    """Triton's classification extension: score, number and label."""
    wanted = triton.InferRequestedOutput("probabilities", class_count=2)
    found = client.infer(NAME, [as_tensor(pictures[:1], binary=True)], outputs=[wanted])
    ranked = [text.decode().split(":") for text in found.as_numpy("probabilities")[0]]
    best = sorted(expected[0], key=expected[0].__getitem__, reverse=True)[:2]
    assert [label for _, _, label in ranked] == best
    assert float(ranked[0][0]) == pytest.approx(expected[0][best[0]], abs=1e-5)


@pytest.mark.parametrize(
    ("tensor", "sentence"),
    [
        (triton.InferInput("picture", [1], "BYTES"), "inputs: there is no 'picture': give image or data"),
        (triton.InferInput(IMAGE, [1], "FP32"), "image: is BYTES, and not 'FP32'"),
        (triton.InferInput(IMAGE, [1, 2], "BYTES"), "image: takes a shape of [N] or [N, 1], and not [1, 2]"),
        (triton.InferInput(VALUES, [1, 3, 28, 28], "FP32"), "data: takes a shape of [N, 1, 28, 28]"),
        (triton.InferInput(VALUES, [0, 1, 28, 28], "FP32"), "data: takes a shape of [N, 1, 28, 28]"),
        (triton.InferInput(VALUES, [1, 1, 28, 28], "INT8"), "data: is FP32, and not 'INT8'"),
    ],
)
def test_a_wrong_input_is_one_sentence(
    client: triton.InferenceServerClient, tensor: triton.InferInput, sentence: str
) -> None:
    """Of name, type and shape; the client shows it."""
    kind = {"BYTES": np.object_, "FP32": np.float32, "INT8": np.int8}[tensor.datatype()]
    tensor.set_data_from_numpy(np.full(tensor.shape(), b"" if kind is np.object_ else 0, kind))
    with pytest.raises(InferenceServerException, match=re.escape(sentence)) as found:
        client.infer(NAME, [tensor])
    assert found.value.status() == "400"


def test_a_wrong_output_model_or_number_is_one_sentence(
    client: triton.InferenceServerClient, pictures: list[Path]
) -> None:
    """Nothing is answered in part."""
    tensor = as_tensor(pictures[:1], binary=True)
    with pytest.raises(InferenceServerException, match="outputs: there is no 'scores': the model has"):
        client.infer(NAME, [tensor], outputs=[triton.InferRequestedOutput("scores")])
    with pytest.raises(
        InferenceServerException, match="there is no /v2/models/other/infer here: the model is"
    ):
        client.infer("other", [tensor])
    with pytest.raises(InferenceServerException, match="give one of image and data"):
        client.infer(NAME, [tensor, tensor])
    endless = triton.InferInput(VALUES, [1, 1, 28, 28], "FP32")
    endless.set_data_from_numpy(np.full((1, 1, 28, 28), np.inf, np.float32))
    with pytest.raises(InferenceServerException, match="not finite"):
        client.infer(NAME, [endless])
