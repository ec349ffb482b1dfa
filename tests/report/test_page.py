"""Laws of a run's page."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ftjob.client.local_run import Run
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State
from tests.report.folders import FIRST, SECOND, SEVEN, write_run
from tests.report.pages import Page

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a & b",
    "{{ 7*7 }}",
    "</style></table>",
    "日本語",
    "'quoted'",
)


def page_of(run: Run) -> Page:
    return Page(run.report().html())


def folder_of(run: Run) -> RunFolder:
    return RunFolder(Path(run.location))


def test_the_money_is_that_of_cost(tmp_path: Path):
    """Attempts and stages add up to the total, which is `ftjob cost`'s, in millionths of a dollar."""
    run = write_run(tmp_path)
    cost = run.report().to_json()["cost"]
    page = page_of(run)

    *attempts, total = page.tables["attempts"][1:]
    assert [(row[4], row[5]) for row in attempts] == [
        (f"{each['seconds']:.3f} ", f"{each['usd']:.6f} ") for each in cost["runs"]
    ]
    assert total[2] == f"{cost['total']['usd']:.6f} " == f"{sum(float(row[5]) for row in attempts):.6f} "
    stages = page.tables["stages"][1:]
    assert sum(round(1e6 * float(row[3])) for row in stages) == round(1e6 * cost["total"]["usd"])
    assert page.ids["usd"]["value"] == f"{cost['total']['usd']:.6f}"
    assert [row[2] for row in attempts] == ["spot", "on demand"]


def test_accuracy_and_classes_are_those_of_the_evaluation(tmp_path: Path):
    """Every class's recall and precision, every cell of the matrix, the headline."""
    run = write_run(tmp_path)
    judged = run.evaluation()
    page = page_of(run)

    assert page.ids["accuracy"]["value"] == str(judged.accuracy)
    assert [(row[0], float(row[1]), float(row[2]), row[3]) for row in page.tables["each"][1:]] == [
        (each.name, each.recall, each.precision, str(each.images)) for each in judged.classes
    ]
    assert [[int(cell) for cell in row[1:]] for row in page.tables["matrix"][1:]] == judged.confusion


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 10, 100, 1000])
def test_any_number_of_classes_makes_a_page_that_needs_nothing_else(tmp_path: Path, count: int):
    """Each is named; no script, nothing is fetched, and a thousand classes stay below two megabytes."""
    names = [f"n{number:08} a class with a longer name" for number in range(count)]
    html = write_run(tmp_path, names).report().html()
    page = Page(html)

    assert [row[0] for row in page.tables["each"][1:]] == names
    assert {re.split("[:,]", link)[0] for link in page.resources} <= {"data"}
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    assert not re.search(r"@import|url\(|https?://", html)
    assert len(page.images) == (count > 30)
    assert len(html.encode()) < 2_000_000
    assert len(page.tables["matrix"]) <= 31


def test_names_from_outside_are_text(tmp_path: Path):
    """Names of classes are names of folders: whatever they are, they are shown as they are."""
    run = write_run(tmp_path, HOSTILE, state=State.FAILED, exit_code=4, message="<b>cat.jpg</b>: is no image")
    page = page_of(run)

    assert [row[0] for row in page.tables["each"][1:]] == list(HOSTILE)
    assert "<b>cat.jpg</b>: is no image" in page.words
    assert not {"script", "img"} & set(page.tags)


def test_a_failed_run_begins_with_what_is_wrong_and_what_to_do(tmp_path: Path):
    """The sentence, the reason, and the exit code's meaning stand before any figure."""
    sentence = "solver.base_lr: at iteration 132 the loss is NaN or infinite: try 0.01"
    run = write_run(tmp_path, state=State.FAILED, reason="Diverged", message=sentence, exit_code=7)
    folder_of(run).evaluation.unlink()
    words = page_of(run).words

    beginning = words[: words.index("Accuracy")]
    for text in ("Failed", sentence, "Diverged (exit code 7)", "lower solver.base_lr, or check the labels"):
        assert text in beginning


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("evaluation", "There is no evaluation yet"),
        ("test_metrics", "No test was made yet"),
        ("train_metrics", ""),
        ("plan", "There is no plan in the run's folder yet"),
        ("spec", "no budget was set"),
    ],
)
def test_what_a_run_has_not_come_to_is_shown_as_missing(tmp_path: Path, missing: str, sentence: str):
    """Any file but the status may be missing; the page is whole and shows the cost."""
    run = write_run(tmp_path)
    getattr(folder_of(run), missing).unlink()
    page = page_of(run)

    assert sentence in page.words
    assert page.ids["usd"]["value"] == "0.575000"


def test_a_run_that_has_not_begun_has_a_page(tmp_path: Path):
    """All that is there is its status."""
    pending = {"attempts": (), "seconds": 0.0, "usd": 0.0, "exit_code": None, "ended": None, "iteration": 0}
    run = write_run(tmp_path, state=State.PENDING, reason="Submitted", message="", **pending)
    folder = folder_of(run)
    for path in (folder.plan, folder.spec, folder.evaluation, folder.train_metrics, folder.test_metrics):
        path.unlink()
    words = page_of(run).words

    for text in ("Pending", "not tested yet", "nothing was spent", "No iteration has been reported yet"):
        assert text in words


def test_a_loss_that_is_no_number_leaves_a_gap(tmp_path: Path):
    """A diverged run has nulls among its losses; a run with nothing else has no curve of it."""
    run = write_run(tmp_path)
    folder = folder_of(run)
    text = folder.train_metrics.read_text()
    folder.train_metrics.write_text(re.sub(r'"loss": [\d.]+', '"loss": null', text))
    folder.test_metrics.write_text(re.sub(r'"loss": [\d.]+', '"loss": null', folder.test_metrics.read_text()))

    assert "NaN" not in run.report().html()
    assert page_of(run).tags.count("figure") == 2


def test_attempts_known_only_as_a_sum_are_a_row(tmp_path: Path):
    """The table's sum is the run's, also where early attempts are not listed."""
    run = write_run(tmp_path, attempts=(SECOND,), seconds=4400.0, usd=0.575)
    before, only, total = page_of(run).tables["attempts"][1:]

    assert (before[0], only[0]) == ("before", "2")
    assert (before[5], only[5], total[2]) == ("0.225000 ", "0.350000 ", "0.575000 ")


def test_tables_have_heads_and_pictures_have_words(tmp_path: Path):
    """For those who do not see it: each curve in a sentence, each picture with alt, tables with heads."""
    html = write_run(tmp_path, [f"class-{number}" for number in range(40)]).report().html()

    assert re.findall(
        r'aria-label="(Loss: training from 3\.\d+ at iteration \d+ to [\d.]+ at iteration 4000)', html
    )
    assert [image for image in Page(html).images if not image["alt"]] == []
    assert html.count('role="img"') == 3
    for table in re.findall(r"<table.+?</table>", html, re.DOTALL):
        assert 'scope="col"' in table
        assert 'scope="row"' in table


def test_the_same_run_makes_the_same_page(tmp_path: Path):
    """To the byte."""
    run = write_run(tmp_path)

    assert run.report().html() == run.report().html()


def test_a_run_is_held_against_another(tmp_path: Path):
    """The classes that changed most, and by how much accuracy and cost differ."""
    worse = write_run(tmp_path / "before", right=0.5, attempts=(FIRST,), seconds=3000.0, usd=0.225)
    run = write_run(tmp_path / "now")
    against = run.report(worse).to_json()["against"]
    page = Page(run.report(worse).html())

    change = run.evaluation().accuracy - worse.evaluation().accuracy
    assert against["accuracy"] == pytest.approx(change)
    assert against["usd"] == 0.35
    assert f"{100 * change:+.1f} points against emotions/1f3b9c02aa" in page.words
    assert {each["name"] for each in against["classes"]} <= set(SEVEN)


def test_runs_judged_on_other_images_are_distinguished(tmp_path: Path):
    """A better accuracy on other images proves nothing."""
    run, other = write_run(tmp_path / "now"), write_run(tmp_path / "before")
    folder = folder_of(other)
    assert "not evaluated on the same images" not in run.report(other).html()
    folder.predictions.write_text(folder.predictions.read_text().replace("00000007_", "00007000_"))

    assert "not evaluated on the same images" in run.report(other).html()
    assert "not evaluated on the same images" in run.report(other).markdown()


def test_what_a_killed_worker_did_not_report_is_other(tmp_path: Path):
    """Its seconds are in the table of stages, so that it adds up."""
    run = write_run(tmp_path, attempts=(replace(FIRST, stages={}), SECOND))

    assert "time that no worker reported" in page_of(run).words
