"""What a pod is given of a spec, and the figures that the cluster takes from a plan."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plan import write_lmdb
from ftjob.cluster.controller.resolve import without_references
from ftjob.cluster.policy.job_context import JobProblem
from ftjob.cluster.policy.planning import plan_name, planned_by_pod
from ftjob.cluster.policy.reports import report_of
from ftjob.cluster.resource.figures import annotated, annotation_of, figures_of
from ftjob.cluster.resource.names import ANNOTATION_PLAN
from ftjob.cluster.resource.objects import read_job, read_pod
from ftjob.cluster.resource.request import identity_of
from ftjob.cluster.resource.status import Figures
from ftjob.errors import BadSpecError
from ftjob.net.zoo.published import get_published
from ftjob.prepare.prepare import Context, absolute, prepare
from ftjob.runfolder.references import resolved
from jobspec import JobSpec, parse_spec
from jobspec.locations import with_values
from tests.cluster.unit.builders import (
    FIGURES,
    ended_pod,
    plan_job_object,
    plan_pod_object,
    pod_object,
    report,
    request_of,
)

SPEC = """
name: emotions
base: {net: lenet, weights: "run:faces"}
data: {train: s3://data/train, val: s3://data/val}
accept: {not_below: "run:faces"}
output: s3://runs
"""
PLAN = plan_name("emotions", request_of().identity)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@pytest.fixture
def spec() -> JobSpec:
    return parse_spec(SPEC, "spec.yaml")


def test_money_and_guards_of_a_stage_are_no_other_run() -> None:
    """As those of a spec without stages; what it trains is."""

    def identity(second: str) -> str:
        return identity_of(parse_spec(f"{SPEC}budget: {{usd: 3}}\nstages: [{{}}, {second}]\n", "spec.yaml"))

    plain = identity("{solver: {base_lr: 0.1}}")

    assert identity("{solver: {base_lr: 0.1}, budget: 40%, guards: {patience: 3}, name: late}") == plain
    assert identity("{solver: {base_lr: 0.2}}") != plain


def test_a_pod_is_given_a_spec_without_references(spec: JobSpec) -> None:
    """It finds URIs, and needs to know no name of another run."""
    made = resolved(
        spec, lambda name: f"s3://runs/{name}/weights", lambda text: f"s3://runs/{text.removeprefix('run:')}"
    )

    assert (made.base.weights, made.accept.not_below) == ("s3://runs/faces/weights", "s3://runs/faces")


class Received:
    """A cache of FineTuneJobs that were received."""

    def __init__(self, **states: str) -> None:
        self.states = states

    def item(self, key: str) -> dict[str, Any] | None:
        name = key.removeprefix("team/")
        if name not in self.states:
            return None
        status = {"state": self.states[name], "folder": f"s3://runs/{name}/0123456789"}
        return {"metadata": {"name": name, "namespace": "team"}, "status": status}


def test_a_baseline_is_the_folder_of_a_run_that_has_ended(spec: JobSpec) -> None:
    """Well or not: what its evaluation lacks, the pod finds before it trains."""
    for state in ("Succeeded", "Failed"):
        cache: Any = Received(faces=state)
        made = without_references(spec, cache, "team")

        assert made.accept.not_below == "s3://runs/faces/0123456789"
        assert made.base.weights == "s3://runs/faces/0123456789/bundle/weights.caffemodel"


def test_published_weights_are_an_address_for_a_pod(spec: JobSpec) -> None:
    """The controller opens nothing: it knows the table."""
    cache: Any = Received(faces="Succeeded")
    named = with_values(spec, {"base.weights": "known:bvlc_googlenet"})

    assert without_references(named, cache, "team").base.weights == str(
        get_published("known:bvlc_googlenet").file
    )
    with pytest.raises(BadSpecError, match="no published weights are called known:x"):
        without_references(with_values(spec, {"base.weights": "known:x"}), cache, "team")


@pytest.mark.parametrize(
    ("cache", "sentence"),
    [
        (Received(eyes="Succeeded"), "base.weights: no FineTuneJob faces with a run is in namespace team"),
        (Received(faces="Running"), "accept.not_below: faces has not ended yet: wait for it"),
    ],
)
def test_a_run_that_is_not_there_is_named(spec: JobSpec, cache: Any, sentence: str) -> None:
    """With the field that names it."""
    with pytest.raises(BadSpecError, match=sentence):
        without_references(spec, cache, "team")


def test_figures_are_taken_from_a_plan_and_survive_an_annotation(tmp_path: Path) -> None:
    """A plan has all that the cluster needs."""
    write_lmdb(tmp_path / "train", 40, channels=1, side=28)
    write_lmdb(tmp_path / "val", 20, channels=1, side=28)
    text = (
        "name: a\nbase: {net: lenet}\ndata: {train: train, val: val}\nsolver: {max_iter: 50}\noutput: runs\n"
    )
    context = Context(tmp_path, to_train=False)
    plan = prepare(absolute(parse_spec(text, "spec.yaml"), context), context)
    figures = figures_of(plan)

    assert (figures.run_id, figures.engine, figures.max_iter) == (plan.run_id, "caffe", 50)
    assert figures.memory_bytes > figures.snapshot_bytes > 2 * 4 * 400_000
    text = annotation_of(figures, identity_of(plan.spec))
    assert annotated({ANNOTATION_PLAN: text}, identity_of(plan.spec)) == figures
    assert annotated({ANNOTATION_PLAN: text}, "of another spec") is None


HINT = json.loads(annotation_of(FIGURES, "i"))


@pytest.mark.parametrize(
    "change",
    [
        {"runId": "../../other"},
        {"runId": 7},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"usd": 1e300},
        {"memoryBytes": -5},
        {"memoryBytes": 2**60},
        {"maxIter": 1.5},
        {"engine": "evil"},
        {"identity": None},
    ],
)
def test_a_hint_that_cannot_be_true_is_none(change: dict[str, object]) -> None:
    """Types, ranges and finite numbers, or the run is planned by a pod."""
    assert annotated({ANNOTATION_PLAN: json.dumps(HINT)}, "i") == FIGURES
    assert annotated({ANNOTATION_PLAN: json.dumps({**HINT, **change})}, "i") is None


@given(st.text() | JSON.map(json.dumps) | st.just("[" * 5000) | st.just("{" * 3000))
def test_any_annotation_and_any_last_words_are_taken_or_refused(text: str) -> None:
    """Without an exception: one object's user does not stop the controller."""
    assert annotated({ANNOTATION_PLAN: text}, "i") is None
    found = planned_by_pod(PLAN, [read_job(plan_job_object(PLAN))], [read_pod(plan_pod_object(PLAN, text))])
    assert isinstance(found, JobProblem)
    progress, refused = report_of([read_pod(ended_pod(1, terminated={"message": text}))], None)
    assert progress is None
    assert bool(refused) is text.startswith("{")


def planned(words: str | None, code: int = 0, **more: object) -> Figures | JobProblem | None:
    jobs, pods = [read_job(plan_job_object(PLAN))], [read_pod(plan_pod_object(PLAN, words, code, **more))]
    return planned_by_pod(PLAN, jobs, pods)


def test_a_plan_pod_leaves_figures_or_a_refusal() -> None:
    """As its termination message; while it runs there is nothing."""
    left = json.dumps({"plan": FIGURES.model_dump(by_alias=True)})
    refusal = {"reason": "BadNet", "message": "layer conv1: no bottom", "passing": False}

    assert planned(None) is None
    assert planned(left) == FIGURES
    assert planned(json.dumps({"trouble": refusal}), 3) == JobProblem("BadNet", "layer conv1: no bottom")


@pytest.mark.parametrize(
    ("words", "code", "more", "sentence"),
    [
        (
            "Traceback (most recent call last)…",
            1,
            {},
            "the pod that plans ended with exit code 1 and left no plan",
        ),
        ("", 137, {"terminated": {"reason": "OOMKilled"}}, "planning used more memory than its pod may have"),
        ("exec: no file", 127, {"terminated": {"reason": "StartError"}}, "cannot be started: exec: no file"),
        (json.dumps({"trouble": {"reason": "x y", "message": ""}}), 3, {}, "left no plan"),
        (json.dumps({"plan": {"runId": "../x"}}), 0, {}, "left no plan"),
        (json.dumps({"plan": {}, "padding": "x" * 5000}), 0, {}, "left no plan"),
    ],
)
def test_a_plan_pod_that_leaves_nothing_of_use_is_reported(
    words: str, code: int, more: dict[str, object], sentence: str
) -> None:
    """Nothing of what it left is quoted, only what its node wrote."""
    found = planned(words, code, **more)

    assert isinstance(found, JobProblem)
    assert found.reason == "NotPlanned"
    assert sentence in found.message


def test_a_plan_job_that_took_too_long_or_lost_its_pod_is_reported() -> None:
    """The first is final; the second is tried again."""
    late = read_job(plan_job_object(PLAN, end="Failed", reason="DeadlineExceeded"))
    lost = read_job(plan_job_object(PLAN, end="Failed"))

    assert [getattr(planned_by_pod(PLAN, [job], []), "passing", None) for job in (late, lost)] == [
        False,
        True,
    ]


def test_the_last_words_of_the_newest_pod_count() -> None:
    """Before those of earlier attempts, and before what it answered while it ran."""
    old = ended_pod(10, 1, terminated={"message": report(1, iteration=600).render().decode()})
    new = ended_pod(0, 2, terminated={"message": report(2, iteration=900, exit_code=0).render().decode()})
    answer = report(2, iteration=800)

    assert report_of(map(read_pod, (old, new)), answer) == (report(2, iteration=900, exit_code=0), "")
    assert report_of(map(read_pod, (old, pod_object(2))), answer) == (answer, "")
    assert report_of([], answer) == (None, "")


def test_a_pod_reports_of_its_own_attempt_only() -> None:
    """Another one's figures are passed over, and the reason is given."""
    found, refused = report_of([read_pod(pod_object(2))], report(7))

    assert found is None
    assert refused == "pod pod-2: it reports attempt 7, and its own is 2"
