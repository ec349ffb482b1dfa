"""What CI systems read of a run's end: its exit code first of all."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ftjob.cli.app import app
from ftjob.errors import BadSpecError
from ftjob.runfolder.status import State
from tests.report.folders import write_run

FAILED: dict[str, Any] = {
    "state": State.FAILED,
    "reason": "NotAccepted",
    "message": "accept.accuracy: 0.8000 is required, 0.7500 was reached",
    "exit_code": 11,
}


@pytest.mark.parametrize(("status", "code"), [({}, 0), (FAILED, 11)])
def test_waiting_writes_what_ci_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], code: int
) -> None:
    """JUnit's XML, replaced; and the comment, after what other steps wrote."""
    run, junit, summary = write_run(tmp_path, **status), tmp_path / "run.xml", tmp_path / "summary.md"
    junit.write_text("old")
    summary.write_text("# Steps\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ended = CliRunner().invoke(app, ["wait", run.location, "--junit", str(junit)])

    assert ended.exit_code == code
    assert ET.parse(junit).getroot()[0].get("errors") == "0"
    assert summary.read_text() == "# Steps\n" + run.report().markdown()


@pytest.mark.parametrize(("status", "code"), [({}, 5), (FAILED, 11)])
@pytest.mark.parametrize("variable", [True, False])
def test_a_failed_write_does_not_hide_a_worse_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], code: int, variable: bool
) -> None:
    """A run that was not accepted is that, and a good one is not green without its report."""
    run, words = write_run(tmp_path, **status), []
    if variable:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    else:
        words = ["--junit", str(run.folder.spec / "run.xml")]
    ended = CliRunner().invoke(app, ["wait", run.location, *words])

    assert ended.exit_code == code
    assert "cannot be written" in ended.stderr


def test_without_junit_or_summary_nothing_is_written(tmp_path: Path) -> None:
    """Nor is the report read: waiting needs the status alone."""
    run = write_run(tmp_path)
    run.folder.plan.write_text("{")

    assert CliRunner().invoke(app, ["wait", run.location]).exit_code == 0


def test_a_submit_that_does_not_wait_has_no_end_to_write(tmp_path: Path) -> None:
    """It is refused before anything is planned."""
    ended = CliRunner().invoke(app, ["submit", "nothing.yaml", "--junit", str(tmp_path / "run.xml")])

    assert isinstance(ended.exception, BadSpecError)
    assert str(ended.exception) == "submit: --junit is written when the run has ended: add --wait"
