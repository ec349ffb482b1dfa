"""Laws of a report's figures for programs."""

import json
import re
from dataclasses import asdict
from pathlib import Path

from ftjob.report.render import ComparisonReport
from ftjob.runfolder.records.acceptance import Acceptance, Requirement
from tests.report.folders import write_run

DOCS = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")


ACCEPTANCE = Acceptance(
    on=None,
    images=284,
    accuracy=0.7,
    requirements=(
        Requirement(field="accept.accuracy", met=False, message="accept.accuracy: 0.8 is required"),
    ),
)


def fields_of(title: str) -> dict[str, str]:
    """The fields in the table below a title of docs/report.md, with what they mean."""
    [section] = re.findall(rf"^## {title}\n(.+?)(?=^## |\Z)", DOCS, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| ((?:`[\w\[\]]+` ?)+) \| (.+) \|$", section, re.MULTILINE)
    return {
        field.removesuffix("[]"): meaning
        for names, meaning in rows
        for field in re.findall(r"`(.+?)`", names)
    }


def test_every_field_is_on_the_page_of_the_docs(tmp_path: Path):
    """No more and no fewer, `file` being the command line's own; so of the parts that are reports' own."""
    run = write_run(tmp_path)
    run.folder.acceptance.write_text(json.dumps(ACCEPTANCE.to_json()))
    figures = run.report(write_run(tmp_path / "before", right=0.6)).to_json()
    fields = fields_of("For programs")

    assert list(fields) == [*figures, "file"]
    for field in ("budget", "estimate", "against", "acceptance"):
        assert set(figures[field]) <= set(re.findall(r"`(\w+)", fields[field]))
    for field in ("classes", "confused"):
        assert set(figures[field][0]) == set(re.findall(r"`(\w+)`", fields[field]))


def test_figures_are_of_the_files(tmp_path: Path):
    """Classes are evaluation.json's, the estimate is plan.json's, the budget is the spec's."""
    run = write_run(tmp_path)
    figures = run.report().to_json()

    assert figures["classes"] == [asdict(each) for each in run.evaluation().classes]
    assert figures["estimate"] == {"seconds": 4000.0, "usd": 0.3}
    assert figures["budget"] == {"usd": 4.0, "hours": None}
    assert figures["against"] is None


def test_every_field_of_a_comparison_is_on_the_page_of_the_docs(tmp_path: Path):
    """No more and no fewer, those inside its lists too."""
    runs = (write_run(tmp_path / "before", right=0.6), write_run(tmp_path))
    figures = ComparisonReport(tuple(each.facts() for each in runs)).to_json()
    fields = fields_of("Comparing runs")

    assert list(fields) == list(figures)
    for field, inside in figures.items():
        described = set(re.findall(r"`(\w+)", fields[field]))
        assert set(inside[0] if inside else ["field", "values"]) <= described, field
    difference = figures["differences"][0]
    described = set(re.findall(r"`(\w+)", fields["differences"]))
    assert {*difference["counts"], *difference["gained"][0]} <= described
