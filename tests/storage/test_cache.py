"""Laws of the node cache: whole files, once per machine, safe among processes, bounded."""

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.fs import files, locks
from ftjob.fs.digests import remembered_sha256
from ftjob.storage import Store
from ftjob.storage.cache import fetch_entries, fetch_file
from ftjob.storage.directory import DirectoryStore
from ftjob.storage.eviction import used_bytes
from tests.storage.fetching import FORKS, Counted, fetch, fetch_and_stay

MB = 1 << 20
Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Make a folder that stands for a bucket's, with files of so many megabytes."""

    def make(name: str, **sizes: float) -> Path:
        (tmp_path / name).mkdir()
        for file, size in sizes.items():
            seed = sum(f"{name}{file}".encode()) % 256
            (tmp_path / name / file).write_bytes(bytes([seed]) * int(size * MB))
        return tmp_path / name

    return make


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where downloads are noted."""
    (tmp_path / "log").touch()
    return tmp_path / "log"


@pytest.fixture
def objects(cache: Path) -> Path:
    """Where the cache keeps what was fetched."""
    return cache / "objects"


@pytest.fixture
def elsewhere(cache: Path, log: Path) -> Callable[[Path], None]:
    """Fetch a folder in another process, which has ended then and holds nothing."""

    def run(folder: Path) -> None:
        process = FORKS.Process(target=fetch, args=(folder, cache, log, 0.0, dict(os.environ)))
        process.start()
        process.join()
        assert process.exitcode == 0

    return run


def trees(objects: Path) -> list[set[str]]:
    """The names in every tree, the oldest first."""
    found = sorted((objects / "trees").iterdir(), key=lambda tree: tree.stat().st_mtime_ns)
    return [{path.name for path in tree.rglob("*") if path.is_file()} for tree in found]


def test_files_keep_their_names_and_are_hashed_once(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    """An LMDB is found under data.mdb; its digest is computed when somebody asks, and then known."""
    store = DirectoryStore(folder("set", one=1).parent)
    sha256 = files.sha256
    monkeypatch.setattr(files, "sha256", None)

    path = fetch_entries(store, store.list("set")) / "set" / "one"
    monkeypatch.setattr(files, "sha256", sha256)
    digest = remembered_sha256(path)
    monkeypatch.setattr(files, "sha256", None)

    assert path.read_bytes() == store.read("set/one")
    assert remembered_sha256(path) == digest == hashlib.sha256(store.read("set/one")).hexdigest()


def test_what_is_there_is_not_downloaded_again(folder: Folder, cache: Path, log: Path):
    """The second run on a node starts at once; what changed meanwhile is another tree."""
    first = fetch(folder("set", a=1, b=1), cache, log)
    assert fetch(log.parent / "set", cache, log) == first
    (log.parent / "set" / "b").write_bytes(b"changed")

    second = fetch(log.parent / "set", cache, log)

    assert (first / "b").stat().st_size == MB
    assert (second / "b").read_bytes() == b"changed"
    assert log.read_text().split() == ["a", "b", "b"]


def test_what_the_cache_spares_is_reported(folder: Folder):
    """The seconds of the first download, once nothing has to be downloaded."""
    store, updates = DirectoryStore(folder("set", a=1, b=1)), []

    fetch_entries(store, store.list(), updates.append)
    assert {transfer.spared_seconds for transfer in updates} == {0.0}
    fetch_entries(store, store.list(), updates.append)

    assert updates[-1].done == 2 * MB
    assert updates[-1].spared_seconds > 0


def test_two_trees_share_a_file(folder: Folder, objects: Path, log: Path):
    """An object takes its room once, and its way, whatever it is fetched with."""
    store = Counted(folder("set", weights=1, net=1).parent, log)
    entries = store.list("set")

    fetch_entries(store, entries[:1])
    fetch_entries(store, entries)

    assert len(trees(objects)) == 2
    assert used_bytes(objects) == 2 * MB
    assert log.read_text().split() == ["set/net", "set/weights"]


def test_processes_at_once_download_once(folder: Folder, cache: Path, log: Path):
    """Four workers that start together wait for one download, and all have it."""
    source = folder("set", a=20, b=20)
    others = [FORKS.Process(target=fetch, args=(source, cache, log, 0.02)) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join()

    assert [other.exitcode for other in others] == [0, 0, 0, 0]
    assert log.read_text().split() == ["a", "b"]


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_download_leaves_nothing_that_looks_whole(
    seed: int, folder: Folder, objects: Path, cache: Path, log: Path
):
    """Killed with SIGKILL in the middle there is no tree; fetched again it is whole, and no rest stays."""
    source = folder("set", a=30, b=30)
    process = FORKS.Process(target=fetch, args=(source, cache, log, 0.1))
    process.start()
    wait_for(lambda: (objects / "coming").is_dir())
    time.sleep(0.17 * seed)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (objects / "trees").exists()

    tree = fetch(source, cache, log)

    assert {path.name: path.stat().st_size for path in tree.iterdir()} == {"a": 30 * MB, "b": 30 * MB}
    assert list((objects / "coming").iterdir()) == []


def wait_for(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.005)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of ten megabytes."""
    monkeypatch.setenv("FTJOB_CACHE_BYTES", str(10 * MB))


@pytest.mark.usefixtures("small")
def test_the_least_recently_used_goes_first(folder: Folder, objects: Path, elsewhere: Callable[[Path], None]):
    """What was used last stays, however long it has been there."""
    sources = [folder(name, **{name: 4}) for name in ("a", "b", "c")]
    for source in (sources[0], sources[1], sources[0]):
        elsewhere(source)

    elsewhere(sources[2])

    assert trees(objects) == [{"a"}, {"c"}]
    assert used_bytes(objects) == 8 * MB
    assert len(list((objects / "blobs").iterdir())) == 2


@pytest.fixture
def holder(folder: Folder, cache: Path, log: Path) -> Iterator[Path]:
    """A living process that uses a tree of 8 MB."""
    fetched, leave = FORKS.Event(), FORKS.Event()
    source = folder("held", held=8)
    process = FORKS.Process(target=fetch_and_stay, args=(source, cache, log, fetched, leave))
    process.start()
    fetched.wait()
    yield source
    leave.set()
    process.join()


@pytest.mark.usefixtures("small", "holder")
def test_what_a_living_process_holds_stays(folder: Folder, objects: Path, elsewhere: Callable[[Path], None]):
    """A training's data is not taken from under it, even where the cache grows too large."""
    for name in ("a", "b"):
        elsewhere(folder(name, **{name: 4}))

    assert trees(objects) == [{"held"}, {"b"}]


@pytest.mark.usefixtures("small")
def test_what_is_larger_than_the_cache_comes_alone(
    folder: Folder, objects: Path, elsewhere: Callable[[Path], None]
):
    """A bound must not keep anybody from training."""
    elsewhere(folder("a", a=4))

    elsewhere(folder("large", large=12))

    assert trees(objects) == [{"large"}]


def test_a_disk_without_room_is_reported_before_the_download(
    folder: Folder, small_disk: Path, monkeypatch: pytest.MonkeyPatch
):
    """The sentence says how much is missing where; nothing is left."""
    monkeypatch.setenv("FTJOB_CACHE", str(small_disk / "cache"))
    store = DirectoryStore(folder("set", a=6))

    with pytest.raises(StorageError, match=r"set: needs 0.01 GB and the disk of .* has 0.00 GB free: free"):
        fetch_entries(store, store.list())
    left = [path for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size]
    assert left == [], "beside locks, which are empty"


def test_an_object_that_is_replaced_meanwhile_is_not_taken(folder: Folder, objects: Path, log: Path):
    """What was listed and what was read must be the same."""
    store = Counted(folder("set", a=1), log)
    listed = store.list()
    (log.parent / "set" / "a").write_bytes(b"other")

    with pytest.raises(StorageError, match="set/a: was replaced while it was being read: try again"):
        fetch_entries(store, listed)
    assert not (objects / "trees").exists()


def test_every_store_can_be_fetched_from(store: Store, tmp_path: Path):
    """Large objects too, which were uploaded in parts: an ETag is the same in a listing and alone."""
    content = random.Random(1).randbytes(20 * MB)
    (tmp_path / "large").write_bytes(content)
    store.upload(tmp_path / "large", "set/large")
    store.write("set/small", b"small")

    tree = fetch_entries(store, store.list())

    assert (tree / "set" / "large").read_bytes() == content
    assert (tree / "set" / "small").read_bytes() == b"small"
    assert fetch_file(f"{store.location}/set/small").read_bytes() == b"small"


def test_what_was_taken_out_of_the_cache_comes_again(folder: Folder, cache: Path, log: Path):
    """Whoever tidies up by hand costs a download, no more."""
    tree = fetch(folder("set", a=1, b=1), cache, log)
    (tree / "b").unlink()

    assert (fetch(log.parent / "set", cache, log) / "b").stat().st_size == MB


def test_a_file_system_without_links(folder: Folder, cache: Path, log: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing is shared there, and everything works."""

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    assert (fetch(folder("set", a=1), cache, log) / "a").stat().st_size == MB


def test_a_path_is_returned_as_it_is(tmp_path: Path):
    """Also one that is not there: who reads it says so."""
    assert fetch_file(str(tmp_path / "weights")) == tmp_path / "weights"


def test_a_bound_that_is_no_number(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    """The variable is named."""
    monkeypatch.setenv("FTJOB_CACHE_BYTES", "50GB")
    store = DirectoryStore(folder("set", a=1))

    with pytest.raises(StorageError, match="FTJOB_CACHE_BYTES: '50GB' is not a number of bytes"):
        fetch_entries(store, store.list())


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    """Let go of what a test fetched into a cache that goes with it."""
    yield
    for path in list(locks._HELD):
        locks.let_go(path)
