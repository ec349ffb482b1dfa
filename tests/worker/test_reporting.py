"""What a worker reports: always a document that its reader takes, whatever the status says."""

import urllib.request
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.errors import BadNetError
from ftjob.runfolder.progress import LARGEST, LONGEST, PATH, UNREAD_SECONDS, Progress
from ftjob.runfolder.status import GpuUse, Status
from ftjob.worker.owner import JobOwner
from ftjob.worker.pod.context import PodContext
from ftjob.worker.pod.reporting import legible, progress_of, reporting
from ftjob.worker.pod.statusport import StatusServer
from ftjob.worker.watch.signals import StopRequest

OWNER = JobOwner(cluster="", namespace="vision", name="faces", uid="1", seconds_before=60.0, usd_before=0.5)
COUNTS = st.integers() | st.integers(-5, 200)
NUMBERS = st.none() | st.floats() | st.integers() | st.just(10**400)
GPUS = st.builds(GpuUse, st.floats(0, 1), st.integers(0, 2**50), st.integers(0, 2**50))
STATUSES = st.builds(
    Status,
    name=st.just("faces"),
    run_id=st.just("a"),
    reason=st.text() | st.sampled_from(["Completed", "A" * 64, "A" * 65, "Completed\n"]),
    message=st.text(max_size=3000) | st.characters().map(lambda letter: letter * 5000),
    iteration=COUNTS,
    max_iter=COUNTS,
    snapshot=st.none() | COUNTS,
    loss=NUMBERS,
    accuracy=NUMBERS,
    best_accuracy=NUMBERS,
    images_per_second=NUMBERS,
    eta_seconds=NUMBERS,
    gpus=st.lists(GPUS, max_size=20).map(tuple),
    exit_code=st.none() | st.integers(),
)


@given(STATUSES, COUNTS)
def test_every_status_makes_a_document_that_is_read_back(status: Status, attempt: int) -> None:
    """Of at most 4096 bytes, with a message that can be seen."""
    document = progress_of(status, OWNER, attempt).render()

    read = Progress.parse(document)
    assert len(document) <= LARGEST
    assert read.message.isprintable()
    assert (read.earlier_seconds, read.earlier_usd) == (60.0, 0.5)


def test_a_sound_status_is_reported_as_it_is() -> None:
    """With the attempt as the cluster numbers it, and the best accuracy so far."""
    status = Status(
        "faces", "a", reason="Completed", message="accuracy 0.7", attempt=7, iteration=30, max_iter=40,
        loss=0.5, accuracy=0.6, best_accuracy=0.7, snapshot=20, tested=10,
        images_per_second=9.5, eta_seconds=3.0, gpus=(GpuUse(0.97, 3, 12),),
    )  # fmt: skip
    expected = {
        "attempt": 2, "stage": "", "iteration": 30, "max_iter": 40, "snapshot": 20, "tested": 10, "loss": 0.5,
        "accuracy": 0.7, "images_per_second": 9.5, "eta_seconds": 3.0, "earlier_seconds": 60.0,
        "gpus": ({"utilization": 0.97, "memory": 3, "memory_total": 12},),
        "earlier_usd": 0.5, "reason": "Completed", "message": "accuracy 0.7", "exit_code": None,
    }  # fmt: skip

    assert progress_of(status, OWNER, 2).model_dump() == expected


def test_a_resumed_attempt_stands_at_its_snapshot() -> None:
    """Before it has restored it, too: what a run has does not fall because an attempt begins."""
    begun = progress_of(Status("faces", "a", iteration=0, snapshot=50), OWNER, 2)

    assert (begun.iteration, begun.snapshot) == (50, 50)


@given(st.text(max_size=3000))
def test_a_legible_text_is_one_short_line(text: str) -> None:
    """Of characters that can be seen; one that is so already is left alone."""
    line = legible(text)

    assert line.isprintable()
    assert len(line) <= LONGEST
    assert legible(line) == line


@pytest.fixture
def pod(tmp_path: Path) -> PodContext:
    """A pod with a file for its termination message."""
    return PodContext(status_port="0", termination_log=tmp_path / "termination-log")


def ended(pod: PodContext) -> dict[str, Any]:
    return Progress.parse(pod.termination_log.read_bytes()).model_dump(exclude_defaults=True)


def test_an_error_is_the_last_word(pod: PodContext) -> None:
    """With its reason and its exit code, which is returned."""
    with reporting(3, pod, StopRequest(), print, in_pod=True) as report:
        assert report.failed(BadNetError("base.net: no such net")) == 3

    expected = {"attempt": 3, "reason": "BadNet", "message": "base.net: no such net", "exit_code": 3}
    assert ended(pod) == expected


@pytest.mark.parametrize("error", [KeyError("heads"), BaseException("panicked"), RecursionError("x" * 5000)])
def test_what_nobody_foresaw_is_reported_and_goes_on(pod: PodContext, error: BaseException) -> None:
    """Also what is no Exception, as a panic of a library in Rust."""
    with pytest.raises(type(error)), reporting(1, pod, StopRequest(), print, in_pod=True):
        raise error

    assert (ended(pod)["reason"], ended(pod)["exit_code"]) == ("InternalError", 1)
    assert type(error).__name__ in ended(pod)["message"]


def test_no_end_is_reported_while_a_worker_lives(pod: PodContext) -> None:
    """The store may still be waiting for what was made."""
    with reporting(1, pod, StopRequest(), print, in_pod=True) as report:
        report.follow(lambda: Status("faces", "a", reason="Completed", exit_code=0))
        assert Progress.parse(report.answer()).exit_code is None

    assert ended(pod)["exit_code"] == 0


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("code", [0, 9, 10])
def test_only_the_end_of_a_worker_that_was_asked_to_stop_waits_for_its_reader(
    pod: PodContext, monkeypatch: pytest.MonkeyPatch, code: int, asked: bool
) -> None:
    """Its pod's end may not be read by the kubelet; however it ended, the port has it."""
    stop, answers = StopRequest(), list[Progress]()

    def wait(server: StatusServer, seconds: float) -> None:
        assert seconds == UNREAD_SECONDS
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{PATH}", timeout=20) as answer:
            answers.append(Progress.parse(answer.read()))

    monkeypatch.setattr(StatusServer, "wait_until_read", wait)
    with reporting(1, pod, stop, print, in_pod=True) as report:
        report.follow(lambda: Status("faces", "a", iteration=9, snapshot=9, exit_code=code))
        if asked:
            stop.notify("the pod is deleted")

    assert [each.exit_code for each in answers] == ([code] if asked else [])
    assert (ended(pod)["snapshot"], ended(pod)["exit_code"]) == (9, code)


def test_no_pod_has_no_port_and_no_last_words(pod: PodContext) -> None:
    """A worker on a machine of one's own writes into its folder only."""
    lines: list[str] = []
    with reporting(1, pod, StopRequest(), lines.append, in_pod=False):
        pass

    assert not pod.termination_log.exists()
    assert lines == []


def test_a_port_or_file_that_cannot_be_had_is_a_line_in_the_log(tmp_path: Path) -> None:
    """And ends nothing."""
    taken = StatusServer(lambda: b"{}", 0)
    lines: list[str] = []
    for port in (str(taken.port), "99999", "-1", "http"):
        pod = PodContext(status_port=port, termination_log=tmp_path / "missing" / "log")
        with reporting(1, pod, StopRequest(), lines.append, in_pod=True):
            pass
    taken.close()

    assert [line.split(" (")[0] for line in lines[::2]] == ["the status port cannot be opened"] * 4
    assert all("termination message cannot be written" in line for line in lines[1::2])
