"""A sweep's money: what each member is granted, and that all together never spend more than the budget."""

from hypothesis import given
from hypothesis import strategies as st

from ftjob.money.amount import Amount
from ftjob.runfolder.status import State
from ftjob.sweep.decision import MemberSeen, SweepLimits, budget_of, decide_sweep
from ftjob.sweep.record import MemberRecord, SweepRecord

NAMES = [f"m{number}" for number in range(4)]


def seen(state: State, microdollars: int = 0, *, cancelled: bool = False) -> MemberSeen:
    return MemberSeen(state, Amount(0, microdollars), cancelled=cancelled)


def granted(records: tuple[MemberRecord, ...]) -> list[int | None]:
    return [record.granted_microdollars for record in records]


def test_members_start_with_equal_shares_as_many_as_may_run() -> None:
    """And in their order."""
    decided = decide_sweep(NAMES, (), {}, SweepLimits(10_000_003, parallel=2))

    assert decided.start == ("m0", "m1")
    assert granted(decided.records) == [2_500_000, 2_500_001]
    assert decided.waiting == 2


def test_what_an_ended_member_left_is_for_those_that_have_not_started() -> None:
    """(10 - 1 - 2.5) / 2 each."""
    first = decide_sweep(NAMES, (), {}, SweepLimits(10_000_000, parallel=2)).records
    there = {"m0": seen(State.SUCCEEDED, 1_000_000), "m1": seen(State.RUNNING, 2_000_000)}
    decided = decide_sweep(NAMES, first, there, SweepLimits(10_000_000, parallel=2))

    assert decided.start == ("m2",)
    assert decided.records[2].granted_microdollars == 3_250_000


def test_who_takes_over_before_anything_was_done_does_the_same() -> None:
    """The record is written first, and a member that was not seen yet is started again with what it says."""
    limits = SweepLimits(10_000_000, parallel=2)
    first = decide_sweep(NAMES, (), {}, limits)
    again = decide_sweep(
        NAMES, SweepRecord.parse(SweepRecord(members=first.records).render().encode()).members, {}, limits
    )

    assert again == first


def test_without_a_budget_members_have_none() -> None:
    """And hours are divided as dollars are."""
    assert budget_of(decide_sweep(NAMES, (), {}, SweepLimits()).records[0]).usd is None
    by_time = decide_sweep(NAMES, (), {}, SweepLimits(milliseconds=14_400_000)).records[0]
    assert budget_of(by_time).hours == 1.0


def test_nothing_starts_when_nothing_is_left() -> None:
    """The sweep has ended then, whoever waits."""
    spent = decide_sweep(NAMES, (), {}, SweepLimits(1_000_000)).records
    decided = decide_sweep(NAMES, spent, {"m0": seen(State.STOPPED, 1_000_000)}, SweepLimits(1_000_000))

    assert (decided.start, decided.waiting, decided.finished) == ((), 3, True)


def test_a_member_that_is_gone_has_spent_its_grant_and_is_not_made_again() -> None:
    """Somebody deleted it while it ran."""
    limits = SweepLimits(8_000_000)
    first = decide_sweep(NAMES, (), {}, limits).records
    running = decide_sweep(NAMES, first, {"m0": seen(State.RUNNING, 500_000)}, limits).records
    decided = decide_sweep(NAMES, running, {}, limits)

    assert decided.records[0].spent_microdollars == 2_000_000
    assert decided.start == ("m1",)


def test_a_member_that_ended_does_not_begin_again() -> None:
    """What it left is granted to others: it is stopped, and what it spends until then counts."""
    limits = SweepLimits(10_000_000, parallel=2)
    first = decide_sweep(NAMES, (), {}, limits).records
    failed = decide_sweep(NAMES, first, {"m0": seen(State.FAILED, 1_000_000)}, limits)
    again = decide_sweep(NAMES, failed.records, {"m0": seen(State.RUNNING, 1_200_000)}, limits)
    asked = {"m0": seen(State.STOPPING, 1_300_000, cancelled=True)}
    stopping = decide_sweep(NAMES, again.records, asked, limits)

    assert (failed.astray, again.astray, stopping.astray) == ((), ("m0",), ())
    assert (again.records[0].state, again.records[0].spent_microdollars) == (State.FAILED, 1_200_000)
    assert stopping.records[0].spent_microdollars == 1_300_000


def test_a_held_sweep_stops_its_members_and_resumes_the_same_ones() -> None:
    """Their grants are kept for them; what had ended by itself stays ended."""
    limits = SweepLimits(8_000_000, parallel=2)
    first = decide_sweep(NAMES, (), {}, limits).records
    there = {"m0": seen(State.SUCCEEDED, 1), "m1": seen(State.RUNNING, 1)}
    held = decide_sweep(NAMES, first, there, limits, hold=True)
    assert (held.start, held.stop, held.finished) == ((), ("m1",), False)

    there["m1"] = seen(State.STOPPED, 2, cancelled=True)
    stopped = decide_sweep(NAMES, held.records, there, limits, hold=True)
    assert (stopped.stop, stopped.finished) == ((), True)

    resumed = decide_sweep(NAMES, stopped.records, there, limits)
    assert (resumed.resume, resumed.start) == (("m1",), ("m2",))
    assert sum(each or 0 for each in granted(resumed.records[1:])) <= 8_000_000

    there["m1"] = seen(State.RUNNING, 2)
    assert not decide_sweep(NAMES, resumed.records, there, limits).resume


@given(data=st.data(), budget=st.integers(1, 10**7), parallel=st.integers(1, 5), size=st.integers(1, 9))
def test_no_order_of_events_spends_more_than_the_budget(
    data: st.DataObject, budget: int, parallel: int, size: int
) -> None:
    """Members end, are held, resume and vanish in any order, and spend anything up to what they may."""
    names = [f"m{number}" for number in range(size)]
    limits = SweepLimits(budget, parallel=parallel)
    records: tuple[MemberRecord, ...] = ()
    truth: dict[str, MemberSeen] = {}
    spent: dict[str, int] = {}
    for _ in range(60):
        decided = decide_sweep(names, records, truth, limits, hold=data.draw(st.integers(0, 5)) == 0)
        records = decided.records
        by_name = {record.name: record for record in records}
        for name in (*decided.start, *decided.resume):
            if name in decided.resume or name not in spent:
                truth[name] = seen(State.RUNNING, spent.get(name, 0))
                spent.setdefault(name, 0)
        running = [name for name, member in truth.items() if not member.state.ended]
        assert len(running) <= parallel
        for name in running:
            spent[name] = data.draw(st.integers(spent[name], by_name[name].granted_microdollars or 0))
            event = data.draw(st.sampled_from(["runs", "ends", "vanishes"]))
            ended = (
                State.STOPPED
                if name in decided.stop
                else State.SUCCEEDED
                if event == "ends"
                else State.RUNNING
            )
            truth[name] = seen(ended, spent[name], cancelled=name in decided.stop)
            if event == "vanishes":
                del truth[name]
        assert sum(spent.values()) <= budget
