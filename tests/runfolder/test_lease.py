"""Laws of one writer: of two workers at a run in a store, at most one goes on."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lease import Claim, Lease, LeaseLostError, claim, key_of, newest_lease, place_of, take
from ftjob.runfolder.store import RunStore
from ftjob.storage import Store, open_store
from tests.storage.servers import Bucket

HERE, THERE = Claim(1, "here", "here"), Claim(2, "there", "there")


def beating(lease: Lease, seconds: float) -> Lease:
    """Return a lease that is not held yet, to beat that often."""
    lease._beat_seconds = seconds
    return lease


class Race:
    """Workers that begin at once; who wins works on until the others have given up."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.begin, self.over, self.lost = threading.Barrier(16), threading.Event(), 0
        self.lock = threading.Lock()

    def run(self, attempt: int) -> bool:
        self.begin.wait()
        try:
            with beating(take(self.store, Claim(attempt, "host", f"place {attempt}")), 0.2):
                self.over.wait(60)
                return True
        except LeaseLostError:
            with self.lock:
                self.lost += 1
            if self.lost == 15:
                self.over.set()
            return False


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run's folder, as a store."""
    return open_store(str(tmp_path / "run"))


def test_a_live_worker_keeps_others_out(store: Store):
    """The second one sees the beat and stops with a sentence that says who is there."""
    with (
        beating(take(store, HERE), 0.05),
        pytest.raises(LeaseLostError, match=r"another worker \(attempt 1 on here\) is running this run"),
    ):
        take(store, THERE, lease_seconds=60, poll=0.1)


def test_a_worker_that_gave_up_its_lease_is_not_waited_for(store: Store):
    """A graceful end leaves the next one nothing to wait for."""
    with take(store, HERE):
        pass
    begin = time.monotonic()

    with take(store, THERE, lease_seconds=600) as lease:
        lease.check()
    assert time.monotonic() - begin < 60


def test_a_worker_that_was_killed_is_waited_for_and_then_replaced(store: Store):
    """No beat for the lease's time means that nobody is there."""
    take(store, HERE)  # never beats: as after SIGKILL
    begin = time.monotonic()

    with take(store, THERE, lease_seconds=2, poll=0.1) as lease:
        lease.check()
    assert time.monotonic() - begin > 1


def test_a_worker_killed_in_this_folder_is_not_waited_for(store: Store):
    """Who holds the folder's lock knows that the one before is dead."""
    take(store, HERE)
    begin = time.monotonic()

    with take(store, replace(THERE, place=HERE.place), lease_seconds=600):
        pass
    assert time.monotonic() - begin < 60


def test_the_same_path_in_another_pod_is_another_place(tmp_path: Path):
    """Pods on one node have one boot and one path; a link to the folder is the folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "c").symlink_to(tmp_path / "a")
    a, b, c = (claim(RunFolder(tmp_path / name), 1).place for name in "abc")
    (tmp_path / "a").rename(tmp_path / "old")
    (tmp_path / "b").rename(tmp_path / "a")

    assert a != b
    assert a == c
    assert claim(RunFolder(tmp_path / "a"), 1).place == b
    assert place_of(RunFolder(tmp_path / "b")) == ""


def test_a_worker_about_to_end_is_waited_for(store: Store):
    """A pod that makes its last snapshot: the next one goes on as soon as it has said goodbye."""
    begin = time.monotonic()
    with beating(take(store, HERE), 60) as held, ThreadPoolExecutor(1) as pool:
        next_one = pool.submit(take, store, THERE, lease_seconds=600, poll=0.1)
        time.sleep(0.5)
        held.check()
        assert not next_one.done()
        held.__exit__()
        next_one.result(60)
    assert time.monotonic() - begin < 120


def test_a_pod_thought_dead_that_is_not_stops_before_it_writes(store: Store):
    """A worker that slept through its lease finds the newer one when it asks, and is told who took over."""
    asleep = take(store, HERE)
    with take(store, THERE, lease_seconds=0.1, poll=0.05):
        asleep._confirmed = -math.inf  # as if the last beat was long ago
        with pytest.raises(LeaseLostError, match=r"attempt 2 on there\) took over"):
            asleep.check()


def test_of_sixteen_that_begin_at_once_one_wins(ceph: Bucket):
    """Where the store creates atomically (Ceph), a race has one winner, five times of five."""
    for number in range(5):
        race = Race(open_store(f"{ceph.uri}/run-{number}"))
        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(race.run, range(16)))
        assert won.count(True) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b"[" * 4000,
        b"{" * 5000,
        b'{"attempt": -1, "host": "", "place": ""}',
        b'{"attempt": 1, "host": 7, "place": ""}',
        b'{"attempt": 1, "host": "", "place": "", "beat": 1e400}',
    ],
)
def test_a_lease_that_is_no_lease_is_named(store: Store, data: bytes):
    """Somebody else's file under a lease's name is not taken for a dead worker."""
    store.write(key_of(1), data)

    with pytest.raises(StorageError, match=r"000001\.json: "):
        take(store, HERE)


def test_a_number_is_written_in_plain_digits(store: Store):
    """What else lies beside the leases, and what else than logs lies in their folder, is passed over."""
    for key in ("writers/²²²²²².json", "writers/a.json", "logs/notes.log", "logs/attempt-²-1.log"):
        store.write(key, b"")
    store.write("logs/attempt-12.log", b"")

    assert newest_lease(store) is None
    assert RunStore(store, RunFolder(Path())).attempts() == [12]


def test_every_attempt_has_a_number_of_its_own(store: Store):
    """Leases stay, so that a late one finds a newer number whoever holds it."""
    for attempt in (1, 2, 3):
        with take(store, replace(HERE, attempt=attempt)):
            pass

    newest = newest_lease(store)
    assert newest is not None
    assert (newest[0], newest[1].attempt, newest[1].released) == (3, 3, True)
