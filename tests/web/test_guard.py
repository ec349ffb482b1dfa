"""Laws of Guard, as clients see them that send whatever they like."""

from collections.abc import Iterator

import pytest

from ftjob.web.guard import HEADERS
from ftjob.web.server import ServerOptions
from tests.web.app import BODY_BYTES, guarded
from tests.web.conftest import Address, Serve, answer_to, served

TOO_LARGE = "the request has more than 1,000,000 bytes, the most that this server takes"
OWN = ("localhost", "127.0.0.1", "[::1]")


@pytest.fixture(scope="module")
def own() -> Iterator[Address]:
    """The address of a server that answers for names of its own only."""
    with served(guarded(OWN), ServerOptions()) as address:
        yield address


def request_of(*headers: str, method: str = "GET", host: str = "localhost", body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    return "\r\n".join([f"{method} / HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("[::1]:8000", 200),
        ("127.0.0.1", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:localhost", 421),
        ("", 421),
    ],
)
def test_only_own_names_are_answered(own: Address, host: str, status: int) -> None:
    """Whatever name a page lets point here (DNS rebinding) is none of them."""
    found, _, body = answer_to(own, request_of(host=host))
    assert found == status
    assert status == 200 or body.decode().count("\n") == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 200),
        (("Origin: http://localhost",), 200),
        (("Origin: https://LOCALHOST",), 200),
        (("Sec-Fetch-Site: same-origin",), 200),
        (("Sec-Fetch-Site: none",), 200),
        (("Origin: http://evil.example",), 403),
        (("Origin: http://localhost:9",), 403),
        (("Origin: null",), 403),
        (("Sec-Fetch-Site: cross-site",), 403),
        (("Sec-Fetch-Site: same-site",), 403),
    ],
)
def test_only_own_pages_change_anything(own: Address, headers: tuple[str, ...], status: int) -> None:
    """Anybody may read; a program that is no browser need not say from where it comes."""
    posted = request_of(*headers, "Content-Length: 0", method="POST")
    assert answer_to(own, posted)[0] == status
    assert answer_to(own, request_of(*headers))[0] == 200


def test_a_body_is_taken_up_to_the_limit_with_and_without_a_length(serve: Serve) -> None:
    """One byte more is refused with a sentence, however it comes, and the app sees none that is too large."""
    address = serve()
    for size, status in ((BODY_BYTES, 200), (BODY_BYTES + 1, 413)):
        body = b"x" * size
        sized = request_of(f"Content-Length: {size}", method="POST", body=body)
        pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:70_000], body[70_000:])]
        chunked = request_of(
            "Transfer-Encoding: chunked", method="POST", body=b"".join(pieces) + b"0\r\n\r\n"
        )
        for sent in (sized, chunked):
            found, _, answer = answer_to(address, sent)
            assert found == status
            assert answer.decode().strip() == (str(size) if status == 200 else TOO_LARGE)


def test_a_large_body_is_refused_before_it_is_sent(serve: Serve) -> None:
    """The answer comes after the head: nobody uploads 100 MB in vain."""
    head = request_of(f"Content-Length: {10**8}", method="POST")
    assert answer_to(serve(), head)[0] == 413


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_has_the_headers(own: Address, host: str) -> None:
    """Those of the app and those of the guard."""
    _, headers, _ = answer_to(own, request_of(host=host))
    assert HEADERS.items() <= {name: headers.get(name.lower()) for name in HEADERS}.items()
