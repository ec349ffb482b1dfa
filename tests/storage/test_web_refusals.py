"""What a web server may not do: send another file, one without end, or next to nothing for ever."""

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ftjob import api
from ftjob.errors import BadNetError, BadSpecError, StorageError
from ftjob.storage import MissingError, eviction
from ftjob.storage.cache import fetch_file
from ftjob.storage.inputs import fetch_input
from ftjob.storage.web import partial
from ftjob.storage.web.cached import pin
from tests.storage.webserver import (
    DATA,
    OTHER,
    PATH,
    SHA1,
    SHA256,
    Request,
    Site,
    file,
    location,
    not_found,
    redirect,
    status,
)

pytestmark = pytest.mark.slow  # retries wait between each other

PAGE = (Path(__file__).parents[2] / "docs" / "weights.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?:404.*|another.*|401.*|503.*) \| (.*) \| [^|]+\|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("resumed", [False, True])
def test_another_digest_is_refused(
    site: Site, cache: Path, parts: Callable[[], list[Path]], resumed: bool
) -> None:
    """With the one that was found; nothing stays in the cache, and a spec's field names the mistake."""
    site.answers[PATH] = file(OTHER)
    if resumed:
        site.script[PATH] = [file(OTHER, cut=300_000)]
    found = hashlib.sha256(OTHER).hexdigest()

    with pytest.raises(BadNetError, match=r"^base.weights: http.*net.caffemodel: has another file") as caught:
        fetch_input(location(site), "base.weights", BadNetError)

    assert f"its SHA-256 is {found} where {SHA256} is pinned" in str(caught.value)
    assert not list((cache / "objects").glob("trees/*/*"))
    assert parts() == []
    assert len(site.asked) == (3 if resumed else 1)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (404, MissingError, r"is not there \(the server answers 404\): correct the address"),
        (410, MissingError, r"is not there \(the server answers 410\)"),
        (401, StorageError, r"access denied \(the server answers 401\)"),
        (403, StorageError, r"access denied \(the server answers 403\), and ftjob has no credentials"),
        (418, StorageError, "the server answers 418: correct the address"),
        (204, StorageError, "the server answers 204"),
        (500, StorageError, r"the server answers 500, also after 1.5 s of trying again: check the address"),
        (429, StorageError, "the server answers 429, also after 1.5 s"),
    ],
)
def test_a_status_is_a_sentence(site: Site, code: int, error: type[StorageError], words: str) -> None:
    """What may go away is tried again."""
    site.answers[PATH] = status(code)

    with pytest.raises(error, match=rf"^{site.address}{PATH}: {words}"):
        fetch_file(location(site))

    assert (len(site.asked) > 1) == (code in (500, 429))


@pytest.mark.parametrize("sentence", ROWS)
def test_every_sentence_on_the_page_is_printed(site: Site, sentence: str) -> None:
    """docs/weights.md, word for word, for the status that it has."""
    named = re.findall(r"answers ([0-9]{3})", sentence)
    site.answers[PATH] = status(int(named[0])) if named else file(OTHER)
    words = re.escape(sentence.replace("120 s", "1.5 s")).replace("…", "[0-9a-f]{40}")

    with pytest.raises(StorageError, match=rf"^{site.address}{PATH}: {words}$"):
        fetch_file(location(site, pinned=f"sha1={SHA1}"))
    assert len(ROWS) == 4


def test_nothing_there_to_answer(site: Site) -> None:
    """The sentence names the address and what to check."""
    with pytest.raises(StorageError, match=r"^http://127.0.0.1:9/a.bin: the connection failed .*: check the"):
        fetch_file(f"http://127.0.0.1:9/a.bin#sha1={SHA1}")


def test_a_server_that_trickles_counts_as_away(site: Site) -> None:
    """So few bytes in the time are none, in one answer or in many."""

    def trickle(request: Request) -> None:
        request.start(200, ETag='"1"', Content_Length=str(len(DATA)))
        for byte in DATA:
            request.wfile.write(bytes([byte]))
            time.sleep(0.02)

    site.answers[PATH] = trickle
    begin = time.monotonic()

    with pytest.raises(StorageError, match=r"the server sent [\d,]+ bytes in 1.5 s, also after 1.5 s"):
        fetch_file(location(site))

    assert time.monotonic() - begin < 20
    assert site.hung_up.wait(20)


@pytest.mark.parametrize("length", [True, False])
def test_a_body_has_an_end(
    site: Site, monkeypatch: pytest.MonkeyPatch, parts: Callable[[], list[Path]], length: bool
) -> None:
    """At the size that any of these files may have: before its first byte, or as it comes."""
    monkeypatch.setattr(partial, "LARGEST", 1_000_000)

    def endless(request: Request) -> None:
        request.start(200, **({"Content_Length": str(10**15)} if length else {}))
        while True:
            request.wfile.write(DATA)

    site.answers[PATH] = endless

    with pytest.raises(MissingError, match=r"has [\d,]+ bytes or more, and at most 1,000,000 are read"):
        fetch_file(location(site))

    assert site.hung_up.wait(20)
    assert sum(path.stat().st_size for path in parts()) < 2 * partial.PIECE + 1_000_000


@pytest.mark.parametrize("length", [True, False])
def test_a_field_bounds_its_file(site: Site, length: bool) -> None:
    """Before it is fetched where the server names its size, and when it is here already."""
    site.answers[PATH] = file(DATA, length=length)

    for _ in range(2):
        with pytest.raises(BadNetError, match=r"^base.net: .*: has [\d,]+ bytes, and at most 500,000 are"):
            fetch_input(location(site), "base.net", BadNetError, largest=500_000)
        fetch_file(location(site))


def test_redirects_are_followed_and_bounded(site: Site) -> None:
    """Across servers and paths; messages name the address that the spec has, never one with a signature."""
    site.answers["/a/one.bin"] = redirect("two.bin?X-Amz-Signature=hush", 301)
    site.answers["/a/two.bin?X-Amz-Signature=hush"] = redirect(f"{site.address}{PATH}", 307)
    assert fetch_file(location(site, "/a/one.bin")).name == "one.bin"

    site.answers["/round.bin"] = redirect("/round.bin?token=hush")
    site.answers["/round.bin?token=hush"] = redirect("/round.bin")
    for path, words in {
        "/round.bin": "redirects more than 5 times",
        "/away.bin": "redirects to what is no web address",
    }.items():
        site.answers["/away.bin"] = redirect("file:///etc/passwd?token=hush")
        with pytest.raises(StorageError, match=f"^{site.address}{path}: {words}") as caught:
            fetch_file(location(site, path))
        assert "hush" not in str(caught.value)
    site.answers["/gone.bin"] = redirect("/signed.bin?sig=hush")
    with pytest.raises(MissingError, match=f"^{site.address}/gone.bin: is not there") as caught_missing:
        fetch_file(location(site, "/gone.bin"))
    assert "hush" not in str(caught_missing.value)


def test_a_redirect_with_an_endless_body_is_left(site: Site) -> None:
    """Its body is not read."""

    def endless(request: Request) -> None:
        request.start(302, Location=PATH)
        while True:
            request.wfile.write(DATA)

    site.answers["/first.bin"] = endless

    assert fetch_file(location(site, "/first.bin")).read_bytes() == DATA
    assert site.hung_up.wait(20)


def test_a_compressed_answer_is_not_taken_for_the_file(site: Site) -> None:
    """None is asked for."""
    site.answers[PATH] = lambda request: request.start(200, Content_Encoding="gzip", Content_Length="0")

    with pytest.raises(StorageError, match="sends it compressed only"):
        fetch_file(location(site))
    assert site.asked[0][1]["Accept-Encoding"] == "identity"


def test_a_disk_that_is_full_is_a_sentence(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the download."""
    monkeypatch.setattr(eviction.shutil, "disk_usage", lambda _: _Full())

    with pytest.raises(StorageError, match=r"net.caffemodel: needs 0.00 GB and the disk"):
        fetch_file(location(site))


class _Full:
    total, free = 10**9, 1000


@pytest.mark.parametrize(
    "address",
    ["http://me:hush@h.example/a.bin", "https://h.example/a?token=hush", "ftp://h.example/a", "a.bin"],
)
def test_what_is_no_address_is_not_pinned(address: str) -> None:
    """And no credential is repeated."""
    with pytest.raises(BadSpecError, match=r"^pin: (contains credentials|.* is not the address)") as caught:
        api.pin(address)
    assert "hush" not in str(caught.value)


def test_a_missing_file_is_not_pinned(site: Site) -> None:
    """Nor is anything kept."""
    site.answers[PATH] = not_found

    with pytest.raises(MissingError, match="is not there"):
        pin(f"{site.address}{PATH}")
