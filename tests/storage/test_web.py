"""Files of the web: whole and of their digest or not here, whatever the server and the network do."""

import hashlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftjob.errors import BadNetError, BadSpecError, StorageError
from ftjob.storage import MissingError, Transfer, eviction
from ftjob.storage.cache import fetch_file
from ftjob.storage.inputs import fetch_input
from ftjob.storage.web import partial
from ftjob.storage.web.cached import pin
from jobspec.pinned import PinnedFile
from tests.storage.fetching import FORKS
from tests.storage.webserver import Request, Site, file, not_found, redirect, serve, status

DATA = bytes(range(256)) * 4000
"""A megabyte."""
SHA1, SHA256 = hashlib.sha1(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()
OTHER = DATA[::-1]
PATH = "/models/net.caffemodel"
PAGE = (Path(__file__).parents[2] / "docs" / "weights.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?:404.*|another.*|401.*|503.*) \| (.*) \| [^|]+\|$", PAGE, re.MULTILINE)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is away for a second at most, and no proxy is between."""
    monkeypatch.setenv("FTJOB_STORAGE_DEADLINE", "1.5")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site(cache: Path) -> Iterator[Site]:
    """A server with a file, and an empty cache."""
    with serve() as found:
        found.answers[PATH] = file(DATA)
        yield found


@pytest.fixture
def parts(cache: Path) -> Callable[[], list[Path]]:
    """Return what of files is in the cache and not whole."""
    return lambda: list((cache / "objects").glob("parts/*/bytes"))


def location(site: Site, path: str = PATH, pinned: str = f"sha256={SHA256}") -> str:
    return f"{site.address}{path}#{pinned}"


def trees(cache: Path) -> list[Path]:
    return [path for path in (cache / "objects" / "trees").rglob("*") if path.is_file()]


@pytest.mark.parametrize("pinned", [f"sha256={SHA256}", f"sha1={SHA1}", f"sha1={SHA1.upper()}"])
def test_a_file_is_fetched_once_and_then_without_its_server(site: Site, pinned: str) -> None:
    """Under its own name, read-only, its progress shown."""
    shown: list[Transfer] = []

    path = fetch_file(location(site, pinned=pinned), shown.append)
    site.answers.clear()
    again = fetch_file(location(site, pinned=pinned), shown.append)

    assert (path.name, path.read_bytes(), path.stat().st_mode & 0o777) == ("net.caffemodel", DATA, 0o444)
    assert again == path
    assert len(site.asked) == 1
    done = [each.done for each in shown]
    assert done == sorted(done)
    assert {each.total for each in shown} == {len(DATA)}
    assert {each.key for each in shown} == {f"{site.address}{PATH}"}
    assert shown[-1].spared_seconds > 0


def test_another_address_of_the_same_file_is_the_same_tree(site: Site) -> None:
    """The digest identifies it, and so needs no request."""
    path = fetch_file(location(site))

    assert fetch_file(f"https://no.such.host.example/mirror/net.caffemodel#sha256={SHA256}") == path


@pytest.mark.parametrize("options", [{}, {"etag": None}, {"etag": 'W/"1"'}, {"length": False}])
def test_a_connection_that_is_cut_is_continued(site: Site, options: dict[str, str | bool | None]) -> None:
    """From the byte where it broke, and with If-Range where the server identifies the file; where it names no
    length, the digest shows that the end is missing."""
    site.script[PATH] = [file(DATA, cut=300_000, **options)]  # type: ignore[arg-type]
    site.answers[PATH] = file(DATA, **options)  # type: ignore[arg-type]

    assert fetch_file(location(site)).read_bytes() == DATA

    if "length" in options:
        assert site.ranges == ["", ""]
    else:
        assert site.ranges == ["", "bytes=300000-"]
        assert site.asked[1][1].get("If-Range") == (None if "etag" in options else '"1"')


def test_a_server_without_ranges_is_asked_from_the_beginning(site: Site) -> None:
    """A few times, not for ever."""
    site.script[PATH] = [file(DATA, cut=300_000, ranges=False)] * 2
    site.answers[PATH] = file(DATA, ranges=False)
    assert fetch_file(location(site)).read_bytes() == DATA

    site.answers["/short.bin"] = file(DATA, cut=900_000, ranges=False)
    with pytest.raises(StorageError, match="broke off 4 times and cannot continue"):
        fetch_file(location(site, "/short.bin"))
    assert len(site.asked) == 3 + 5


@pytest.mark.parametrize("etags", [('"1"', '"2"'), (None, None)])
def test_a_file_that_changes_between_two_ranges_is_not_mixed(
    site: Site, etags: tuple[str | None, str | None]
) -> None:
    """With an ETag the server sends all of the new one; without, the digest of the pieces shows it."""
    before, after = etags
    site.script[PATH] = [file(OTHER, before, cut=300_000)]
    site.answers[PATH] = file(DATA, after)

    assert fetch_file(location(site)).read_bytes() == DATA


def test_a_server_that_ignores_if_range_is_not_believed(site: Site) -> None:
    """Its ETag gives it away."""

    def rest(request: Request) -> None:
        del request.headers["If-Range"]
        file(DATA, '"2"')(request)

    site.script[PATH] = [file(OTHER, '"1"', cut=300_000), rest]
    site.answers[PATH] = file(DATA, '"2"')

    assert fetch_file(location(site)).read_bytes() == DATA
    assert site.ranges == ["", "bytes=300000-", ""]


@pytest.mark.parametrize("at", ["bytes 0-9/10", "bytes 5-9/10", "nonsense", "bytes 300000-9/10"])
def test_a_range_that_nobody_asked_for_is_not_written(site: Site, at: str) -> None:
    """The file is begun again."""
    site.script[PATH] = [
        file(DATA, cut=300_000),
        lambda request: request.start(206, Content_Range=at, Content_Length="0"),
    ]

    assert fetch_file(location(site)).read_bytes() == DATA


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
    assert trees(cache) == parts() == []
    assert len(site.asked) == (3 if resumed else 1)


def test_a_damaged_file_in_the_cache_is_fetched_again(site: Site) -> None:
    """Its digest is looked at again when the file changes."""
    path = fetch_file(location(site))
    path.chmod(0o644)
    path.write_bytes(OTHER)

    assert fetch_file(location(site)).read_bytes() == DATA
    assert len(site.asked) == 2


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


def test_a_server_that_is_away_for_a_moment_is_waited_for(site: Site) -> None:
    """Within the deadline."""
    site.script[PATH] = [status(503), status(429), lambda request: request.connection.close()]

    assert fetch_file(location(site)).read_bytes() == DATA


@pytest.mark.parametrize("sentence", ROWS)
def test_every_sentence_on_the_page_is_printed(site: Site, sentence: str) -> None:
    """docs/weights.md, word for word, for the status that it has."""
    named = re.findall(r"answers ([0-9]{3})", sentence)
    site.answers[PATH] = status(int(named[0])) if named else file(OTHER)
    words = re.escape(sentence.replace("120 s", "1.5 s")).replace("…", "[0-9a-f]{40}")

    with pytest.raises(StorageError, match=rf"^{site.address}{PATH}: {words}$"):
        fetch_file(location(site, pinned=f"sha1={SHA1}"))
    assert len(ROWS) == 4


def test_nothing_there_to_answer(cache: Path) -> None:
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


def _fetch(location: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    fetch_file(location)


def test_a_killed_download_leaves_nothing_half_written_and_is_continued(
    site: Site, cache: Path, parts: Callable[[], list[Path]]
) -> None:
    """By the next process, from where it was."""

    def stall(request: Request) -> None:
        request.start(200, ETag='"1"', Content_Length=str(len(DATA)))
        request.wfile.write(DATA[:500_000])
        request.wfile.flush()
        time.sleep(60)

    site.script[PATH] = [stall]
    environment = {**os.environ, "FTJOB_STORAGE_DEADLINE": "60"}
    process = FORKS.Process(target=_fetch, args=(location(site), environment))
    process.start()
    while not parts() or parts()[0].stat().st_size < 400_000:
        assert process.is_alive()
        time.sleep(0.02)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert trees(cache) == []
    [left] = parts()
    had = left.stat().st_size

    assert fetch_file(location(site)).read_bytes() == DATA
    assert site.ranges == ["", f"bytes={had}-"]
    assert parts() == []


def test_what_a_killed_download_left_makes_room_for_others(
    site: Site, cache: Path, parts: Callable[[], list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as a part of the cache, and goes first."""
    left = eviction.CachedTree(cache / "objects", "0" * 64).part
    left.mkdir(parents=True)
    (left / "bytes").write_bytes(DATA)
    fetch_file(location(site))
    assert len(parts()) == 1

    monkeypatch.setenv(eviction.LIMIT_NAME, str(2 * len(DATA) + 1000))
    site.answers["/more.bin"] = file(OTHER)
    fetch_file(location(site, "/more.bin", f"sha256={hashlib.sha256(OTHER).hexdigest()}"))

    assert parts() == []
    assert len(trees(cache)) == 2


def test_a_disk_that_is_full_is_a_sentence(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the download."""
    monkeypatch.setattr(eviction.shutil, "disk_usage", lambda _: _Full())

    with pytest.raises(StorageError, match=r"net.caffemodel: needs 0.00 GB and the disk"):
        fetch_file(location(site))


class _Full:
    total, free = 10**9, 1000


def test_a_digest_is_found_on_request_and_the_file_kept(site: Site, parts: Callable[[], list[Path]]) -> None:
    """The plan that follows fetches nothing."""
    found = pin(f"{site.address}{PATH}")

    assert found == PinnedFile(f"{site.address}{PATH}", "sha256", SHA256)
    assert pin(f"{site.address}{PATH}") == found
    asked = len(site.asked)
    assert fetch_file(str(found)).read_bytes() == DATA
    assert len(site.asked) == asked == 2
    assert parts() == []


def test_a_pin_is_not_of_pieces_of_two_files(site: Site) -> None:
    """Without a validator, a file that broke off is begun again: there is no digest to check it against."""
    site.script[PATH] = [file(OTHER, None, cut=300_000)]
    site.answers[PATH] = file(DATA, None)

    assert pin(f"{site.address}{PATH}").digest == SHA256
    assert site.ranges == ["", ""]


@pytest.mark.parametrize(
    "address",
    ["http://me:hush@h.example/a.bin", "https://h.example/a?token=hush", "ftp://h.example/a", "a.bin"],
)
def test_what_is_no_address_is_not_pinned(address: str) -> None:
    """And no credential is repeated."""
    with pytest.raises(BadSpecError, match=r"contains credentials|is not the address of a file") as caught:
        pin(address)
    assert "hush" not in str(caught.value)


def test_a_missing_file_is_not_pinned(site: Site) -> None:
    """Nor is anything kept."""
    site.answers[PATH] = not_found

    with pytest.raises(MissingError, match="is not there"):
        pin(f"{site.address}{PATH}")
