"""Laws of what pages draw: it is inside its box, and made of numbers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.report.facts import Facts
from ftjob.runfolder.charges import Bill, charges
from ftjob.runfolder.records import metrics
from ftjob.runfolder.status import Attempt, State, Status
from ftjob.ui import follow
from ftjob.ui.plots import documents_of, money_chart
from ftjob.ui.sparkline import HEIGHT, WIDTH, sparkline
from jobspec import parse_spec
from tests.report.folders import SPEC
from tests.ui.served import served

SHARES = st.floats(0, 1)
LOSSES = st.floats(-3.4e38, 3.4e38) | st.none()
ATTEMPTS = st.builds(
    Attempt,
    attempt=st.integers(1, 9),
    node=st.just("p2.xlarge"),
    usd_per_hour=st.floats(0, 100),
    begun=st.floats(0, 2e11),
    seconds=st.floats(0, 1e9),
    usd=st.floats(0, 1e6),
)


@given(st.lists(SHARES, max_size=90), st.lists(LOSSES, max_size=90))
def test_a_sparkline_stays_in_its_box(accuracies: list[float], losses: list[float | None]) -> None:
    """Whatever was measured, at whichever iterations."""
    tests = [
        metrics.TestLine(iteration=7, accuracy=each, top5=None, loss=None, heads={}, images=9, seconds=1.0)
        for each in accuracies
    ]
    train = [metrics.TrainLine(at, loss, 0.1, 1.0, {}) for at, loss in enumerate(losses)]
    line = sparkline(tests, train)

    enough = len(tests) > 1 or sum(loss is not None for loss in losses) > 1
    assert (line is not None) is enough
    for place in re.findall(r"[ML]([^ML]+)", line.path) if line else []:
        x, y = map(float, place.split())
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT


@given(st.lists(ATTEMPTS, max_size=6), st.sampled_from(State), st.none() | st.floats(0, 1e9))
def test_money_never_shrinks(attempts: list[Attempt], state: State, eta: float | None) -> None:
    """From nothing to what all attempts cost, as time goes on."""
    usd = sum(each.usd for each in attempts)
    status = Status("a", "b", state, usd=usd, eta_seconds=eta, usd_estimate=2 * usd, attempts=tuple(attempts))
    rows = tuple(charges(status, attempts))
    chart = money_chart(Facts(status, Bill(rows), spec=parse_spec(SPEC, "spec.yaml")))

    for document in documents_of([chart]):
        for line in document.lines:
            assert line.x == sorted(line.x)
            assert line.y == sorted(line.y)
        assert document.lines[0].y[-1] == pytest.approx(Bill(rows).total.whole.usd, abs=1e-5)
    assert chart.is_empty is not bool(attempts)


def test_pages_beyond_the_most_are_refused(cache: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence."""
    monkeypatch.setattr(follow, "MOST_STREAMS", 1)
    with served() as pages, pages.stream("/runs.events") as events:
        assert "parts" in next(events)
        answer = pages.get("/runs.events")
        assert answer.status == 503
        assert "pages are followed already" in answer.data.decode()
