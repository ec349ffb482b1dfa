"""When the figures of a running attempt are written: often at first, and seldom in the end."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from ftjob.cluster.policy.actions import WriteStatus
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.objects import FineTune
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.runfolder.progress import Progress
from tests.cluster.unit.builders import NOW, begun, fine_tune, job_object, pod_object, seen

RUN = Progress(attempt=1, max_iter=100_000, accuracy=0.5)


def changed(**changes: Any) -> Progress:
    return RUN.model_copy(update=changes)


def job(**status: Any) -> FineTune:
    return fine_tune(status=begun(**status), budget={"hours": 1000})


def update_at(
    before: FineTune, age: float, run: Progress = RUN, config: Config | None = None
) -> FineTuneStatus | None:
    """What is written of a run that began at NOW, when its pod is so many seconds old."""
    pod = pod_object(run.attempt, scheduled=NOW)
    observed = seen(before, [job_object(run.attempt)], [pod], report=run, config=config or Config())
    writes = [action.status for action in decide(observed, NOW + age) if isinstance(action, WriteStatus)]
    return writes[0] if writes else None


def update_ages(hours: float, config: Config | None = None) -> list[float]:
    """The ages at which a run of so many hours has its status written; it is looked at every five seconds."""
    ages: list[float] = []
    before = job()
    for age in range(0, int(hours * 3600), 5):
        written = update_at(before, age, changed(iteration=age), config)
        if written:
            ages.append(age)
            before = replace(before, status=written)
    return ages


def test_figures_are_written_every_half_minute_at_first() -> None:
    """However often somebody looks."""
    assert update_ages(0.05) == [0, 30, 60, 90, 120, 150]


@pytest.mark.slow
def test_figures_are_never_further_behind_than_a_tenth_of_the_attempt() -> None:
    """Or than half a minute, where that is longer; and the look that writes them may be a little late."""
    ages = update_ages(2)

    assert all(after - before <= max(30, 0.1 * after) + 5 for before, after in pairwise(ages))


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "at_most"), [(1 / 12, 10), (1, 34), (10, 56)])
def test_the_number_of_updates_grows_with_the_logarithm_of_a_runs_length(hours: float, at_most: int) -> None:
    """Ten in the first five minutes, then one for every ninth part that the attempt grows by."""
    assert 0.8 * at_most <= len(update_ages(hours)) <= at_most


def test_an_administrator_may_have_figures_written_evenly() -> None:
    """With a share of nothing they are written as often as at first, for ever."""
    assert len(update_ages(1, Config(progress_share=0.0))) == 120


def test_news_is_written_at_once() -> None:
    """A better accuracy is; a snapshot, which comes every so often, is written with the figures."""
    before = replace(job(), status=update_at(job(), 36_000) or FineTuneStatus())

    assert update_at(before, 36_010, changed(iteration=5, snapshot=5)) is None
    assert update_at(before, 36_010, changed(accuracy=0.6)) is not None


def test_a_new_attempt_is_updated_often_again() -> None:
    """Its age counts, not the run's."""
    long_ago = {"attempt": 1, "pod": "pod-0", "seconds": 36_000.0, "ended": "2026-11-22T01:00:00Z"}
    before = job(attempts=[long_ago], attempt=2)
    status = update_at(before, 60, changed(attempt=2))
    assert status

    assert update_at(replace(before, status=status), 95, changed(attempt=2, iteration=9)) is not None
