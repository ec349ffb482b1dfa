"""Several runs in one plot and table, and the members of a sweep."""

import json
from pathlib import Path

import pytest

from ftjob import api
from ftjob.client import registry
from ftjob.fs import files
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status, render
from ftjob.sweep.record import MemberRecord, SweepRecord
from jobspec import members, parse_spec
from tests.hostile_runs import finished
from tests.ui.markup import page_of
from tests.ui.served import Pages

SWEEP = """\
name: digits
base: {{net: lenet}}
data: {{train: /a, val: /b}}
sweep: {{solver.base_lr: [0.1, 0.01, 0.001]}}
output: {output}
"""


@pytest.fixture
def two(tmp_path: Path, emotions: RunFolder) -> str:
    """The query that names two runs."""
    finished(tmp_path, "faces")
    return "run=emotions/1f3b9c02aa&run=faces"


def sweep_under_way(root: Path) -> RunFolder:
    """Write a sweep of which two members were tested and one waits."""
    text = SWEEP.format(output=root / "runs")
    names = [member.name for member in members(parse_spec(text, "spec.yaml"))]
    folder = RunFolder(root / "runs" / "digits" / "sweep-0123456789")
    records = (
        MemberRecord(name=names[0], state=State.SUCCEEDED, accuracy=0.5, spent_microdollars=1_000_000),
        MemberRecord(name=names[1], state=State.RUNNING, accuracy=0.75, spent_microdollars=2_000_000),
    )
    files.write_text(folder.spec, text)
    files.write_text(folder.sweep, SweepRecord(members=records).render())
    files.write_text(folder.status, render(Status("digits", folder.root.name, State.STOPPED)))
    registry.remember(str(folder.root))
    return folder


@pytest.fixture
def sweep(tmp_path: Path, cache: Path) -> RunFolder:
    """A sweep that is under way."""
    return sweep_under_way(tmp_path)


def test_runs_are_compared_as_by_the_verb(pages: Pages, two: str) -> None:
    """The same cells, and all curves in one plot."""
    compared = api.compare(["emotions", "faces"])
    shown, written = page_of(pages.text(f"/compare?{two}")), page_of(compared.html())

    assert shown.rows("runs") == written.rows("runs")
    assert compared.comparison.differences[0].run in shown.by_id("main").text
    charts = json.loads(pages.text(f"/compare.json?{two}"))
    assert [[line["name"] for line in each["lines"]] for each in charts] == 2 * [
        ["emotions/1f3b9c02aa", "faces/1f3b9c02aa"]
    ]


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("", 422, "compare: 0 runs: give 2 to 20 of them"),
        ("run=emotions", 422, "compare: 1 runs"),
        ("&".join(["run=emotions"] * 21), 422, "compare: 21 runs"),
        ("run=emotions&run=none", 422, "none: no such run"),
        ("run=emotions&run=/etc", 404, "/etc: is no run"),
        ("run=emotions&run=s3://bucket/a/b", 404, "is no run"),
    ],
)
def test_what_cannot_be_compared_is_named(
    pages: Pages, emotions: RunFolder, query: str, status: int, sentence: str
) -> None:
    """In one sentence; no path or store that an address names is opened."""
    answer = pages.get(f"/compare?{query}")

    assert answer.status == status
    assert sentence in page_of(answer.data.decode()).by_id("main").text


def test_a_sweep_has_its_members(pages: Pages, sweep: RunFolder) -> None:
    """The table of `ftjob compare --sweep`, the best that ended first, each a link; the plot in words."""
    text = pages.text(f"/runs/digits/{sweep.root.name}")
    shown, written = page_of(text), page_of(api.compare_sweep("digits").html())

    assert shown.rows("members") == written.rows("members")
    assert [row[-3] for row in shown.rows("members")[1:]] == ["50.0%", "75.0%", "–"]
    links = [each.attributes["href"] for each in shown.by_id("members").all("a")]
    assert links == [f"/runs/{row.name}" for row in api.compare_sweep("digits").rows]
    assert "Accuracy against cost" in text


def test_a_sweep_is_followed(pages: Pages, sweep: RunFolder) -> None:
    """Its members as they stand, and its end."""
    with pages.stream(f"/runs/digits/{sweep.root.name}/members.events") as events:
        first = next(events)
        assert "75.0%" in first["parts"]["members-now"]
        assert first["ended"]
