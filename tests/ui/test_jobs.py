"""Work that takes longer than a request: one after the other, bounded, and never lost without a word."""

import threading
import time

import pytest
from starlette.exceptions import HTTPException

from ftjob.errors import BadDataError
from ftjob.ui.work.jobs import KEPT, MOST_WAITING, Job, Jobs, Report

SECONDS = 60


def ended(job: Job[int]) -> Job[int]:
    """The job once it is done."""
    until = time.monotonic() + SECONDS
    while not job.is_done:
        assert time.monotonic() < until
        time.sleep(0.01)
    return job


def test_one_is_done_after_the_other() -> None:
    """Each reports how far it is, while the others wait."""
    jobs, go, begun = Jobs[int](), threading.Event(), threading.Event()

    def work(report: Report) -> int:
        report("half of it")
        begun.set()
        assert go.wait(SECONDS)
        return 7

    first = jobs.start("a", work)
    assert begun.wait(SECONDS)
    second = jobs.start("b", lambda _: 8)
    assert (first.progress, second.progress) == ("half of it", "waiting for others")
    go.set()

    assert (ended(first).result(), ended(second).result()) == (7, 8)
    assert jobs.find(second.id) is second


def test_what_fails_raises_where_its_result_is_asked_for() -> None:
    """Whatever it was, and however often."""

    def fail(_: Report) -> int:
        raise BadDataError("no pictures")

    job = ended(Jobs[int]().start("a", fail))
    for _ in range(2):
        with pytest.raises(BadDataError, match="no pictures"):
            job.result()


def test_too_many_are_refused_and_the_oldest_forgotten() -> None:
    """503 while many wait, 404 for what is gone."""
    jobs, go = Jobs[int](), threading.Event()
    waiting = [jobs.start("a", lambda _: int(go.wait(SECONDS))) for _ in range(MOST_WAITING + 1)]
    with pytest.raises(HTTPException) as busy:
        jobs.start("a", lambda _: 1)
    go.set()
    for job in waiting:
        ended(job)
    later = [ended(jobs.start("a", lambda _: 1)) for _ in range(KEPT)]
    with pytest.raises(HTTPException) as gone:
        jobs.find(waiting[0].id)

    assert (busy.value.status_code, gone.value.status_code) == (503, 404)
    assert jobs.find(later[-1].id) is later[-1]
