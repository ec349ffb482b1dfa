"""Laws of the comment for a pull request, and of the example that docs/report.md shows."""

import re
from pathlib import Path

import pytest

from ftjob.report.ci.codespan import code
from ftjob.runfolder.status import State
from tests.report.folders import SEVEN, write_run

DOCS = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")


def test_the_example_shown_is_what_is_printed(tmp_path: Path):
    """That of docs/report.md is of the run of these tests, held against a worse one."""
    before = write_run(tmp_path / "before", right=0.6, seconds=3000.0, usd=0.225, attempts=())
    comment = write_run(tmp_path / "now").report(before).markdown()

    [shown] = re.findall(r"```markdown\n(.+?)```", DOCS, re.DOTALL)
    assert comment == shown


def test_it_is_short_and_a_table(tmp_path: Path):
    """Every row has as many cells as the head; nothing is linked; the dollars are to the cent."""
    run = write_run(tmp_path)
    for comment, cells in ((run.report().markdown(), 2), (run.report(run).markdown(), 3)):
        rows = [line for line in comment.splitlines() if line.startswith("|")]
        assert {line.count("|") - 1 for line in rows} == {cells}
        assert len(comment.splitlines()) < 25
        assert "](" not in comment
        assert "| cost | $0.57 of $4.00 |" in comment


def test_a_failure_is_reported_with_its_sentence(tmp_path: Path):
    """The reason, and the sentence as code, since it names files."""
    comment = write_run(
        tmp_path, state=State.FAILED, reason="BadData", message="data.train: @cat|`1`.jpg\nis no image"
    ).report()

    assert comment.markdown().splitlines()[2] == "`BadData`: ``data.train: @cat|`1`.jpg is no image``"


@pytest.mark.parametrize(
    ("name", "span"),
    [
        ("cat", "`cat`"),
        ("@everyone #1 <b>", "`@everyone #1 <b>`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("a\n\n# b", "`a # b`"),
        ("", "` `"),
    ],
)
def test_a_name_is_code_whatever_is_in_it(name: str, span: str):
    """It ends no span and no line, mentions nobody and is no markup."""
    assert code(name) == span


def test_the_pairs_most_confused_come_first(tmp_path: Path):
    """Five of them, with the most images first."""
    run = write_run(tmp_path)
    found = re.findall(r"^- `(\w+)` taken for `(\w+)`: (\d+) of (\d+)", run.report().markdown(), re.MULTILINE)
    matrix = run.evaluation().confusion

    assert len(found) == 5
    for label, predicted, images, of in found:
        row = matrix[SEVEN.index(label)]
        assert (row[SEVEN.index(predicted)], sum(row)) == (int(images), int(of))
    wrong = [row[to] for label, row in enumerate(matrix) for to in range(7) if to != label]
    assert sorted(wrong, reverse=True)[:5] == [int(images) for _, _, images, _ in found]
