"""Stages that members share: who trains them, who waits, and what each is granted for them."""

from hypothesis import given
from hypothesis import strategies as st

from ftjob.money.amount import Amount
from ftjob.runfolder.status import State
from ftjob.sweep.decision import MemberSeen, SweepLimits, decide_sweep
from ftjob.sweep.record import MemberRecord
from ftjob.sweep.shared_stages import SharedStages

NAMES = ["a1", "a2", "b1", "a3"]
STAGES = {"a1": ("a",), "a2": ("a",), "b1": ("b",), "a3": ("a",)}
SHARED = SharedStages(STAGES, dict.fromkeys(NAMES, (30.0, 10.0)))
LIMITS = SweepLimits(10_000_000, parallel=3)


def seen(state: State, stages: int, microdollars: int = 0) -> MemberSeen:
    return MemberSeen(state, Amount(0, microdollars), stages=stages)


def test_one_member_of_each_stage_starts_and_the_others_wait() -> None:
    """Those that need another stage do not wait; once it is complete, all start that may."""
    first = decide_sweep(NAMES, (), {}, LIMITS, SHARED)
    assert first.start == ("a1", "b1")

    training = {"a1": seen(State.RUNNING, 0), "b1": seen(State.RUNNING, 0)}
    waiting = decide_sweep(NAMES, first.records, training, LIMITS, SHARED)
    assert (waiting.start, waiting.waiting, waiting.finished) == ((), 2, False)

    done = decide_sweep(NAMES, waiting.records, {**training, "a1": seen(State.RUNNING, 1)}, LIMITS, SHARED)
    assert done.start == ("a2",)
    ended = {"a1": seen(State.SUCCEEDED, 1), "b1": seen(State.RUNNING, 0), "a2": seen(State.RUNNING, 0)}
    assert decide_sweep(NAMES, done.records, ended, LIMITS, SHARED).start == ("a3",)


def test_a_member_that_ends_before_its_stage_is_followed_by_another() -> None:
    """Which trains it; the third waits again."""
    first = decide_sweep(NAMES, (), {}, LIMITS, SHARED).records
    ended = {"a1": seen(State.FAILED, 0), "b1": seen(State.RUNNING, 0)}

    assert decide_sweep(NAMES, first, ended, LIMITS, SHARED).start == ("a2",)


def test_who_trains_a_stage_is_granted_what_it_takes() -> None:
    """$10 for 30 + 10 + 10 + 10 + 30 + 10 seconds: $4 each to those that train, $1 to those that copy."""
    first = decide_sweep(NAMES, (), {}, LIMITS, SHARED)
    assert [record.granted_microdollars for record in first.records] == [4_000_000, 4_000_000]

    there = {"a1": seen(State.SUCCEEDED, 1, 3_000_000), "b1": seen(State.RUNNING, 0)}
    second = decide_sweep(NAMES, first.records, there, LIMITS, SHARED)
    assert [record.granted_microdollars for record in second.records[2:]] == [1_500_000, 1_500_000]


def test_a_stage_that_nobody_completed_is_paid_for_again() -> None:
    """The next one is granted what training it takes."""
    first = decide_sweep(NAMES, (), {}, SweepLimits(10_000_000), SHARED).records
    there = {"a1": seen(State.FAILED, 0, 1_000_000)}
    second = decide_sweep(NAMES, first, there, SweepLimits(10_000_000), SHARED)

    assert second.records[1].granted_microdollars == 9_000_000 * 40 // 90


def test_without_plans_all_stages_take_the_same() -> None:
    """Two to train for the first member, one for those that copy."""
    first = decide_sweep(NAMES, (), {}, SweepLimits(6_000_000), SharedStages(STAGES)).records

    assert first[0].granted_microdollars == 2_000_000


@given(data=st.data(), parallel=st.integers(1, 4), size=st.integers(1, 7))
def test_no_stage_is_trained_twice_unless_it_failed_and_nobody_waits_for_ever(
    data: st.DataObject, parallel: int, size: int
) -> None:
    """Members advance, end and fail in any order: at most one trains a stage at a time, none that is
    complete is trained again, the budget holds, and the sweep ends."""
    names = [f"m{number}" for number in range(size)]
    first = [data.draw(st.sampled_from("ab")) for _ in names]
    stages = {
        name: (stage, f"{stage}{data.draw(st.sampled_from('xy'))}")
        for name, stage in zip(names, first, strict=True)
    }
    shared, limits = SharedStages(stages), SweepLimits(10**6, parallel=parallel)
    records: tuple[MemberRecord, ...] = ()
    truth: dict[str, MemberSeen] = {}
    complete: set[str] = set()
    for _ in range(60):
        decided = decide_sweep(names, records, truth, limits, shared)
        records = decided.records
        if decided.finished:
            break
        granted = {record.name: record.granted_microdollars or 0 for record in records}
        truth |= {name: seen(State.RUNNING, 0) for name in decided.start if name not in truth}
        running = [name for name, member in truth.items() if not member.state.ended]
        training = [stage for name in running for stage in stages[name][truth[name].stages :][:1]]
        training = [stage for stage in training if stage not in complete]
        assert len(training) == len(set(training))
        for name in running:
            at = truth[name].stages
            while at < 2 and stages[name][at] in complete:
                at += 1
            if data.draw(st.booleans()) and at < 2:
                complete.add(stages[name][at])
                at += 1
            ends = data.draw(st.sampled_from([State.RUNNING, State.SUCCEEDED if at == 2 else State.FAILED]))
            spent = data.draw(st.integers(truth[name].spent.microdollars, granted[name]))
            truth[name] = seen(ends, at, spent)
        assert sum(member.spent.microdollars for member in truth.values()) <= 10**6
    else:
        for name in truth:
            truth[name] = seen(State.SUCCEEDED, 2, truth[name].spent.microdollars)
        assert decide_sweep(names, records, truth, limits, shared).start or len(records) == size
