"""The work queue: each key once, never by two, some of them later."""

import threading
import time
from itertools import count

import pytest

from ftjob.cluster.controller import queue as queues
from ftjob.cluster.controller.queue import WorkQueue


def test_a_key_that_is_added_twice_is_looked_at_once() -> None:
    """However many changes came while it waited; the order is that of the first."""
    queue = WorkQueue()
    for key in ("a", "b", "a", "a"):
        queue.add(key)

    assert [queue.get()[0] for _ in range(2)] == ["a", "b"]  # type: ignore[index]
    assert len(queue) == 0


def test_a_key_that_changes_while_it_is_looked_at_comes_again_afterwards() -> None:
    """Never are two at the same key."""
    queue = WorkQueue()
    queue.add("a")
    queue.get()
    queue.add("a")
    queue.add("b")

    assert queue.get()[0] == "b"  # type: ignore[index]
    queue.done("a")
    assert queue.get()[0] == "a"  # type: ignore[index]


def test_the_earliest_time_asked_for_counts() -> None:
    """A later one is forgotten: whoever looks says when to look again."""
    queue = WorkQueue()
    begin = time.monotonic()
    queue.add_after("a", 30)
    queue.add_after("a", 0.1)
    queue.add_after("b", 0.3)
    taken = [queue.get()[0] for _ in range(2)]  # type: ignore[index]

    assert taken == ["a", "b"]
    assert 0.3 <= time.monotonic() - begin < 10


def test_a_look_at_once_replaces_one_that_was_due_later() -> None:
    """Else every change would add a timer, and every timer a look."""
    queue = WorkQueue()
    queue.add_after("a", 0.05)
    queue.add("a")
    queue.get()
    queue.done("a")
    threading.Timer(0.3, queue.close).start()

    assert queue.get() is None


def test_closing_lets_everybody_go() -> None:
    """Whoever waits gets nothing."""
    queue = WorkQueue()
    got: list[object] = []
    waiting = [threading.Thread(target=lambda: got.append(queue.get())) for _ in range(3)]
    for thread in waiting:
        thread.start()
    queue.close()
    for thread in waiting:
        thread.join(5)

    assert got == [None, None, None]


def test_who_is_in_a_hurry_goes_first() -> None:
    """However many came before that can wait; among equals the order of coming counts."""
    queue = WorkQueue({"old-1": 30.0, "old-2": 30.0, "new-1": 0.0, "new-2": 0.0}.__getitem__)
    for key in ("old-1", "old-2", "new-1", "new-2"):
        queue.add(key)

    assert [queue.get()[0] for _ in range(4)] == ["new-1", "new-2", "old-1", "old-2"]  # type: ignore[index]


def test_nobody_lets_others_go_first_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody in a hurry comes every second, who can wait for two and a half goes before the third."""
    clock = count()
    monkeypatch.setattr(queues.time, "monotonic", lambda: float(next(clock)))
    queue = WorkQueue(lambda key: 2.5 if key == "old" else 0.0)
    queue.add("old")
    for number in range(5):
        queue.add(f"new-{number}")
    taken = [queue.get()[0] for _ in range(6)]  # type: ignore[index]

    assert taken == ["new-0", "new-1", "old", "new-2", "new-3", "new-4"]


def test_what_fails_again_and_again_is_tried_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it did not fail: an API server in trouble is not to be asked every two seconds by everybody."""
    pauses: list[float] = []
    queue = WorkQueue()
    monkeypatch.setattr(queue, "add_after", lambda _, seconds: pauses.append(seconds))
    for _ in range(7):
        queue.add_again("a")
    queue.add_again("b")
    queue.forget("a")
    queue.add_again("a")

    assert pauses == [2, 4, 8, 16, 32, 60, 60, 2, 2]
