"""Stages where people look: the status, the run's page, and a comparison."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from ftjob.cli.view.results import compared
from ftjob.cli.view.runs import status_view
from ftjob.client.local_run import Run
from ftjob.report.compare.comparison import compare
from ftjob.report.compare.comparison_page import render_comparison
from ftjob.report.compare.differences import spec_differences
from ftjob.report.compare.summary import render_summary
from ftjob.report.page import render_page
from ftjob.runfolder.status import StageResult, State, Status
from jobspec import JobSpec, parse_spec
from tests.report.folders import SPEC, write_run

STAGES = (
    StageResult("few", "0123456789", State.SUCCEEDED, 900, 900, 0.5, 0.0, 0.0, "89abcdef01"),
    StageResult("many", "1f3b9c02aa", State.SUCCEEDED, 4000, 4000, 0.75, 4400.0, 0.575),
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with two stages, the first from another run."""
    return write_run(tmp_path / "runs", stage_results=STAGES)


def text_of(shown: RenderableType) -> list[str]:
    """The lines that a terminal shows."""
    console = Console(file=StringIO(), width=160)
    console.print(shown)
    assert isinstance(console.file, StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_status_has_a_line_for_each_stage() -> None:
    """And says which one is under way."""
    coming = (*STAGES[:1], StageResult("many", "1f3b9c02aa", State.RUNNING, 40, 4000, 0.25, 60.0, 0.15))
    status = Status("emotions", "1f3b9c02aa", State.RUNNING, stage="train", stage_results=coming)

    head, *lines = text_of(status_view(status))

    assert head.endswith("Running train stage many (2 of 2)")
    assert "stage few Succeeded 900/900 accuracy 50.0% 0:00, from run 89abcdef01, $0" in lines
    assert "stage many Running 40/4000 accuracy 25.0% 1:00, $0.15" in lines


def test_stages_differ_in_the_fields_that_they_write() -> None:
    """Each by its place in the spec, and beside them how many stages there are."""

    def staged(stages: str) -> JobSpec:
        return parse_spec(f"{SPEC}{stages}", "spec.yaml")

    specs = [
        staged(""),
        staged("stages: [{}, {solver: {base_lr: 0.1}}]"),
        staged("stages: [{}, {solver: {base_lr: 0.2}, surgery: {freeze: {up_to: conv1}}}]"),
    ]

    assert {each.field: each.values for each in spec_differences(specs)} == {
        "stages": ("0", "2", "2"),
        "stages[1].solver.base_lr": ("null", "0.1", "0.2"),
        "stages[1].surgery.freeze": ("null", "null", '{"up_to": "conv1"}'),
    }


def test_a_page_and_a_comparison_have_the_money_of_each_stage(run: Run, tmp_path: Path) -> None:
    """Beside its accuracy; a run without stages has no such rows."""
    other = write_run(tmp_path / "others").facts()
    comparison = compare([run.facts(), other])

    page, beside = render_page(run.facts()), render_comparison(comparison, {})

    assert 'id="run-stages"' in page
    assert "run 89abcdef01" in page
    assert 'id="run-stages"' not in render_page(other)
    assert "| stage `many` | 75.0% | – | – | – | $0.57 | 1h13 |" in render_summary(comparison)
    assert "stage many 75.0% $0.57 1h13" in text_of(compared(comparison))
    assert beside.count(">stage ") == len(STAGES)
