"""Runs that are submitted again: one whose baseline is `run:` and its own name, and a sweep's member."""

from pathlib import Path

import pytest

from ftjob import api
from ftjob.client.local_run import enlist
from ftjob.errors import BadSpecError
from ftjob.runfolder.records.plan import read_plan
from jobspec import JobSpec, dump_spec, load_spec
from tests.report.folders import write_run


def accepting(spec: JobSpec, baseline: str, margin: float = 0.0) -> JobSpec:
    accept = spec.accept.model_copy(update={"not_below": baseline, "margin": margin})
    return spec.model_copy(update={"accept": accept})


def test_the_baseline_of_the_first_submit_stays(tmp_path: Path) -> None:
    """The run is not compared with itself; another baseline replaces the first."""
    run = write_run(tmp_path)
    path, plan = run.folder.spec, read_plan(run.folder.plan)
    spec = load_spec(path)
    path.write_text(dump_spec(accepting(spec, "/runs/emotions/0c5d21aa90", 0.01)))

    enlist(run, accepting(spec, run.location), plan, None)
    assert (load_spec(path).accept.not_below, load_spec(path).accept.margin) == (
        "/runs/emotions/0c5d21aa90",
        0.01,
    )
    enlist(run, accepting(spec, "/runs/emotions/ffffffffff"), plan, None)
    assert load_spec(path).accept.not_below == "/runs/emotions/ffffffffff"


def test_a_member_of_a_sweep_is_not_retried_or_submitted_by_itself(tmp_path: Path) -> None:
    """The sweep has granted to others what it left; it is named, and nothing begins."""
    run = write_run(tmp_path, state="Failed")
    path = run.folder.spec
    path.write_text(dump_spec(load_spec(path).model_copy(update={"member_of": "faces"})))

    with pytest.raises(BadSpecError, match=r"is a member of the sweep faces, .*: retry faces"):
        run.retry()
    with pytest.raises(BadSpecError, match=r"^member_of: .* submit the sweep"):
        api.submit_to_cluster(path)
