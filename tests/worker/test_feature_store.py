"""Features in a store: fetched elsewhere, uploaded whole, and never a reason for a run to end."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ftjob.engine import FeatureRows
from ftjob.engine.process.feature_file import FeatureFile
from ftjob.plan.cost import Workload
from ftjob.plan.savings import KeptTrunk
from ftjob.storage import Store, open_store
from ftjob.worker.transfer import feature_store
from ftjob.worker.transfer.feature_store import SharedFeatures, SharedFile, worth_sharing
from tests.storage.servers import SERVERS, Bucket

FLOATS, ROWS = 5, 20
SIZE = ROWS * (4 + 4 * FLOATS)
DIGEST = "ab" * 32


def trunk(variants: int = 1, size: int = 4 * FLOATS) -> KeptTrunk:
    return KeptTrunk(("pool5",), size, variants, 0.1, 0.01)


class Node:
    """A machine with a cache of its own."""

    def __init__(self, folder: Path, floats: int = FLOATS, variants: int = 1, limit: int = 10**9) -> None:
        self.folder, self.floats, self.limit = folder, floats, limit
        rows = FeatureRows(folder / DIGEST, floats, ROWS, is_test=False)
        self.shared = SharedFile.of(rows, trunk(variants))
        self.file = FeatureFile(rows.path, floats)
        self.lines: list[str] = []

    def compute(self, count: int = ROWS) -> "Node":
        """Have the engine keep the first rows."""
        for number in range(count):
            self.file.write(number, self.row(number))
        return self

    def row(self, number: int) -> NDArray[np.float32]:
        return np.arange(self.floats, dtype=np.float32) + number

    @property
    def rows(self) -> list[int]:
        """The numbers of the rows that are there and right."""
        out = np.empty(self.floats, np.float32)
        found = [number for number in range(ROWS) if self.file.read(number, out)]
        for number in found:
            self.file.read(number, out)
            np.testing.assert_array_equal(out, self.row(number))
        return found

    def sharing(self, store: Store, must_stop: Callable[[], bool] = lambda: False) -> SharedFeatures:
        """Share with a store, as a worker does that looks for complete features often."""
        return SharedFeatures(
            store,
            [self.shared],
            aside=self.folder / "aside",
            limit=self.limit,
            must_stop=must_stop,
            log=self.lines.append,
            look_seconds=0.01,
        )

    def run(self, store: Store, count: int = ROWS) -> "Node":
        """Fetch, compute so many rows, and end."""
        with self.sharing(store) as sharing:
            self.compute(count)
            sharing.finish()
        assert not (self.folder / "aside").exists()
        return self


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The folder of features, in a directory."""
    return open_store(str(tmp_path / "features"))


@pytest.fixture(params=SERVERS)
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """A bucket in Swift, and one in Ceph."""
    bucket: Bucket = request.getfixturevalue(request.param)
    return bucket


def test_another_node_fetches_what_one_computed(store: Store, tmp_path: Path) -> None:
    """All rows, which that node need not compute; the object stays as it was."""
    Node(tmp_path / "a").run(store)
    assert [(entry.key, entry.size) for entry in store.list()] == [(DIGEST, SIZE)]
    there = Node(tmp_path / "b").run(store, 0)

    assert there.rows == list(range(ROWS))
    assert there.lines[0].startswith(f"features: 20 of 20 came from {store.location}/{DIGEST} (")


def test_a_node_with_all_rows_fetches_none(store: Store, tmp_path: Path) -> None:
    """A second run on the node that computed them, with rows as large as a disk's blocks."""
    floats = 4096 // 4 - 1
    node = Node(tmp_path / "a", floats).run(store)
    again = Node(tmp_path / "a", floats).run(store, 0)

    assert node.lines[-1].startswith("features: kept for other nodes in ")
    assert again.lines == []


def test_incomplete_features_are_not_uploaded(store: Store, tmp_path: Path) -> None:
    """One row short of all; with mirrored copies nineteen of twenty are enough."""
    assert Node(tmp_path / "a").run(store, ROWS - 1).lines == []
    assert store.list() == []

    Node(tmp_path / "b", variants=2).run(store, ROWS - 1)
    assert [entry.size for entry in store.list()] == [SIZE]
    assert Node(tmp_path / "c", variants=2).run(store, 0).rows == list(range(ROWS - 1))


def cut(content: bytearray) -> bytearray:
    return content[: len(content) // 2 + 3]


def flipped(content: bytearray) -> bytearray:
    content[SIZE // 2] ^= 4
    return content


@pytest.mark.parametrize(
    ("damage", "arrive", "line"),
    [
        (cut, 0, f"has 243 bytes and not {SIZE}; they are computed"),
        (lambda _: bytearray(), 0, f"has 0 bytes and not {SIZE}; they are computed"),
        (flipped, ROWS - 1, "has only 19 whole rows; they are computed"),
        (lambda content: bytearray(len(content)), 0, "has only 0 whole rows; they are computed"),
    ],
)
def test_a_damaged_object_is_computed_and_replaced(
    store: Store, tmp_path: Path, damage: Callable[[bytearray], bytearray], arrive: int, line: str
) -> None:
    """What is whole of it is taken, the log has a sentence, and the next node finds it sound."""
    Node(tmp_path / "a").run(store)
    store.write(DIGEST, bytes(damage(bytearray(store.read(DIGEST)))))
    second = Node(tmp_path / "b")
    with second.sharing(store) as sharing:
        assert len(second.rows) == arrive
        second.compute()
        sharing.finish()

    assert sum(line in each for each in second.lines) == 1, second.lines
    assert Node(tmp_path / "c").run(store, 0).rows == list(range(ROWS))


def test_rows_that_come_after_a_long_scan_are_uploaded_at_the_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan that finds rows missing is not made again for long, but the end of a run waits for no scan."""
    scanned, copy = threading.Event(), feature_store._copy

    def slow(source: Path, target: Path, shared: SharedFile) -> int:
        """Scan for longer than the test lasts, by the share of the time that scans may take."""
        try:
            return copy(source, target, shared)
        finally:
            scanned.set()

    monkeypatch.setattr(feature_store, "_copy", slow)
    monkeypatch.setattr(feature_store, "SCAN_SHARE", 1e-12)
    node = Node(tmp_path / "a")
    with node.sharing(store) as sharing:
        node.compute(ROWS - 1)
        assert scanned.wait(60)
        node.compute()
        sharing.finish()

    assert [entry.size for entry in store.list()] == [SIZE]


def test_a_removed_object_is_computed_and_uploaded_again(store: Store, tmp_path: Path) -> None:
    """As a lifecycle rule removes it."""
    Node(tmp_path / "a").run(store)
    store.delete([DIGEST])

    assert Node(tmp_path / "b").run(store, 0).rows == []
    Node(tmp_path / "c").run(store)
    assert [entry.size for entry in store.list()] == [SIZE]


def test_a_full_store_gets_no_more(store: Store, tmp_path: Path) -> None:
    """Others' features stay, and the log says what to do, once."""
    store.write("cd" * 32, b"x" * 100)
    node = Node(tmp_path / "a", limit=SIZE + 99).run(store)

    assert [entry.key for entry in store.list()] == ["cd" * 32]
    assert len(node.lines) == 1
    assert "remove old files there, or have a lifecycle rule do it" in node.lines[0]


def test_a_store_that_fails_ends_the_sharing_only(store: Store, tmp_path: Path) -> None:
    """A file in the place of the folder: one line, and no second request."""
    (tmp_path / "features").write_text("")
    node = Node(tmp_path / "a").run(store)

    assert len(node.lines) == 1
    assert node.lines[0].startswith("features: not shared with other nodes: ")
    assert node.rows == list(range(ROWS))


def test_only_features_that_come_faster_than_they_are_computed_are_shared(tmp_path: Path) -> None:
    """Those of a trunk for which the plan keeps none are not shared either."""
    work: dict[str, Any] = dict.fromkeys(
        ("batch_size", "iter_size", "max_iter", "train_images", "val_images", "test_interval", "snapshot"), 1
    )
    train, test = (
        FeatureRows(tmp_path / name, FLOATS, ROWS, is_test=name == "test") for name in ("train", "test")
    )
    found = worth_sharing(
        [train, test], Workload(**work, snapshot_bytes=1, kept_train=trunk(2), kept_test=trunk(size=10**7))
    )

    assert found == [SharedFile(train, 19)]
    assert worth_sharing([train, test], Workload(**work, snapshot_bytes=1)) == []


def test_two_workers_at_once_leave_one_whole_object(bucket: Bucket, tmp_path: Path) -> None:
    """Both compute and upload several parts of the same; whoever comes then has all rows."""
    store = open_store(f"{bucket.uri}/features")
    nodes = [Node(tmp_path / name, floats=300_000) for name in "ab"]
    threads = [threading.Thread(target=node.run, args=(store,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [entry.size for entry in store.list()] == [nodes[0].shared.size]
    assert Node(tmp_path / "c", floats=300_000).run(store, 0).rows == list(range(ROWS))


def test_a_stop_abandons_what_is_under_way(bucket: Bucket, tmp_path: Path) -> None:
    """An upload leaves no object and no parts, a download no file; neither is worth a line."""
    store, node = open_store(f"{bucket.uri}/features"), Node(tmp_path / "a", floats=300_000).compute()
    with node.sharing(store, must_stop=lambda: True) as sharing:
        sharing.finish()
    assert store.list() == []
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)
    node.run(store)
    other = Node(tmp_path / "b", floats=300_000)
    with other.sharing(store, must_stop=lambda: True):
        pass

    assert other.rows == []
    assert other.lines == []
    assert not (tmp_path / "b" / "aside").exists()


KILLED = """
import sys
from pathlib import Path
from ftjob.storage import open_store
from tests.worker import test_feature_store as laws

def stop():
    print("under way", flush=True)
    sys.stdin.read()
    return True

node = laws.Node(Path(sys.argv[2]), floats=300_000).compute()
node.sharing(open_store(sys.argv[1]), stop).finish()
"""


def test_a_killed_upload_is_no_object(bucket: Bucket, tmp_path: Path) -> None:
    """The next worker uploads it, and removes the parts of the one before."""
    uri = f"{bucket.uri}/features"
    command = [sys.executable, "-c", KILLED, uri, str(tmp_path / "a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
    assert open_store(uri).list() == []
    assert bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    Node(tmp_path / "a", floats=300_000).run(open_store(uri), 0)

    assert len(open_store(uri).list()) == 1
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)


def test_refused_credentials_end_the_sharing_only(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with the store's reason, whether they read or write."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrongsecret")
    node = Node(tmp_path / "a").run(open_store(f"{bucket.uri}/features", patience=5))

    assert len(node.lines) == 1
    assert node.lines[0].startswith(f"features: not shared with other nodes: {bucket.uri}/features")
    assert "wrongsecret" not in node.lines[0]


def test_an_object_that_changed_in_the_store_is_computed(bucket: Bucket, tmp_path: Path) -> None:
    """It keeps the size, and each row its own checksum."""
    store = open_store(f"{bucket.uri}/features")
    Node(tmp_path / "a").run(store)
    content = store.read(DIGEST)
    store.write(DIGEST, bytes(flipped(bytearray(content))))

    assert len(Node(tmp_path / "b").run(store, 0).rows) == ROWS - 1
    Node(tmp_path / "c").run(store)
    assert store.read(DIGEST) == content
