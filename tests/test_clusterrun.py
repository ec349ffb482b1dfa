"""Laws of runs on a cluster as the command line sees them, without one: what is sent, what is told."""

import re
from dataclasses import replace
from typing import Any

import pytest

from ftjob import runs
from ftjob.cluster.client import Cluster
from ftjob.cluster.names import State as ClusterState
from ftjob.cluster.objects import read_fine_tune
from ftjob.clusterrun import ClusterRun, out_of_money, refuse_local, status_of
from ftjob.errors import BadSpecError, ExitCode, NotEndedError
from ftjob.runfolder.address import RunAddress
from ftjob.status import State
from jobspec import JobSpec

REMOTE: dict[str, Any] = {
    "name": "emotions",
    "base": {"net": "lenet"},
    "data": {"train": "s3://data/train", "val": "s3://data/val"},
    "output": "s3://runs",
}


SPENT = {
    "state": "Failed",
    "seconds": 3600.0,
    "usd": 0.9,
    "attempts": [{"attempt": 1, "pod": "a", "usdPerHour": 0.9}],
}


def job(**status: Any) -> Any:
    """A FineTuneJob as the server has it."""
    metadata = {"name": "emotions", "namespace": "faces", "generation": 2}
    return read_fine_tune({"metadata": metadata, "spec": REMOTE, "status": status})


@pytest.mark.parametrize("state", list(ClusterState))
def test_every_state_of_a_cluster_is_one_of_a_run(state: ClusterState):
    """The verbs that wait end when, and only when, the controller says that nothing will change."""
    told = status_of(job(state=state.value))

    assert told.state == state.value
    assert told.state.ended == state.ended


def test_the_exit_code_is_that_of_the_last_attempt():
    """`ftjob wait` in a pipeline exits as the worker did."""
    attempts = [
        {"attempt": 1, "pod": "a", "exitCode": 10},
        {"attempt": 2, "pod": "b", "exitCode": 9},
    ]

    assert status_of(job(state="Stopped", attempts=attempts)).exit_code == 9
    assert status_of(job(state="Retrying", attempts=attempts)).exit_code is None
    assert status_of(job(state="Stopped")).state is State.STOPPED


def test_what_it_will_have_cost_is_at_the_price_of_the_last_pod():
    """Spent, and the time that is left; nothing is said where no time is known, or none runs."""
    attempts = [
        {"attempt": 1, "pod": "a", "usdPerHour": 0.27},
        {"attempt": 2, "pod": "b", "usdPerHour": 0.9},
    ]
    running = {"state": "Running", "usd": 0.5, "attempts": attempts}

    assert status_of(job(**running, etaSeconds=1200.0)).usd_estimate == pytest.approx(0.8)
    assert [each.usd_per_hour for each in status_of(job(**running)).attempts] == [0.27, 0.9]
    assert status_of(job(**running)).usd_estimate is None
    assert status_of(job(state="Pending", etaSeconds=1200.0)).usd_estimate is None


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({}, ""),
        ({"usd": 1.0}, ""),
        ({"usd": 0.9}, "raise budget.usd to go on"),
        ({"usd": 9.0, "hours": 1.0}, "raise budget.hours to go on"),
    ],
)
def test_a_retry_that_nothing_pays_for_is_refused(budget: dict[str, float], told: str):
    """In a sentence, before the cluster is asked; $0.90 and an hour are spent."""
    found = out_of_money(replace(job(**SPENT, minAttemptSeconds=30.0), spec={**REMOTE, "budget": budget}))

    assert found.endswith(told)
    assert bool(found) is bool(told)


@pytest.mark.parametrize(
    ("least", "usd", "refused"),
    [(120.0, 0.91, True), (5.0, 0.905, False), (30.0, 0.905, True), (None, 0.9, False)],
)
def test_a_retry_is_refused_by_the_clusters_own_setting(least: float | None, usd: float, refused: bool):
    """40 s, or 20 s, are left. A controller that does not write its setting down decides for itself."""
    setting = {} if least is None else {"minAttemptSeconds": least}
    found = out_of_money(replace(job(**SPENT, **setting), spec={**REMOTE, "budget": {"usd": usd}}))

    assert bool(found) is refused


@pytest.mark.parametrize(
    ("section", "change", "told"),
    [
        ("base", {"net": "/here/net.prototxt"}, "base.net: /here/net.prototxt is on this machine only"),
        ("base", {"weights": "/w.caffemodel"}, "base.weights: /w.caffemodel is on this machine only"),
        ("data", {"train": "/faces"}, "data.train: /faces is on this machine only: `ftjob data build`"),
        ("data", {"mean": "/mean.binaryproto"}, "data.mean: /mean.binaryproto is on this machine only"),
    ],
)
def test_what_a_cluster_cannot_reach_is_named(section: str, change: dict[str, str], told: str):
    """Before anything is created, with what to do."""
    spec = JobSpec.model_validate({**REMOTE, section: {**REMOTE[section], **change}})

    with pytest.raises(BadSpecError, match=re.escape(told)):
        refuse_local(spec)
    refuse_local(JobSpec.model_validate(REMOTE))


def test_what_was_submitted_to_a_cluster_is_found_by_its_name():
    """Also where the context has slashes, as those of EKS do; and not as a folder on this disk."""
    context = "arn:aws:eks:us-east-1:1234:cluster/training"
    note = str(RunAddress.on_cluster(context, "faces", "emotions", "1f3b9c02aa"))

    runs.remember(note)

    assert runs.find_run("emotions") == note
    assert note == f"ftj://{context}/faces/emotions/1f3b9c02aa"


def test_who_waits_no_longer_learns_where_the_run_stands(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ClusterRun, "job", lambda _: job(state="Retrying"))

    with pytest.raises(NotEndedError, match="emotions: is Retrying after 0 s: wait again") as ended:
        ClusterRun(Cluster("faces", None, None), "emotions").wait(0)
    assert ended.value.exit_code is ExitCode.PREEMPTED
