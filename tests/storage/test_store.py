"""The laws of a store, whatever is behind it."""

import hashlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.storage import DamagedError, MissingError, Store, Transfer, open_store

CEPH = pytest.param("ceph", marks=pytest.mark.store)
ODD = [
    "a b",
    "ü/ñ 字",
    "1+1",
    "50%",
    "%41",
    "a#b?c&d=e",
    "quote'\"",
    "tilde~",
    ".hidden",
    "x/.y/z",
    "a:b@c",
    "[1]{2}",
]
"""Keys that URLs, shells or XML have other uses for."""


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of several parts, the last of which is short."""
    path = tmp_path_factory.mktemp("big") / "weights"
    path.write_bytes(random.Random(1).randbytes(27_000_001))
    return path


def test_what_was_written_is_read(store: Store) -> None:
    """At once, and the newest."""
    for text in (b"one", b"", b"three"):
        store.write("folder/key", text)
        assert store.read("folder/key") == text


def test_no_more_is_read_than_the_caller_takes(store: Store) -> None:
    """The sentence has the object, its size and the limit."""
    store.write("status.json", b"x" * 1000)

    assert store.read("status.json", largest=1000) == b"x" * 1000
    with pytest.raises(StorageError, match=r"status\.json: has 1,000 bytes, and at most 999 are read"):
        store.read("status.json", largest=999)


def test_what_is_not_there_is_missing(store: Store, tmp_path: Path) -> None:
    """Reading says so, naming it; stat says None; no file is begun."""
    for read in (store.read, lambda key: store.download(key, tmp_path / "file")):
        with pytest.raises(MissingError, match=r"runs/nothing: is not there|store/nothing: is not there"):
            read("nothing")
    assert store.stat("nothing") is None
    assert not list(tmp_path.glob("*file*"))


def test_stat_knows_size_and_change(store: Store) -> None:
    """The ETag changes with the bytes, and two looks at the same object are equal."""
    store.write("key", b"12345")
    first = store.stat("key")
    store.write("key", b"123456")
    second = store.stat("key")

    assert first is not None
    assert second is not None
    assert (first.size, second.size) == (5, 6)
    assert first.etag != second.etag
    assert second == store.stat("key") == store.list()[0]


def test_a_list_is_sorted_and_of_a_folder(store: Store) -> None:
    """Every key below, at any depth, none of a neighbour whose name begins alike."""
    keys = ["b", "a/2", "a/10", "a/1/x", "ab/1", "a-b", "Z"]
    for key in keys:
        store.write(key, b"x")

    assert [each.key for each in store.list()] == sorted(keys)
    assert [each.key for each in store.list("a")] == ["a/1/x", "a/10", "a/2"]
    assert [each.key for each in store.child("a").list()] == ["1/x", "10", "2"]
    assert store.list("nothing") == []


def test_folders_are_those_directly_below(store: Store) -> None:
    """Whatever is in them; a file is none."""
    for key in ("file", "b/2", "a/1/x", "a/2", "a-b/x"):
        store.write(key, b"x")

    assert store.folders() == ("a", "a-b", "b")
    assert store.child("a").folders() == ("1",)
    assert store.child("nothing").folders() == ()


@pytest.mark.parametrize("store", [CEPH], indirect=True)
def test_a_list_of_more_than_a_page_is_whole(store: Store) -> None:
    """S3 gives a thousand keys at a time."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: store.write(f"{number:04}", b""), range(1100)))

    assert [each.key for each in store.list()] == [f"{number:04}" for number in range(1100)]


@pytest.mark.parametrize("key", ODD)
def test_odd_keys_are_kept_as_they_are(store: Store, key: str) -> None:
    """Written, read, listed, downloaded, deleted under their own name."""
    store.write(key, key.encode())

    assert store.read(key) == key.encode()
    assert [each.key for each in store.list()] == [key]
    store.delete([key])
    assert store.list() == []


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/./b", "a\nb"])
def test_keys_that_are_no_plain_path_are_refused(store: Store, key: str) -> None:
    """Some store would take them for another key."""
    for use in (store.read, store.stat, lambda key: store.write(key, b""), lambda key: store.delete([key])):
        with pytest.raises(StorageError, match="has an empty, dotted or unprintable part: rename it"):
            use(key)


def test_deleting_passes_over_what_is_not_there(store: Store) -> None:
    """And leaves the others."""
    for key in ("a", "b", "c"):
        store.write(key, b"x")
    store.delete(["a", "nothing", "c"])
    store.delete([])

    assert [each.key for each in store.list()] == ["b"]


def test_create_writes_only_where_nothing_is(store: Store) -> None:
    """The first stays."""
    assert store.create("claim", b"first")
    assert not store.create("claim", b"second")
    assert store.read("claim") == b"first"


@pytest.mark.parametrize("store", ["directory", CEPH], indirect=True)
def test_one_of_sixteen_racers_creates(store: Store) -> None:
    """Ten races: one is told that it won, and what is there is its own."""
    for race in range(10):
        start = threading.Barrier(16)

        def run(racer: int, key: str = f"claim-{race}", start: threading.Barrier = start) -> bool:
            start.wait()
            return store.create(key, b"%d" % racer)

        with ThreadPoolExecutor(16) as pool:
            won = [racer for racer, result in enumerate(pool.map(run, range(16))) if result]
        assert [b"%d" % racer for racer in won] == [store.read(f"claim-{race}")]


def test_a_big_file_goes_up_and_down_whole(store: Store, big: Path, tmp_path: Path) -> None:
    """In several parts, with its digest."""
    digest = hashlib.sha256(big.read_bytes()).hexdigest()

    assert store.upload(big, "weights").size == big.stat().st_size
    store.download("weights", tmp_path / "weights", sha256=digest)
    assert (tmp_path / "weights").read_bytes() == big.read_bytes()


def test_an_empty_file_goes_up_and_down(store: Store, tmp_path: Path) -> None:
    """It has no first byte to ask for."""
    (tmp_path / "empty").touch()

    assert store.upload(tmp_path / "empty", "empty").size == 0
    store.download("empty", tmp_path / "again", sha256=hashlib.sha256().hexdigest())
    assert (tmp_path / "again").stat().st_size == 0


def test_progress_grows_to_the_whole(store: Store, big: Path, tmp_path: Path) -> None:
    """In both directions: done never falls, several steps, the last is the total."""
    transfers: dict[str, Callable[[Callable[[Transfer], None]], object]] = {
        "up": lambda progress: store.upload(big, "weights", progress=progress),
        "down": lambda progress: store.download("weights", tmp_path / "weights", progress=progress),
    }
    for transfer in transfers.values():
        updates: list[Transfer] = []
        transfer(updates.append)
        done = [each.done for each in updates]

        assert done == sorted(done)
        assert len(set(done)) > 2
        assert updates[-1] == Transfer("weights", big.stat().st_size, big.stat().st_size)


def test_a_file_with_another_digest_is_not_kept(store: Store, tmp_path: Path) -> None:
    """The error names the object; what was there before stays."""
    store.write("weights", b"flipped")
    (tmp_path / "weights").write_bytes(b"before")

    with pytest.raises(
        DamagedError, match=r"/weights: its SHA-256 is [0-9a-f]{12}… where 00.*upload it again"
    ):
        store.download("weights", tmp_path / "weights", sha256="0" * 64)
    assert [path.name for path in tmp_path.glob("*weights*")] == ["weights"]
    assert (tmp_path / "weights").read_bytes() == b"before"


def test_who_stops_a_transfer_leaves_nothing(store: Store, big: Path, tmp_path: Path) -> None:
    """An error in the progress callback ends it: no object, no file, no part of one."""

    def stop(transfer: Transfer) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.upload(big, "weights", progress=stop)
    assert store.list() == []
    assert store.abort_uploads() == 0
    store.upload(big, "weights")
    with pytest.raises(KeyboardInterrupt):
        store.download("weights", tmp_path / "weights", progress=stop)
    assert not list(tmp_path.glob("*weights*"))


@pytest.fixture
def at_a_terminal() -> Iterator[None]:
    """Python's own answer to Ctrl-C, also where the tests run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("at_a_terminal")
def test_an_upload_that_is_interrupted_is_not_taken_for_whole(store: Store, big: Path) -> None:
    """Ctrl-C while parts are under way: what was sent so far does not become the object."""

    def interrupt(transfer: Transfer) -> None:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        if transfer.done <= 8 << 20:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.3)

    with pytest.raises(KeyboardInterrupt):
        store.upload(big, "weights", progress=interrupt)
    assert store.list() == []


def test_a_file_that_grows_goes_up_as_it_was(store: Store, big: Path, tmp_path: Path) -> None:
    """What was there when the upload began, no more: a log may be written to meanwhile."""
    log = tmp_path / "log"
    log.write_bytes(big.read_bytes())

    def grow(transfer: Transfer) -> None:
        with log.open("ab") as file:
            file.write(bytes(20_000_000))

    assert store.upload(log, "log", progress=grow).size == big.stat().st_size
    assert store.read("log") == big.read_bytes()


def test_a_file_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    """Before anything is sent."""
    with pytest.raises(MissingError, match=r"nothing: is not there: correct the path"):
        store.upload(tmp_path / "nothing", "weights")
    assert store.list() == []


def test_a_child_counts_keys_from_its_own_folder(store: Store) -> None:
    """Its location is the folder's, and opening that is the same store."""
    child = store.child("emotions/1f3b")
    child.write("status.json", b"{}")

    assert child.location == f"{store.location}/emotions/1f3b"
    assert store.read("emotions/1f3b/status.json") == b"{}"
    assert open_store(child.location).list() == child.list()
