"""What breaks on the way is mended or reported: dying servers, spoilt answers, full disks."""

import base64
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.storage import DamagedError, Store, Transfer, download, open_store
from ftjob.storage.checksum import algorithms
from ftjob.storage.store import ignore
from tests.storage.proxy import Fate, proxied
from tests.storage.servers import SERVERS, Bucket, Swift, fresh_bucket

MIB = 1 << 20
KILLS = 2
"""Times that a server is killed in one transfer."""


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file of five parts."""
    path = tmp_path / "weights"
    path.write_bytes(random.Random(2).randbytes(34 * MIB + 1))
    return path


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many ranges in a file, so that a fault meets some of them."""
    monkeypatch.setattr(download, "LARGEST", MIB)


def spoil_one_in_five(seed: int, kinds: list[Fate]) -> "list[Fate]":
    """Return the fates of a thousand requests."""
    chance = random.Random(seed)
    return [chance.choice(kinds) if chance.random() < 0.2 else "pass" for _ in range(1000)]


@pytest.mark.parametrize("kinds", [["refuse"], ["cut"], ["refuse", "cut"]], ids=["503", "cut", "both"])
def test_spoilt_requests_are_made_again(
    s3: Bucket, kinds: list[Fate], big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of about 100 requests 20 % are spoilt: everything arrives, create is truthful, no part is left."""
    fates = spoil_one_in_five(7, kinds)
    with proxied(s3.server.endpoint, lambda _: fates.pop()) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        store = open_store(s3.uri)
        for number in range(12):
            store.write("small", b"%d" % number)
            assert store.read("small") == b"%d" % number
            assert store.create(f"claim-{number}", b"")
            assert not store.create(f"claim-{number}", b"")
        store.upload(big, "weights")
        store.download("weights", tmp_path / "again")

    assert len(proxy.spoilt) >= 10
    assert (tmp_path / "again").read_bytes() == big.read_bytes()
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=s3.name)


def test_a_claim_whose_answer_was_lost_is_kept(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was written, and found there when it was tried again: it is still ours, and nobody else's."""
    asked: list[str] = []

    def fate(head: str) -> Fate:
        asked.append(head)
        return "lose" if len(asked) == 1 else "pass"

    with proxied(s3.server.endpoint, fate) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        store = open_store(s3.uri)
        assert store.create("claim", b"me")
        assert len(asked) > 1
        assert not store.create("claim", b"me")


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_server_that_comes_back_is_waited_for(
    own_swift: Swift, direction: str, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed twice in the midst of a transfer, and started a second later: the file arrives whole."""
    for bucket in fresh_bucket(own_swift.start(), monkeypatch):
        store = open_store(bucket.uri)
        outages = threading.Thread(target=fail_now_and_then, args=(own_swift,))

        def begin(transfer: Transfer, outages: threading.Thread = outages) -> None:
            if outages.ident is None:
                outages.start()

        uploading, downloading = (begin, ignore) if direction == "up" else (ignore, begin)
        store.upload(big, "weights", progress=uploading)
        store.download("weights", tmp_path / "again", progress=downloading)
        outages.join()

        assert (tmp_path / "again").read_bytes() == big.read_bytes()


def fail_now_and_then(server: Swift) -> None:
    """Kill a server and start it again, several times."""
    for _ in range(KILLS):
        server.kill()
        time.sleep(0.5)
        server.start()
        time.sleep(0.2)


def test_a_server_that_stays_away_is_reported_after_the_deadline(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it refuses connections or swallows them; the sentence names it and how long it was tried."""
    monkeypatch.setenv("FTJOB_STORAGE_DEADLINE", "2")
    with proxied(s3.server.endpoint, lambda _: time.sleep(60) or "pass") as (silent, _):
        for endpoint in ("http://127.0.0.1:9", silent):
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
            store = open_store(s3.uri)
            start = time.monotonic()
            with pytest.raises(
                StorageError, match=rf"^{s3.uri}/k: {endpoint} cannot be reached .* after 2 s"
            ):
                store.write("k", b"")
            assert 1 < time.monotonic() - start < 50


def test_an_interrupted_download_goes_on_where_a_range_failed(
    s3: Bucket, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten of 35 ranges are cut once: only those are asked for again."""
    open_store(s3.uri).upload(big, "weights")
    asked: list[str] = []

    def fate(head: str) -> Fate:
        asked.append(head)
        return "cut" if 5 <= len(asked) < 15 else "pass"

    with proxied(s3.server.endpoint, fate) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        open_store(s3.uri).download("weights", tmp_path / "again")

    gets = [head for head in asked if head.startswith("GET")]
    assert 36 <= len(gets) <= 35 + 10
    assert (tmp_path / "again").read_bytes() == big.read_bytes()


def test_an_object_replaced_meanwhile_is_not_mixed(
    s3: Bucket, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranges of two versions, of one size, make a file that never was: an error instead."""
    open_store(s3.uri).upload(big, "weights")
    asked: list[str] = []

    def fate(head: str) -> Fate:
        asked.append(head)
        if len(asked) == 10:
            s3.client.put_object(Bucket=s3.name, Key="weights", Body=bytes(big.stat().st_size))
        return "pass"

    with proxied(s3.server.endpoint, fate) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StorageError, match="was replaced while it was being downloaded: try again"):
            open_store(s3.uri).download("weights", tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", ["flip", "shorten"])
def test_damaged_answers_are_asked_for_again(
    server: str,
    kind: Fate,
    request: pytest.FixtureRequest,
    big: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of 35 ranges arrives with a bit flipped or without its end: the file is whole in the end."""
    bucket: Bucket = request.getfixturevalue(server)
    open_store(bucket.uri).upload(big, "weights")
    fates: list[Fate] = [kind, *["pass"] * 9]

    def fate(head: str) -> Fate:
        return fates.pop() if fates and head.startswith("GET") else "pass"

    with proxied(bucket.server.endpoint, fate) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        reports: list[Transfer] = []
        open_store(bucket.uri).download("weights", tmp_path / "again", progress=reports.append)

    assert [fate for _, fate in proxy.spoilt] == [kind]
    assert (tmp_path / "again").read_bytes() == big.read_bytes()
    assert [each.done for each in reports] == sorted(each.done for each in reports)


@pytest.mark.parametrize(
    ("kind", "message"), [("flip", "arrives damaged, .* upload it again$"), ("shorten", "ended early")]
)
def test_a_network_that_always_damages_is_named(
    s3: Bucket, kind: Fate, message: str, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing half-written stays, and what was there before does."""
    open_store(s3.uri).upload(big, "weights")
    (tmp_path / "again").write_bytes(b"before")
    monkeypatch.setenv("FTJOB_STORAGE_DEADLINE", "2")
    with proxied(s3.server.endpoint, lambda head: kind if head.startswith("GET") else "pass") as (
        endpoint,
        _,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StorageError, match=rf"^{s3.uri}/weights: .*{message}") as raised:
            open_store(s3.uri).download("weights", tmp_path / "again")

    assert isinstance(raised.value, DamagedError) == (kind == "flip")
    assert [path.name for path in tmp_path.glob("*again*")] == ["again"]
    assert (tmp_path / "again").read_bytes() == b"before"


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("size", [0, 1000, 20 * MIB], ids=["empty", "one piece", "parts"])
def test_an_upload_keeps_its_checksum(
    server: str, size: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Whichever the store, and however many parts: a CRC64NVME as S3 writes it."""
    from awscrt import checksums

    bucket: Bucket = request.getfixturevalue(server)
    (tmp_path / "weights").write_bytes(data := random.Random(4).randbytes(size))

    open_store(bucket.uri).upload(tmp_path / "weights", "weights")

    [(name, kept)] = bucket.client.head_object(Bucket=bucket.name, Key="weights")["Metadata"].items()
    assert name.lower() == "crc64nvme"
    assert kept == base64.b64encode(checksums.crc64nvme(data).to_bytes(8, "big")).decode()


@pytest.mark.parametrize("flipped", [False, True], ids=["whole", "flipped"])
@pytest.mark.parametrize("name", ["CRC64NVME", "CRC32C", "CRC32"])
def test_a_stores_own_checksum_is_held_to(
    s3: Bucket, name: str, flipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what others uploaded, Amazon's S3 shows one where it is asked to: here a proxy adds it."""
    data = random.Random(5).randbytes(3 * MIB)
    s3.client.put_object(Bucket=s3.name, Key="weights", Body=data)
    [algorithm] = [each for each in algorithms() if each.name == name]
    text = algorithm.text(algorithm.extend(memoryview(data), 0) ^ flipped)

    with showing(s3, f"x-amz-checksum-{name.lower()}: {text}", monkeypatch) as store:
        if not flipped:
            store.download("weights", tmp_path / "again")
            assert (tmp_path / "again").read_bytes() == data
        else:
            with pytest.raises(DamagedError, match=rf"/weights: arrives damaged, .*its {name} is"):
                store.download("weights", tmp_path / "again")
            assert not list(tmp_path.glob("*again*"))


@pytest.mark.parametrize(
    "header",
    ["x-amz-checksum-crc32: AAAAAA==-3", "x-amz-checksum-crc32: AAAAAA==\r\nx-amz-checksum-type: COMPOSITE"],
)
def test_a_checksum_of_checksums_is_not_held_to(
    s3: Bucket, header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of parts that only their uploader knows: length and ETag are all there is then."""
    s3.client.put_object(Bucket=s3.name, Key="weights", Body=b"some bytes")

    with showing(s3, header, monkeypatch) as store:
        store.download("weights", tmp_path / "again")

    assert (tmp_path / "again").read_bytes() == b"some bytes"


@contextmanager
def showing(s3: Bucket, header: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Open a store that shows a checksum to whom asks for it."""

    def fate(head: str) -> Fate:
        return header.encode() if "x-amz-checksum-mode: enabled" in head.lower() else "pass"

    with proxied(s3.server.endpoint, fate) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield open_store(s3.uri)
    assert len(proxy.spoilt) == 1


@pytest.mark.parametrize("size", [1000, 20 * MIB], ids=["one piece", "parts"])
def test_a_byte_flipped_on_the_servers_disk_is_found(
    own_swift: Swift, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checksum that goes with a file names it."""
    path = tmp_path / "weights"
    path.write_bytes(random.Random(3).randbytes(size))
    for bucket in fresh_bucket(own_swift.start(), monkeypatch):
        store = open_store(bucket.uri)
        store.upload(path, "weights")
        stored = max(own_swift.folder.glob("devices/**/*.data"), key=lambda each: each.stat().st_size)
        flip_a_byte(stored)

        with pytest.raises(DamagedError, match=rf"^{bucket.uri}/weights: arrives damaged, .* it again$"):
            store.download("weights", tmp_path / "again")


def flip_a_byte(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_full_disk_is_reported_and_left_as_it_was(s3: Bucket, big: Path, small_disk: Path) -> None:
    """34 MiB onto a disk of four: the sentence names the file; nothing half-written stays."""
    store = open_store(s3.uri)
    store.upload(big, "weights")

    with pytest.raises(
        StorageError, match=r"small/weights: cannot be written \(No space left on device\): free"
    ):
        store.download("weights", small_disk / "weights")
    assert list(small_disk.iterdir()) == []
    with pytest.raises(
        StorageError, match=r"small/weights: cannot be written \(No space left on device\): free"
    ):
        open_store(str(small_disk)).upload(big, "weights")
    assert list(small_disk.iterdir()) == []
