"""Successive halving on made-up learning curves: who is stopped, at which rung, and who never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.money.amount import Amount
from ftjob.runfolder.status import State
from ftjob.sweep.decision import MemberSeen, SweepLimits, decide_sweep
from ftjob.sweep.halving import cutoff, rung_at
from ftjob.sweep.record import MemberRecord
from jobspec.sweeps.sweep import Halving

LENGTH, EVERY = 90, 10


def raced(curves: dict[str, list[float]], halving: Halving, parallel: int) -> dict[str, int]:
    """Run members whose accuracy every 10 of 90 iterations is given; return where each one ended.

    Those that run at the same time take a step each in turn.
    """
    limits = SweepLimits(parallel=parallel, halving=halving)
    records: tuple[MemberRecord, ...] = ()
    steps: dict[str, int] = {}
    ended: dict[str, State] = {}
    while True:
        seen = {
            name: MemberSeen(
                ended.get(name, State.RUNNING),
                Amount(),
                step * EVERY or None,
                LENGTH,
                max(curves[name][:step], default=None),
            )
            for name, step in steps.items()
        }
        decided = decide_sweep(list(curves), records, seen, limits)
        records = decided.records
        if decided.finished:
            return {name: step * EVERY for name, step in steps.items()}
        ended |= dict.fromkeys(decided.stop, State.STOPPED)
        for name in list(steps):
            if name not in ended:
                steps[name] += 1
                if steps[name] * EVERY == LENGTH:
                    ended[name] = State.SUCCEEDED
        steps |= dict.fromkeys(decided.start, 0)


def line(end: float) -> list[float]:
    """A curve that climbs evenly to `end`."""
    return [end * step / 9 for step in range(1, 10)]


LATE = [0.0, 0.1, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
EARLY = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
DIPS = [0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
HALVING = Halving(factor=3, first=10)

TABLE: list[tuple[str, dict[str, list[float]], Halving, int, dict[str, int]]] = [
    ("the first is never stopped", {"a": line(0.1)}, HALVING, 1, {"a": 90}),
    (
        "one at a time, each better than all before: none is stopped",
        {"a": line(0.2), "b": line(0.4), "c": line(0.6)},
        HALVING,
        1,
        {"a": 90, "b": 90, "c": 90},
    ),
    (
        "one at a time, each worse: all but the first stop at the first rung",
        {"a": line(0.6), "b": line(0.4), "c": line(0.2)},
        HALVING,
        1,
        {"a": 90, "b": 10, "c": 10},
    ),
    (
        "equal ones are not behind",
        {"a": line(0.5), "b": line(0.5), "c": line(0.5)},
        HALVING,
        3,
        {"a": 90, "b": 90, "c": 90},
    ),
    (
        "side by side, the order of looking decides, as in any asynchronous search",
        {"a": line(0.9), "b": line(0.3), "c": line(0.6)},
        HALVING,
        3,
        {"a": 90, "b": 10, "c": 10},
    ),
    (
        "a late one is stopped at a rung that it reaches too soon",
        {"a": EARLY, "b": LATE},
        HALVING,
        2,
        {"a": 90, "b": 10},
    ),
    (
        "and not where the first rung leaves it its time",
        {"a": EARLY, "b": LATE},
        Halving(factor=2, first=40),
        2,
        {"a": 90, "b": 90},
    ),
    (
        "its best so far counts, not its last",
        {"a": EARLY, "b": DIPS},
        HALVING,
        2,
        {"a": 90, "b": 90},
    ),
    (
        "a share of the run as the first rung",
        {"a": line(0.6), "b": line(0.4)},
        Halving(factor=3, first="50%"),
        2,
        {"a": 90, "b": 50},
    ),
    (
        "a smaller factor stops fewer: with 2, the better half stays",
        {"a": line(0.1), "b": line(0.9), "c": line(0.6)},
        Halving(factor=2, first=10),
        1,
        {"a": 90, "b": 90, "c": 90},
    ),
    (
        "a larger one more",
        {"a": line(0.1), "b": line(0.9), "c": line(0.6)},
        Halving(factor=4, first=10),
        1,
        {"a": 90, "b": 90, "c": 10},
    ),
]


@pytest.mark.parametrize(
    ("curves", "halving", "parallel", "ends"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_it_stops_who_is_behind(
    curves: dict[str, list[float]], halving: Halving, parallel: int, ends: dict[str, int]
) -> None:
    """The table of learning curves."""
    assert raced(curves, halving, parallel) == ends


@given(
    ends=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    factor=st.integers(2, 5),
    parallel=st.integers(1, 12),
)
def test_whoever_is_best_all_the_way_is_never_stopped(ends: list[float], factor: int, parallel: int) -> None:
    """Where one curve is above all others everywhere, its member reaches the end, whoever comes first."""
    curves = {f"m{number}": line(end) for number, end in enumerate(ends)}
    best = f"m{ends.index(max(ends))}"

    assert raced(curves, Halving(factor=factor, first=10), parallel)[best] == LENGTH


@given(recorded=st.lists(st.floats(0, 1), min_size=1, max_size=30), factor=st.integers(2, 5))
def test_the_cutoff_is_numpys_quantile(recorded: list[float], factor: int) -> None:
    """Which Ray Tune takes."""
    numpy = pytest.importorskip("numpy")

    assert cutoff(recorded, factor) == pytest.approx(numpy.percentile(recorded, (1 - 1 / factor) * 100))


def test_rungs_are_a_factor_apart_and_end_before_the_run() -> None:
    """10, 30 and 90 of 270; a run of 90 has the first two."""
    assert [rung_at(HALVING, tested, 270) for tested in (9, 10, 29, 30, 89, 90, 270)] == [
        *(None, 0, 0, 1, 1, 2, 2),
    ]
    assert rung_at(HALVING, 90, 90) == 1
