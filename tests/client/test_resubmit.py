"""A run whose baseline is `run:` and its own name: submitted again, that name means the run itself."""

from pathlib import Path

from ftjob.client.local_run import enlist
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
