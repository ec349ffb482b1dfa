"""Laws of a run with stages: killed anywhere it resumes where it was, and no stage is trained twice."""

import signal
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ftjob.dataset.build.into_store import build_at
from ftjob.dataset.build_options import BuildOptions
from ftjob.errors import NotLearningError
from ftjob.errors.outcomes import ExitCode, Reason
from ftjob.plan.plan import Plan
from ftjob.runfolder.status import State, Status
from tests.storage.servers import Bucket
from tests.worker.stages_here import FIRST, Event, KilledError, Worker, weights


def test_the_second_stage_begins_with_the_first_ones_result(make: Callable[..., Worker]) -> None:
    """Each in a folder of its own, and both in one status."""
    worker = make()
    plan = worker.plan()
    first, last = plan.stages

    run = worker.train(plan)

    status = run.status()
    assert worker.begun_from == [(first.run_id, ""), (last.run_id, first.run_id)]
    assert worker.updates(first.run_id) == list(range(8))
    assert worker.updates(last.run_id) == list(range(6))
    assert [(each.name, each.state, each.iteration) for each in status.stage_results] == [
        ("few", State.SUCCEEDED, 8),
        ("all", State.SUCCEEDED, 6),
    ]
    assert [each.seconds for each in status.stage_results] == [8.0, 6.0]
    assert status.seconds == 14.0
    folder = run.folder.stage(first.run_id)
    for path in (folder.plan, folder.deploy, folder.evaluation, folder.test_metrics, folder.stage_record):
        assert path.is_file()


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(kills=st.lists(st.integers(1, 60), min_size=1, max_size=3))
def test_killed_anywhere_it_resumes_where_it_was(
    make: Callable[..., Worker], undisturbed: list[bytes], kills: list[int]
) -> None:
    """The weights are those of a run that was never killed, a complete stage is left alone, and the cluster
    sees no iteration go back further than to the last snapshot."""
    worker = make()
    plan = worker.plan()
    first, _ = plan.stages
    run = worker.submit(plan)

    for events in kills:
        left = iter(range(events))

        def kill(_: Event, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KilledError

        worker.happens = kill
        try:
            worker.attempt(run)
        except KilledError:
            continue
        break
    worker.happens = lambda _: None
    worker.attempt(run)

    assert weights(run, plan) == undisturbed
    assert run.status().state is State.SUCCEEDED
    complete = max(at for at, (stage, _, _) in enumerate(worker.events) if stage == first.run_id)
    assert {stage for stage, _, _ in worker.events[complete + 1 :]} == {plan.run_id}
    snapshots = [each.snapshot or 0 for each in worker.seen]
    assert snapshots == sorted(snapshots)
    assert {each.max_iter for each in worker.seen} == {14}


def test_a_run_that_is_cancelled_names_its_last_snapshot(make: Callable[..., Worker]) -> None:
    """At any event, from the first one on: in its status and in its report to the cluster, which is that of
    the iteration it stopped at."""
    worker = make()
    plan = worker.plan()
    first = plan.stages[0].run_id
    run = worker.submit(plan)
    cancelled: list[Event] = []
    for at in range(60):
        left = iter(range(at))

        def cancel(event: Event, left: Iterator[int] = left) -> None:
            if next(left, None) is None and worker.stop.signal is None:
                worker.stop.signal = signal.SIGINT
                cancelled.append(event)

        worker.happens = cancel
        if worker.attempt(run) == ExitCode.DONE:
            break
        status, seen = run.status(), worker.report.progress()
        assert (status.state, status.reason) == (State.STOPPED, Reason.CANCELLED)
        assert status.snapshot == status.iteration, (at, status)
        before = 8 if worker.events[-1][0] == plan.run_id else 0
        assert (seen.exit_code, seen.snapshot) == (ExitCode.PREEMPTED, before + status.iteration)

    assert {stage for stage, _, _ in cancelled} == {first, plan.run_id}
    assert {event for _, event, _ in cancelled} == {"test", "update", "snapshot"}


def test_an_edited_second_stage_does_not_pay_for_the_first_again(make: Callable[..., Worker]) -> None:
    """It is copied from the run that trained it, to the bit, and says so."""
    worker = make()
    before = worker.plan()
    earlier = worker.train(before)
    worker.events.clear()
    after = worker.plan(FIRST, worker.second(max_iter=7))

    run = worker.train(after)

    assert run.run_id != earlier.run_id
    assert worker.updates(after.stages[0].run_id) == []
    assert weights(run, after)[0] == weights(earlier, before)[0]
    copied, trained = run.status().stage_results
    assert (copied.reused_from, copied.usd, copied.seconds) == (earlier.run_id, 0.0, 0.0)
    assert copied.accuracy == earlier.status().stage_results[0].accuracy
    assert trained.reused_from == ""
    assert run.folder.stage(copied.run_id).evaluation.is_file()
    third = worker.train(worker.plan(FIRST, worker.second(max_iter=5)))
    assert third.status().stage_results[0].reused_from == earlier.run_id


def member(worker: Worker, letter: str, **solver: Any) -> Plan:
    """The plan of a member of the sweep `digits`, with a second stage of its own."""
    name = f"digits-{letter * 8}"
    return worker.plan(FIRST, worker.second(**solver), name=name, member_of="digits")


def test_members_of_a_sweep_pay_for_a_stage_once(make: Callable[..., Worker]) -> None:
    """The second copies it, to the bit, and names the run; so it does from the sweep's namesake."""
    worker = make()
    first, second = member(worker, "a"), member(worker, "b", max_iter=7)
    trained = worker.train(first)
    worker.events.clear()

    run = worker.train(second)

    assert second.stages[0].run_id == first.stages[0].run_id
    assert worker.updates(first.stages[0].run_id) == []
    assert weights(run, second)[0] == weights(trained, first)[0]
    copied, _ = run.status().stage_results
    assert (copied.reused_from, copied.usd, copied.seconds) == (
        f"{first.spec.name}/{trained.run_id}",
        0.0,
        0.0,
    )
    assert run.status().seconds == 7.0
    stranger = worker.train(worker.plan(FIRST, worker.second(), name="digits-cccccccc"))
    assert stranger.status().stage_results[0].reused_from == ""


def test_members_of_a_sweep_share_through_a_store(make: Callable[..., Worker], s3: Bucket) -> None:
    """Where other runs lie beside them."""
    worker = make(f"{s3.uri}/runs")
    worker.train(worker.plan(name="digits-neighbour"))
    first, second = member(worker, "a"), member(worker, "b", max_iter=7)
    trained = worker.train(first)

    run = worker.train(second)

    assert run.status().stage_results[0].reused_from == f"{first.spec.name}/{trained.run_id}"
    assert weights(run, second)[0] == weights(trained, first)[0]


def test_a_copy_that_was_cut_short_is_made_again(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or, where its source is gone by then, the stage is trained."""
    worker = make()
    before = worker.plan()
    earlier = worker.train(before)
    after = worker.plan(FIRST, worker.second(max_iter=7))
    first = after.stages[0].run_id
    result, run = weights(earlier, before)[0], worker.submit(after)
    with monkeypatch.context() as cut:
        cut.setattr("ftjob.worker.staged.reuse.write_stage", _killed)
        with pytest.raises(KilledError):
            worker.attempt(run)
    earlier.folder.stage(first).stage_record.unlink()
    worker.events.clear()
    [copied] = run.folder.stage(first).snapshots.glob("*.json")
    left: list[bool] = []
    worker.happens = lambda _: left.append(copied.exists())

    worker.attempt(run)

    assert not left[0]  # what is left of the copy has names of snapshots to come
    assert worker.updates(first) == list(range(8))
    assert weights(run, after)[0] == result


def _killed(*_: Any) -> None:
    raise KilledError


def test_an_edited_first_stage_changes_both(make: Callable[..., Worker]) -> None:
    """There is nothing to copy then."""
    worker = make()
    worker.train(worker.plan())
    worker.events.clear()
    plan = worker.plan({**FIRST, "solver": {"random_seed": 2}}, worker.second())

    run = worker.train(plan)

    assert len(worker.updates(plan.stages[0].run_id)) == 8
    assert [each.reused_from for each in run.status().stage_results] == ["", ""]


def test_a_stop_in_the_first_stage_is_resumed_there(make: Callable[..., Worker]) -> None:
    """It ends after a snapshot, and nothing of the second stage has begun."""
    worker = make()
    plan = worker.plan()
    first, last = plan.stages
    run = worker.submit(plan)
    worker.happens = lambda event: (
        worker.stop.notify("it goes") if event == (first.run_id, "update", 5) else None
    )

    assert worker.attempt(run) == ExitCode.PREEMPTED

    status = run.status()
    assert (status.state, status.iteration, status.max_iter) == (State.STOPPED, 6, 8)
    assert [each.state for each in status.stage_results] == [State.STOPPED, State.PENDING]
    worker.happens = lambda _: None
    worker.attempt(run)
    assert worker.updates(first.run_id) == list(range(8))
    assert worker.updates(last.run_id) == list(range(6))


def test_an_error_names_its_stage(make: Callable[..., Worker]) -> None:
    """Here a guard's, in the first one."""
    worker = make()
    plan = worker.plan({"guards": {"not_learning": 1}}, worker.second())
    run = worker.submit(plan)

    def refuse(event: Event) -> None:
        if event[1] == "snapshot":
            raise NotLearningError("guards.not_learning: nothing was learned")

    worker.happens = refuse
    worker.attempt(run)

    status = run.status()
    assert status.state is State.FAILED
    assert status.message.startswith("stages[0]: guards.not_learning: ")
    assert [each.state for each in status.stage_results] == [State.FAILED, State.PENDING]


LONG = {"solver": {"max_iter": 60}}
HOURS = 100 / 3600
"""A budget of a hundred iterations, of which an end reserves about ten."""


def test_a_share_ends_its_stage_and_the_budget_the_run(make: Callable[..., Worker]) -> None:
    """The second stage has all that the first one left, and both together stay within the budget."""
    worker = make()
    plan = worker.plan({**LONG, "budget": "40%"}, worker.second(max_iter=90), budget={"hours": HOURS})

    run = worker.train(plan)

    first, last = (len(worker.updates(stage.run_id)) for stage in plan.stages)
    assert 20 <= first <= 30
    assert 50 <= last <= 90 - first
    status = run.status()
    assert status.seconds <= 100
    assert sum(each.seconds for each in status.stage_results) == pytest.approx(status.seconds, abs=0.01)
    record = run._reading().stage(plan.stages[0].run_id).stage_record()
    assert record is not None
    assert record.reason == Reason.BUDGET_REACHED


def test_a_budget_that_ends_in_the_first_stage_ends_the_run(make: Callable[..., Worker]) -> None:
    """There is no bundle of a net that nobody asked for; a larger budget resumes there."""
    worker = make()
    short = worker.plan(LONG, worker.second(), budget={"hours": HOURS / 2})
    first, last = short.stages
    run = worker.submit(short)

    assert worker.attempt(run) == ExitCode.BUDGET_REACHED

    status = run.status()
    assert (status.state, status.reason) == (State.STOPPED, Reason.BUDGET_REACHED)
    assert "ended the run in stage 1, at iteration" in status.message
    assert worker.updates(last.run_id) == []
    done = len(worker.updates(first.run_id))
    longer = worker.plan(LONG, worker.second(), budget={"hours": 2 * HOURS})
    assert longer.run_id == short.run_id
    worker.train(longer)
    assert worker.updates(first.run_id) == list(range(60))
    assert 30 <= done < 60
    assert run.status().state is State.SUCCEEDED


def test_a_stage_that_its_share_ended_is_not_copied(make: Callable[..., Worker]) -> None:
    """With more money it would have come further."""
    worker = make()
    worker.train(worker.plan({**LONG, "budget": "40%"}, worker.second(), budget={"hours": HOURS}))
    worker.events.clear()
    plan = worker.plan(LONG, worker.second(max_iter=5))

    run = worker.train(plan)

    assert len(worker.updates(plan.stages[0].run_id)) == 60
    assert run.status().stage_results[0].reused_from == ""


def test_a_status_without_stages_has_none() -> None:
    """And its iterations are the run's."""
    status = Status("digits", "0123456789", iteration=3, max_iter=9)

    assert status.stage_results == ()
    assert (status.iterations_before, status.iterations_in_all) == (0, 9)


def test_in_a_store_too(
    make: Callable[..., Worker], s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Killed in the second stage, resumed on another machine, and copied by another run there."""
    worker = make(f"{s3.uri}/runs")
    plan = worker.plan()
    first, last = plan.stages
    run = worker.submit(plan)

    def kill(event: Event) -> None:
        if event == (last.run_id, "update", 3):
            raise KilledError

    worker.happens = kill
    with pytest.raises(KilledError):
        worker.attempt(run)
    worker.happens = lambda _: None
    monkeypatch.setenv("FTJOB_CACHE", str(tmp_path / "elsewhere"))
    worker.attempt(run)

    assert worker.updates(first.run_id) == list(range(8))
    assert worker.updates(last.run_id) == [0, 1, 2, 2, 3, 4, 5]
    assert [each.state for each in run.status().stage_results] == [State.SUCCEEDED, State.SUCCEEDED]
    edited = worker.plan(FIRST, worker.second(max_iter=7))
    worker.events.clear()
    copy = worker.train(edited)
    assert worker.updates(first.run_id) == []
    assert weights(copy, edited)[0] == weights(run, plan)[0]
    assert copy.status().stage_results[0].reused_from == run.run_id


def test_the_data_of_a_complete_stage_is_not_fetched_again(
    make: Callable[..., Worker], s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On another machine, which resumes in the second stage: the first one's manifest is enough."""
    for label, number in product("abc", range(4)):
        path = tmp_path / "pictures" / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (80 * "abc".index(label), 10 * number, 0)).save(path)
    build_at(tmp_path / "pictures", f"{s3.uri}/few", BuildOptions(height=40, width=40, val_split=0.25))
    worker = make(f"{s3.uri}/runs")
    few = {**FIRST, "data": {"train": f"{s3.uri}/few/train", "val": f"{s3.uri}/few/val"}}
    plan = worker.plan(few, worker.second())
    run = worker.submit(plan)

    def kill(event: Event) -> None:
        if event == (plan.run_id, "update", 3):
            raise KilledError

    def fetched(cache: Path) -> list[Path]:
        return list(cache.rglob("data.mdb"))

    worker.happens = kill
    monkeypatch.setenv("FTJOB_CACHE", str(tmp_path / "here"))
    with pytest.raises(KilledError):
        worker.attempt(run)
    worker.happens = lambda _: None
    monkeypatch.setenv("FTJOB_CACHE", str(tmp_path / "elsewhere"))
    worker.attempt(run)

    assert (len(fetched(tmp_path / "here")), fetched(tmp_path / "elsewhere")) == (2, [])
    assert [each.state for each in run.status().stage_results] == [State.SUCCEEDED, State.SUCCEEDED]
    assert worker.updates(plan.run_id) == [0, 1, 2, 2, 3, 4, 5]
