"""Files of the web: fetched once, continued where a connection broke, never mixed, never half-written."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.storage import Transfer, eviction
from ftjob.storage.cache import fetch_file
from ftjob.storage.web.cached import pin
from jobspec.pinned import PinnedFile
from tests.storage.fetching import FORKS
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
    redirect,
    serve,
    status,
)

pytestmark = pytest.mark.slow  # retries wait between each other


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

    assert pin(f"{site.address}{PATH}").digest == SHA256
    assert site.ranges == ["", "bytes=300000-", ""]


@pytest.mark.parametrize("at", ["bytes 0-9/10", "bytes 5-9/10", "nonsense", "bytes 300000-9/10"])
def test_a_range_that_nobody_asked_for_is_not_written(site: Site, at: str) -> None:
    """The file is begun again."""
    site.script[PATH] = [
        file(DATA, cut=300_000),
        lambda request: request.start(206, Content_Range=at, Content_Length="0"),
    ]

    assert fetch_file(location(site)).read_bytes() == DATA


def test_a_damaged_file_in_the_cache_is_fetched_again(site: Site) -> None:
    """Its digest is looked at again when the file changes."""
    path = fetch_file(location(site))
    path.chmod(0o644)
    path.write_bytes(OTHER)

    assert fetch_file(location(site)).read_bytes() == DATA
    assert len(site.asked) == 2


def test_a_server_that_is_away_for_a_moment_is_waited_for(site: Site) -> None:
    """Within the deadline."""
    site.script[PATH] = [status(503), status(429), lambda request: request.connection.close()]

    assert fetch_file(location(site)).read_bytes() == DATA


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


def test_a_proxy_is_asked_where_the_environment_names_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its user, who is in no message; not for hosts that need none."""
    monkeypatch.setenv("http_proxy", site.address.replace("//", "//me:hush@"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    there = "http://no.such.host.example/net.caffemodel"
    site.answers[there] = file(DATA)

    assert fetch_file(f"{there}#sha256={SHA256}").read_bytes() == DATA
    assert site.asked[0][1]["Proxy-Authorization"].startswith("Basic ")
    assert fetch_file(location(site, pinned=f"sha1={SHA1}")).read_bytes() == DATA
    assert "Proxy-Authorization" not in site.asked[1][1]

    site.answers[there] = status(502)
    with pytest.raises(StorageError, match="the server answers 502") as caught:
        fetch_file(f"{there}#sha1={'0' * 40}")
    assert "hush" not in str(caught.value)


def test_a_server_proves_who_it_is(
    site: Site, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a certificate that this machine trusts, or that SSL_CERT_FILE names."""
    with serve(*certificate) as secure:
        secure.answers[PATH] = file(DATA)
        with pytest.raises(StorageError, match=r"certificate is not trusted: .* a file .* SSL_CERT_FILE"):
            fetch_file(location(secure))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert fetch_file(location(secure)).read_bytes() == DATA

        secure.answers["/down.bin"] = redirect(f"{site.address}{PATH}?sig=hush")
        with pytest.raises(StorageError, match=r"down.bin: redirects from https:// to http://") as caught:
            fetch_file(location(secure, "/down.bin"))
        assert "hush" not in str(caught.value)
