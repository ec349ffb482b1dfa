"""A run's folder as the cluster touches it, and the figures it takes from a plan."""

import json
from pathlib import Path

import pytest

from benchmarks.plan import write_lmdb
from ftjob.cluster.enlist import enlist, read_run
from ftjob.cluster.figures import annotated, annotation_of, figures_of
from ftjob.cluster.names import ANNOTATION_PLAN
from ftjob.cluster.status import Figures
from ftjob.errors import BadSpecError, StorageError
from ftjob.prepare import Context, absolute, prepare
from ftjob.status import Status, render
from jobspec import Accept, Budget, JobSpec, load_spec, parse_spec

SPEC = """
name: emotions
base: {net: lenet, weights: "run:faces"}
data: {train: s3://data/train, val: s3://data/val}
accept: {not_below: "run:faces"}
output: s3://runs
"""
CONTEXT = Context(weights_of=lambda name: f"s3://runs/{name}/weights", accuracy_of=lambda _: 0.8)


@pytest.fixture
def spec() -> JobSpec:
    return parse_spec(SPEC, "spec.yaml")


def test_the_spec_is_written_with_what_its_references_mean(spec: JobSpec, tmp_path: Path) -> None:
    """A worker finds URIs and numbers, and needs to know of no other run."""
    enlist(str(tmp_path), spec, CONTEXT)
    written = load_spec(tmp_path / "spec.yaml")

    assert (written.base.weights, written.accept.accuracy) == ("s3://runs/faces/weights", 0.8)


def test_what_may_change_is_taken_over_and_the_rest_is_kept(spec: JobSpec, tmp_path: Path) -> None:
    """A budget is, another net is not; and a run that is gone meanwhile is not asked for again."""

    def gone(_: str) -> str:
        raise BadSpecError("no such run")

    enlist(str(tmp_path), spec, CONTEXT)
    changed = spec.model_copy(update={"budget": Budget(usd=3.0), "output": "s3://elsewhere"})
    enlist(str(tmp_path), changed, Context(weights_of=gone))
    written = load_spec(tmp_path / "spec.yaml")

    assert (written.budget.usd, written.output, written.accept) == (3.0, "s3://runs", Accept(accuracy=0.8))


def test_enlisting_twice_writes_once(spec: JobSpec, tmp_path: Path) -> None:
    """A controller that died in between does no harm to a worker that has begun."""
    enlist(str(tmp_path), spec, CONTEXT)
    before = (tmp_path / "spec.yaml").stat()
    enlist(str(tmp_path), spec, CONTEXT)
    after = (tmp_path / "spec.yaml").stat()

    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_status_is_read_and_its_absence_is_no_error(tmp_path: Path) -> None:
    """A run that nobody has begun has none; one that cannot be read is told with its place."""
    assert read_run(str(tmp_path)) is None
    (tmp_path / "status.json").write_text(render(Status("emotions", "1f3b9c02aa", iteration=7)))
    found = read_run(str(tmp_path))
    assert found
    assert found.iteration == 7
    (tmp_path / "status.json").write_text("{")
    with pytest.raises(StorageError, match=r"status\.json: is no run's status"):
        read_run(str(tmp_path))


def test_figures_are_taken_from_a_plan_and_survive_an_annotation(tmp_path: Path) -> None:
    """What `ftjob plan -o json` says has all that the cluster needs."""
    write_lmdb(tmp_path / "train", 40, channels=1, side=28)
    write_lmdb(tmp_path / "val", 20, channels=1, side=28)
    text = (
        "name: a\nbase: {net: lenet}\ndata: {train: train, val: val}\nsolver: {max_iter: 50}\noutput: runs\n"
    )
    context = Context(tmp_path, to_train=False)
    plan = prepare(absolute(parse_spec(text, "spec.yaml"), context), context)
    figures = figures_of(json.loads(json.dumps(plan.to_json())), data_bytes=1000)

    assert (figures.run_id, figures.engine, figures.max_iter) == (plan.run_id, "caffe", 50)
    assert figures.memory_bytes > figures.snapshot_bytes > 2 * 4 * 400_000
    assert annotated({ANNOTATION_PLAN: annotation_of(figures)}) == figures


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"runId": 3}', '{"runId": "a", "snapshotBytes": "many"}'])
def test_an_annotation_that_is_no_plan_is_passed_over(text: str) -> None:
    """The controller plans by itself then."""
    assert annotated({ANNOTATION_PLAN: text}) is None
    assert annotated({ANNOTATION_PLAN: '{"runId": "a"}'}) == Figures(run_id="a")
