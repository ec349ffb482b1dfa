"""Laws of Bearer: who is let in, on whose word, and for how long."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ftjob.errors import StorageError
from ftjob.web import bearer
from ftjob.web.bearer import COOKIE, MISSING, Access, Bearer
from ftjob.web.server import ServerOptions
from tests.web.app import guarded
from tests.web.conftest import Address, answer_to, served

WORD = {"good": Access(200), "poor": Access(403, "eve may not"), "bad": Access(401, "nobody's")}
asked: Counter[str] = Counter()


def review(token: str) -> Access:
    """Answer as an API server does, or not at all."""
    asked[token] += 1
    if token == "away":
        raise StorageError("the cluster does not answer")
    return WORD.get(token, WORD["bad"])


@pytest.fixture(scope="module")
def pages() -> Iterator[Address]:
    """The address of an app behind Bearer."""
    with served(Bearer(guarded(), review), ServerOptions()) as address:
        yield address


@contextmanager
def counted(token: str, times: int) -> Iterator[None]:
    """Check how often a token is asked about."""
    before = asked[token]
    yield
    assert asked[token] - before == times


def get(address: Address, *headers: str, path: str = "/") -> tuple[int, dict[str, str], str]:
    """Return status, headers and text of an answer."""
    request = "\r\n".join([f"GET {path} HTTP/1.1", "Host: here", *headers, "", ""])
    status, found, body = answer_to(address, request.encode("latin-1"))
    return status, found, body.decode()


@pytest.mark.parametrize(
    ("header", "status", "sentence"),
    [
        ("Accept: */*", 401, MISSING),
        ("Authorization: Basic good", 401, MISSING),
        ("Authorization: Bearer bad", 401, "nobody's"),
        ("Authorization: Bearer poor", 403, "eve may not"),
        ("Authorization: Bearer away", 503, "the cluster does not answer"),
        ("Authorization: bearer good", 200, "0"),
        (f"Cookie: {COOKIE}=good", 200, "0"),
        (f"Cookie: {COOKIE}=bad", 401, "nobody's"),
    ],
)
def test_only_a_token_with_the_right_is_let_in(
    pages: Address, header: str, status: int, sentence: str
) -> None:
    """Each other is one sentence; 401 names the scheme."""
    found, headers, text = get(pages, header)
    assert (found, text) == (status, sentence + "\n")
    assert ("www-authenticate" in headers) == (status == 401)


def test_an_answer_is_kept_for_a_while(pages: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """And asked again afterwards; that nobody answered is not kept."""
    monkeypatch.setitem(WORD, "kept", Access(200))
    with counted("kept", 1):
        assert {get(pages, "Authorization: Bearer kept")[0] for _ in range(5)} == {200}
    monkeypatch.setattr(bearer, "ALLOWED_SECONDS", 0.0)
    monkeypatch.setitem(WORD, "brief", Access(200))
    with counted("brief", 2):
        get(pages, "Authorization: Bearer brief")
        monkeypatch.setitem(WORD, "brief", Access(403, "no more"))
        assert get(pages, "Authorization: Bearer brief")[0] == 403
    with counted("away", 2):
        get(pages, "Authorization: Bearer away")
        get(pages, "Authorization: Bearer away")


def test_few_answers_are_kept(pages: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes tokens up fills no memory; the newest are kept."""
    monkeypatch.setattr(bearer, "MOST_KNOWN", 3)
    for number in range(10):
        get(pages, f"Authorization: Bearer made-up-{number}")
    with counted("made-up-9", 0):
        get(pages, "Authorization: Bearer made-up-9")
    with counted("made-up-0", 1):
        get(pages, "Authorization: Bearer made-up-0")


@pytest.mark.parametrize("token", ["\xe9", "x" * 20_000, "a\x01b"])
def test_what_is_no_token_is_not_asked_about(pages: Address, token: str) -> None:
    """It is refused here."""
    with counted(token, 0):
        assert get(pages, f"Authorization: Bearer {token}")[0] in (400, 401)


def test_a_browser_gets_a_form_and_then_a_cookie(pages: Address) -> None:
    """The token is in no address; no script reads the cookie, and no other site's page sends it."""
    status, _, page = get(pages, "Accept: text/html")
    assert status == 401
    assert '<form method="post" action="/login">' in page

    def log_in(token: str) -> tuple[int, dict[str, str], bytes]:
        body = f"token={token}".encode()
        head = f"POST /login HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return answer_to(pages, head + body)

    status, headers, _ = log_in("good")
    assert (status, headers["location"]) == (303, "/")
    assert headers["set-cookie"] == f"{COOKIE}=good; HttpOnly; Path=/; SameSite=strict"
    status, headers, _ = log_in("poor")
    assert (status, "set-cookie" in headers) == (403, False)


def test_probes_need_no_token(pages: Address) -> None:
    """And learn nothing."""
    assert get(pages, path="/healthz")[::2] == (200, "ok\n")
