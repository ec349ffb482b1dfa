"""Laws of a report's figures for programs."""

import re
from dataclasses import asdict
from pathlib import Path

from tests.report.folders import write_run

DOCS = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")


def test_every_field_is_on_the_page_of_the_docs(tmp_path: Path):
    """No more and no fewer, `file` being the command line's own; so of the parts that are reports' own."""
    run = write_run(tmp_path)
    figures = run.report(write_run(tmp_path / "before", right=0.6)).to_json()
    rows = re.findall(r"^\| ((?:`[\w\[\]]+` ?)+) \| (.+) \|$", DOCS, re.MULTILINE)
    fields = {
        field.removesuffix("[]"): told for names, told in rows for field in re.findall(r"`(.+?)`", names)
    }

    assert list(fields) == [*figures, "file"]
    for field in ("budget", "estimate", "against"):
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
