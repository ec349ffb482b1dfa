"""A sweep's members beside one another: the table, and the plot of accuracy against cost."""

from html.parser import HTMLParser

from ftjob.report.compare.sweep_comparison import SweepComparison, compare_members
from ftjob.runfolder.status import State
from ftjob.sweep.record import MemberRecord, Rung
from ftjob.sweep.standing import SweepState
from jobspec import members, parse_spec

SPEC = """\
name: digits
base: {net: lenet}
data: {train: /a, val: /b}
sweep: {solver.base_lr: [0.1, 0.01, 0.001, 0.0001]}
output: /out
"""
MEMBERS = members(parse_spec(SPEC, "spec.yaml"))


def record(
    index: int, state: State, accuracy: float | None, microdollars: int, **more: object
) -> MemberRecord:
    return MemberRecord(
        name=MEMBERS[index].name,
        state=state,
        accuracy=accuracy,
        spent_microdollars=microdollars,
        spent_milliseconds=60_000,
        **more,  # type: ignore[arg-type]
    )


def compared(*records: MemberRecord) -> SweepComparison:
    return compare_members("digits/sweep-0", "Running", SweepState(MEMBERS, records))


WHOLE = compared(
    record(0, State.SUCCEEDED, 0.5, 1_000_000),
    record(1, State.SUCCEEDED, 0.9, 2_000_000),
    record(2, State.STOPPED, 0.2, 500_000, stopped=True, rungs=(Rung(number=0, accuracy=0.2),)),
)


def test_the_best_stands_first_and_who_waits_last() -> None:
    """Between them by accuracy; a letter for each, in that order."""
    assert [(row.letter, row.overrides, row.state, row.best) for row in WHOLE.rows] == [
        ("a", ("0.01",), "Succeeded", True),
        ("b", ("0.1",), "Succeeded", False),
        ("c", ("0.001",), "behind", False),
        ("d", ("0.0001",), "waiting", False),
    ]


def test_the_plot_has_cost_across_and_accuracy_up() -> None:
    """The best, which cost most, is in the upper right corner; the cheapest is lowest."""
    lines = WHOLE.scatter.text().splitlines()

    assert [lines[0][:8], lines[0][-1]] == [" 90.0% │", "a"]
    assert [lines[11][:8], lines[11][-1]] == [" 20.0% │", "c"]
    assert lines[-1].split() == ["$0.00", "$2.00"]
    assert sum(letter in "".join(lines[:12]) for letter in "abcd") == 3


def test_what_was_free_is_shown_by_its_time() -> None:
    """As on the machine that one sits at."""
    free = compared(record(0, State.SUCCEEDED, 0.5, 0), record(1, State.SUCCEEDED, 0.5, 0))

    assert free.scatter.axis == "time"
    assert free.scatter.text().splitlines()[-1].split() == ["0:00", "1:00"]


def test_a_sweep_of_which_nothing_was_tested_has_a_table() -> None:
    """And no plot."""
    none = compared()

    assert [row.state for row in none.rows] == ["waiting"] * 4
    assert '<svg viewBox="0 0 380' not in none.html()


def test_every_form_has_every_member() -> None:
    """Markdown, the page, and JSON, whose overrides have their fields' names."""
    texts = WHOLE.markdown(), WHOLE.html()
    parser = HTMLParser()
    parser.feed(texts[1])

    assert [member.name in text for text in texts for member in MEMBERS] == [True] * 8
    assert WHOLE.to_json()["members"][0]["overrides"] == {"solver.base_lr": "0.01"}
    assert 'aria-label="Accuracy against cost:' in texts[1]
