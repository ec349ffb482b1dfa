"""The work queue: each key once, never by two, some of them later, none lost, namespaces in turn."""

import threading
import time
from collections import Counter
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ftjob.cluster.controller.workqueue import queue as queues
from ftjob.cluster.controller.workqueue.queue import WorkQueue, namespace_of

NAMESPACES = ("a", "b", "c")
KEYS = st.builds("{}/{}".format, st.sampled_from(NAMESPACES), st.integers(0, 4))


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
    queue.add_after("a", 300)
    queue.add_after("a", 0.1)
    queue.add_after("b", 0.3)
    taken = [queue.get()[0] for _ in range(2)]  # type: ignore[index]

    assert taken == ["a", "b"]
    assert 0.3 <= time.monotonic() - begin < 60


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
        thread.join(60)

    assert got == [None, None, None]


def test_who_is_in_a_hurry_goes_first() -> None:
    """However many came before that can wait; among equals the order of coming counts."""
    queue = WorkQueue(lambda key: 30.0 if "old" in key else 0.0)
    for key in ("t/old-1", "t/old-2", "t/new-1", "t/new-2"):
        queue.add(key)
    taken = [queue.get()[0] for _ in range(4)]  # type: ignore[index]

    assert taken == ["t/new-1", "t/new-2", "t/old-1", "t/old-2"]


def test_nobody_lets_others_go_first_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody in a hurry comes every second, who can wait for two and a half goes before the third."""
    clock = count()
    monkeypatch.setattr(queues.time, "monotonic", lambda: float(next(clock)))
    queue = WorkQueue(lambda key: 2.5 if key == "t/old" else 0.0)
    queue.add("t/old")
    for number in range(5):
        queue.add(f"t/new-{number}")
    taken = [queue.get()[0] for _ in range(6)]  # type: ignore[index]

    assert taken == [f"t/{name}" for name in ("new-0", "new-1", "old", "new-2", "new-3", "new-4")]


def test_what_fails_again_and_again_is_tried_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it did not fail: an API server in trouble is not to be asked every two seconds by everybody."""
    pauses: list[float] = []
    queue = WorkQueue()
    monkeypatch.setattr(queue, "add_after", lambda _, seconds: pauses.append(seconds))
    for _ in range(7):
        queue.add_rate_limited("a")
    queue.add_rate_limited("b")
    queue.forget("a")
    queue.add_rate_limited("a")

    assert pauses == [2, 4, 8, 16, 32, 60, 60, 2, 2]


def test_namespaces_take_turns() -> None:
    """However many wait in one of them, and however urgent they are."""
    queue = WorkQueue(lambda key: 0.0 if key.startswith("many") else 30.0)
    for number in range(1000):
        queue.add(f"many/{number}")
    for key in ("few/0", "few/1", "one/0"):
        queue.add(key)
    taken = [queue.get()[0] for _ in range(7)]  # type: ignore[index]

    assert taken == ["many/0", "few/0", "one/0", "many/1", "few/1", "many/2", "many/3"]


def test_a_namespace_may_have_as_many_looks_as_are_left_free() -> None:
    """Of eight lookers four, until one of them is done; all others may have the rest."""
    queue = WorkQueue(workers=8)
    for number in range(8):
        queue.add(f"a/{number}")
    first = [queue.get()[0] for _ in range(4)]  # type: ignore[index]
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.append(queue.get()[0]), daemon=True)  # type: ignore[index]
    waiting.start()
    waiting.join(0.2)

    assert got == []
    queue.done(first[0])
    waiting.join(60)
    assert got == ["a/4"]
    for namespace in "bcde":
        queue.add(f"{namespace}/0")
    assert sorted(queue.get()[0] for _ in range(4)) == ["b/0", "c/0", "d/0", "e/0"]  # type: ignore[index]


class Model(RuleBasedStateMachine):
    """The queue beside what is to be true of it: keys come and are looked at in any order."""

    WORKERS = 4

    def __init__(self) -> None:
        super().__init__()
        self.queue = WorkQueue(workers=self.WORKERS)
        self.due: set[str] = set()
        self.taken: list[str] = []
        self.passed: Counter[str] = Counter()
        """How often others' keys were taken while a namespace had one that could have been."""

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.due.add(key)

    @rule(key=KEYS)
    def add_after_no_time(self, key: str) -> None:
        self.queue.add_after(key, 0.0)
        self.due.add(key)

    @precondition(lambda self: self.could())
    @rule()
    def get(self) -> None:
        could = self.could()
        key, _ = self.queue.get()  # type: ignore[misc]
        namespace = namespace_of(key)
        assert namespace in could
        assert key in self.due
        assert key not in self.taken
        self.due.remove(key)
        self.taken.append(key)
        self.passed.update(could - {namespace})
        for each in {namespace} | (set(NAMESPACES) - could):
            del self.passed[each]
        assert max(self.passed.values(), default=0) < len(NAMESPACES)

    @precondition(lambda self: self.taken)
    @rule(number=st.integers(0, WORKERS - 1))
    def done(self, number: int) -> None:
        self.queue.done(self.taken.pop(number % len(self.taken)))

    @invariant()
    def nothing_is_made_up(self) -> None:
        assert len(self.queue) <= len(self.due)

    def could(self) -> set[str]:
        """The namespaces of which a key may be taken now."""
        free, busy = self.WORKERS - len(self.taken), Counter(map(namespace_of, self.taken))
        ready = {namespace_of(key) for key in self.due - set(self.taken)}
        return {each for each in ready if busy[each] < free}

    def teardown(self) -> None:
        """Everything that is due is looked at in the end, once."""
        while self.due:
            if self.could():
                self.get()
            else:
                self.done(0)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
