"""Laws of the training loop: the order of Solver::Step's events, wherever it is ended and resumed."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob import api
from ftjob.errors import DivergedError, GpuIdleError, NotLearningError
from ftjob.plan.plan import Plan
from ftjob.worker.train import Outcome, Training
from jobspec import JobSpec
from tests.dataset.images import dataset, photo, raw
from tests.worker.loop import LABELS, Loop, with_solver

Events = list[tuple[str, int]]
Happens = Callable[[Training, str, int], None]

NUMBERS = st.integers(1, 40)
INTERVALS = st.integers(1, 15)
MOST_AFTER_A_STOP = 4 + 3
"""Updates that the fake engine reports together, and those that come after a halt."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """LeNet on eight images each."""
    folder = tmp_path_factory.mktemp("plan")
    for split in ("train", "val"):
        dataset(folder / split, [raw(label, photo(at, 40, 40)) for at, label in enumerate(LABELS)])
    data = {"train": str(folder / "train"), "val": str(folder / "val"), "batch_size": 2}
    spec = {"name": "loop", "base": {"net": "lenet"}, "data": data, "output": str(folder / "runs")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTJOB_CACHE", str(folder / "cache"))
        return api.plan(JobSpec.model_validate(spec), to_train=False)


@contextmanager
def loop(plan: Plan, max_iter: int, test_interval: int, snapshot: int, **guards: Any) -> Iterator[Loop]:
    """A run that nobody began."""
    with TemporaryDirectory() as folder:
        yield Loop(Path(folder), with_solver(plan, max_iter, test_interval, snapshot, **guards))


def caffe(max_iter: int, test_interval: int, snapshot: int) -> Events:
    """What Solver::Solve does, with two differences: a test comes before the snapshot of its iteration, which
    keeps its accuracy, and the last iteration has both whatever the intervals."""
    events = [("test", 0)]
    for iteration in range(1, max_iter + 1):
        events.append(("update", iteration - 1))
        last = iteration == max_iter
        if last or iteration % test_interval == 0:
            events.append(("test", iteration))
        if last or iteration % snapshot == 0:
            events.append(("snapshot", iteration))
    return events


def at(event: str, iteration: int, act: Callable[[Training], None]) -> Happens:
    """Act before an event of an iteration."""
    return lambda training, *now: act(training) if now == (event, iteration) else None


def preempt(training: Training) -> None:
    training.stop.notify("the machine goes")


def idle(training: Training) -> None:
    training.watch.idle = True


class KilledError(Exception):
    """The process ends on the spot."""


def kill(training: Training) -> None:
    raise KilledError


@given(NUMBERS, INTERVALS, INTERVALS)
def test_events_come_in_the_order_of_caffes_solver(
    plan: Plan, max_iter: int, test_interval: int, snapshot: int
) -> None:
    """Whatever the three numbers; every snapshot that was tested has its accuracy."""
    with loop(plan, max_iter, test_interval, snapshot) as run:
        assert run.attempt() is Outcome.FINISHED

        assert run.events == caffe(max_iter, test_interval, snapshot)
        assert run.tested == [iteration for event, iteration in run.events if event == "test"]
        accuracies = {kept.iteration: kept.accuracy for kept in run.store.complete}
        assert {each for each, accuracy in accuracies.items() if accuracy is not None} == (
            accuracies.keys() & {*run.tested}
        )


@given(NUMBERS, INTERVALS, INTERVALS, st.integers(0, 40))
def test_a_stop_in_an_update_ends_soon_with_a_snapshot(
    plan: Plan, max_iter: int, test_interval: int, snapshot: int, stop: int
) -> None:
    """Some updates come after it, none beyond the next event; then one snapshot, and no test."""
    with loop(plan, max_iter, test_interval, snapshot) as run:
        outcome = run.attempt(at("update", stop, preempt))

        if stop >= max_iter:
            assert outcome is Outcome.FINISHED
            return
        assert outcome is Outcome.STOPPED
        whole = caffe(max_iter, test_interval, snapshot)
        before = whole.index(("update", stop)) + 1
        after = run.events[before:]
        assert run.events[:before] == whole[:before]
        assert after == [("update", each) for each in range(stop + 1, run.engine.iteration)] + [
            ("snapshot", run.engine.iteration)
        ]
        assert run.engine.iteration - stop <= MOST_AFTER_A_STOP
        assert run.engine.iteration <= min(
            max_iter, *(stop - stop % n + n for n in (test_interval, snapshot))
        )


ENDS = st.tuples(
    st.sampled_from(["update", "test", "snapshot"]),
    st.integers(0, 40),
    st.sampled_from([preempt, idle, kill]),
)


@given(NUMBERS, INTERVALS, INTERVALS, st.lists(ENDS, max_size=4))
def test_a_run_that_was_ended_and_resumed_equals_one_that_was_not(
    plan: Plan, max_iter: int, test_interval: int, snapshot: int, ends: list[tuple[str, int, Any]]
) -> None:
    """By a signal, an idle GPU or a SIGKILL, at any event, any number of times: the same tests on record,
    each once, the same weights, and a last snapshot with its accuracy. Only a SIGKILL loses updates."""
    numbers = max_iter, test_interval, snapshot
    with loop(plan, *numbers) as unbroken, loop(plan, *numbers) as run:
        unbroken.attempt()
        for event, iteration, end in ends:
            try:
                run.attempt(at(event, iteration, end))
            except (GpuIdleError, KilledError):
                continue
        assert run.attempt() is Outcome.FINISHED

        assert run.tested == unbroken.tested
        assert run.store.complete[-1] == unbroken.store.complete[-1]
        folders = run.store.folder, unbroken.store.folder
        weights = [folder.caffemodel(max_iter).read_bytes() for folder in folders]
        assert weights[0] == weights[1]
        updates = [iteration for event, iteration in run.events if event == "update"]
        assert {*updates} == {*range(max_iter)}
        if kill not in (end for _, _, end in ends):
            assert len(updates) == max_iter


@given(NUMBERS, INTERVALS, INTERVALS, st.integers(0, 40))
def test_a_budget_that_ends_leaves_a_tested_snapshot(
    plan: Plan, max_iter: int, test_interval: int, snapshot: int, lasts: int
) -> None:
    """Its result will be used: the last iteration has an accuracy, whatever was due then."""
    with loop(plan, max_iter, test_interval, snapshot) as run:
        outcome = run.attempt(lasts=lambda: run.engine.iteration < lasts)

        end = run.engine.iteration
        assert run.store.complete[-1].iteration == run.tested[-1] == end
        assert run.store.complete[-1].accuracy is not None
        assert outcome is (Outcome.FINISHED if end == max_iter else Outcome.BUDGET_REACHED)
        assert end == max_iter or lasts <= end < lasts + MOST_AFTER_A_STOP


@given(NUMBERS, INTERVALS, INTERVALS, st.integers(1, 40), st.sampled_from([math.nan, math.inf, 87.3365]))
def test_a_loss_that_is_no_number_is_never_saved(
    plan: Plan, max_iter: int, test_interval: int, snapshot: int, bad: int, loss: float
) -> None:
    """The run ends before the next test or snapshot, and the snapshots before it stay."""
    with loop(plan, max(max_iter, bad), test_interval, snapshot) as run:
        with pytest.raises(DivergedError, match=f"iteration {bad} "):
            run.attempt(losses=lambda iteration: loss if iteration == bad else 1.0)

        whole = caffe(max(max_iter, bad), test_interval, snapshot)
        assert run.events == whole[: len(run.events)]
        assert all(kept.iteration < bad for kept in run.store.complete)
        assert all(iteration < bad for iteration in run.tested)


@given(INTERVALS, INTERVALS, st.integers(1, 40))
def test_a_run_no_better_than_chance_ends_at_its_first_test_past_the_limit(
    plan: Plan, test_interval: int, snapshot: int, limit: int
) -> None:
    """With a snapshot of that iteration."""
    with loop(plan, 100, test_interval, snapshot, not_learning=limit) as run:
        with pytest.raises(NotLearningError):
            run.attempt(rights=lambda _: 0.0)

        end = run.engine.iteration
        assert end == math.ceil(limit / test_interval) * test_interval
        assert run.tested[-1] == run.store.complete[-1].iteration == end


@given(INTERVALS, INTERVALS, st.integers(1, 4))
def test_a_plateau_ends_the_run_after_so_many_tests_that_were_no_better(
    plan: Plan, test_interval: int, snapshot: int, patience: int
) -> None:
    """With a snapshot of the iteration it is at; the best one is an earlier one's."""
    with loop(plan, 100, test_interval, snapshot, patience=patience) as run:
        assert run.attempt(rights=lambda _: 0.5) is Outcome.PLATEAU

        assert run.tested == [test_interval * each for each in range(patience + 1)]
        assert run.store.complete[-1].iteration == run.tested[-1] == run.engine.iteration


def test_a_halted_test_leaves_no_score(plan: Plan) -> None:
    """A stop in a test is heeded between two batches; the next attempt makes the test anew."""
    with loop(plan, 20, 10, 10) as run:
        assert run.attempt(at("test", 10, preempt)) is Outcome.STOPPED
        assert run.tested == [0]
        assert run.events[-2:] == [("test", 10), ("snapshot", 10)]

        run.attempt()

        assert run.tested == [0, 10, 20]
        assert all(kept.accuracy is not None for kept in run.store.complete)


@pytest.mark.parametrize("batch", [1, 3, 5, 8])
def test_answers_are_in_the_order_of_the_data(plan: Plan, batch: int):
    """Though a test draws whole batches, and the next begins where it ended."""
    batches = replace(plan.forecast.batches, test_batch_size=batch)
    sized = replace(plan, forecast=replace(plan.forecast, batches=batches))
    seen: list[tuple[tuple[int, ...], list[bool]]] = []

    def note(training: Training, event: str, _iteration: int) -> None:
        if event == "update" and training.last_test:
            answers = training.last_test.answers
            assert answers
            pairs = zip(answers.labels, answers.predicted, strict=True)
            seen.append((answers.labels, [label == given for label, given in pairs]))

    with loop(sized, 6, 1, 100) as run:
        run.attempt(note, rights=lambda _: 0.25, _test_batch=batch)

    assert seen == [(LABELS, [True] * 2 + [False] * 6)] * 6
