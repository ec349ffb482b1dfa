"""What a server refuses, each time in one sentence with a status below 500, and what it shows."""

import io
import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftjob.serve.batching import BatchLimits
from ftjob.serve.service import ServiceOptions
from tests.serve.conftest import NAME, Address, ask, served

pytestmark = pytest.mark.torch  # the demo's digits
BOUNDARY = "frontier"


def png(width: int, height: int) -> bytes:
    """Return the file of a white picture."""
    file = io.BytesIO()
    Image.new("L", (width, height), 255).save(file, "png")
    return file.getvalue()


def bomb() -> bytes:
    """Return 100 kB that claim to be 8,000 by 8,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 8_000, 8_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(64 * 10**6), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def form(*files: tuple[str, bytes]) -> bytes:
    """Return the body of a form with files."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the request is empty: send an image file"),
        (b"<svg onload=alert(1)>", "image: no image of a known kind"),
        (png(32, 32)[:-30], "image: damaged or cut short"),
        (bomb(), "image: 8000x8000 is more than 1000000 pixels"),
        (png(1, 100_000), "image: 1x100000 has a side of more than 65535 pixels"),
        (png(2000, 1000), "image: 2000x1000 is more than 1000000 pixels"),
    ],
    ids=["empty", "svg", "cut", "bomb", "thread", "large"],
)
def test_a_picture_that_cannot_be_answered(server: Address, body: bytes, sentence: str) -> None:
    """Nothing larger than the limit is decoded."""
    status, _, answer = ask(server, "POST", "/classify", body)
    error = json.loads(answer)["error"]
    assert status == 400
    assert error.startswith(sentence)
    assert "\n" not in error


def test_a_hundred_megabytes_are_refused_at_once(server: Address) -> None:
    """By their length, before they are sent; by their number, where they have no length."""
    for path, body, headers in (
        ("/classify", b"", {"Content_Length": str(10**8)}),
        (f"/v2/models/{NAME}/infer", bytes(1_000_001), {}),
    ):
        status, _, answer = ask(server, "POST", path, body, **headers)
        assert status == 413
        assert "more than 1,000,000 bytes" in json.loads(answer)["error"]


def test_a_page_of_another_site_is_refused_as_anything_else(server: Address) -> None:
    """By the sentence that clients of the protocol show."""
    status, _, answer = ask(server, "POST", "/classify", b"", Origin="http://evil.example")

    assert status == 403
    assert "a page of another site" in json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", "/classify", 405),
        ("POST", "/classify?top=0", 400),
        ("POST", "/classify?top=many", 400),
        ("POST", f"/v2/models/{NAME}/infer", 400),
    ],
)
def test_a_wrong_request_is_one_sentence(server: Address, method: str, path: str, status: int) -> None:
    """Unknown paths, wrong methods, numbers that are none, no JSON."""
    found, headers, answer = ask(server, method, path)
    assert (found, headers["content-type"]) == (status, "application/json")
    assert json.loads(answer)["error"].count("\n") == 0


def test_more_pictures_than_it_takes(server: Address) -> None:
    """A request that could never be answered is 400, not 503."""
    body = form(*[(f"{number}.png", b"x") for number in range(41)])
    status, _, answer = ask(
        server, "POST", "/classify", body, Content_Type=f"multipart/form-data; boundary={BOUNDARY}"
    )
    assert status == 400
    assert "\n" not in json.loads(answer)["error"]


def test_a_busy_server_has_callers_wait(made: Path) -> None:
    """503 with Retry-After where it is full; the others are answered."""
    options = ServiceOptions()
    options = replace(options, limits=replace(options.limits, images=1), batches=BatchLimits(2, 0.5))
    picture = (made / "golden" / "00.png").read_bytes()
    with served(made, options) as address, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: ask(address, "POST", "/classify", picture), range(6)))
        assert {status for status, _, _ in answers} == {200, 503}
        refused = next(answer for answer in answers if answer[0] == 503)
        assert refused[1]["retry-after"] == "1"
        assert "busy" in json.loads(refused[2])["error"]
        assert ask(address, "POST", "/classify", picture)[0] == 200
        text = ask(address, "GET", "/metrics")[2].decode()
        assert 'ftjob_serve_requests_total{path="/classify",status="503"}' in text
        assert "ftjob_serve_images_under_way 0.0" in text


def test_the_page_answers_without_a_script(server: Address, made: Path) -> None:
    """A form of pictures is answered by a page; names are text in it, and so is what is wrong."""
    page = ask(server, "GET", "/")[2].decode()
    assert 'action="/classify" method="post" enctype="multipart/form-data"' in page
    hostile = "<b>\u202e.png"
    kinds = {"Content_Type": f"multipart/form-data; boundary={BOUNDARY}", "Accept": "text/html"}
    golden = (made / "golden" / "00.png").read_bytes()
    status, _, answer = ask(server, "POST", "/classify", form((hostile, golden), ("b.png", golden)), **kinds)
    text = answer.decode()
    assert status == 200
    assert text.count("data:image/png;base64,") == 2
    assert "&lt;b&gt;\\u202e.png" in text
    status, _, answer = ask(server, "POST", "/classify", form((hostile, b"junk")), **kinds)
    assert status == 400
    assert "&lt;b&gt;\\u202e.png: no image of a known kind" in answer.decode()
    assert ask(server, "POST", "/classify", form(("", b"")), **kinds)[0] == 400
    assert ask(server, "POST", "/classify", golden, Origin="http://evil.example")[0] == 403


def test_every_path_of_the_document_is_there(server: Address) -> None:
    """The document, its page and the files that pages load; nothing is loaded from elsewhere."""
    document = json.loads(ask(server, "GET", "/openapi.json")[2])
    page = ask(server, "GET", "/docs")[2].decode()
    for path, operations in document["paths"].items():
        for method in operations:
            status = ask(server, method.upper(), path)[0]
            assert status == (400 if method == "post" else 200)
            assert f"{method.upper()} {path}" in page
    for name in ("serve.css", "serve.js"):
        assert ask(server, "GET", f"/static/{name}")[0] == 200
    assert "://" not in page + ask(server, "GET", "/")[2].decode()


def test_the_scores_of_a_picture_do_not_depend_on_its_batch(server: Address, made: Path) -> None:
    """Many callers at once each get the answer that they get alone."""
    pictures = [path.read_bytes() for path in sorted((made / "golden").glob("*.png"))]
    alone = [json.loads(ask(server, "POST", "/classify", each)[2]) for each in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda each: json.loads(ask(server, "POST", "/classify", each)[2]), pictures)
        )
    for one_by_one, batched in zip(alone, together, strict=True):
        first, second = (
            {each["class"]: each["probability"] for each in found["answers"][0]["classes"]}
            for found in (one_by_one, batched)
        )
        assert np.allclose([first[name] for name in first], [second[name] for name in first], atol=2e-6)
