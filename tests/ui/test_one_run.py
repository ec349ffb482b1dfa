"""The page of one run: a report's figures, live while it runs, and text where text is not to be trusted."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ftjob import api
from ftjob.fs import files
from ftjob.net import zoo
from ftjob.net.prototxt import to_text
from ftjob.report.now import money_now
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lock import only_worker
from ftjob.runfolder.status import State, Status, render
from tests.hostile_runs import KINDS, documents, ended, finished, put
from tests.report.folders import write_metrics
from tests.ui.markup import page_of
from tests.ui.served import Pages

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e'\"&" + "a" * 10_000


def path(folder: RunFolder) -> str:
    return f"/runs/{folder.root.parent.name}/{folder.root.name}"


def change(folder: RunFolder, **fields: Any) -> None:
    """Have a run's status be another."""
    status = Status.parse(folder.status.read_bytes())
    files.write_text(folder.status, render(replace(status, **fields)))


def test_it_has_the_reports_figures(pages: Pages, emotions: RunFolder) -> None:
    """Every table of the report stands on the page, cell by cell."""
    report = page_of(api.find("emotions").report().html())
    shown = page_of(pages.text(path(emotions)))

    for table in ("attempts", "stages", "each", "matrix", "requirements"):
        assert shown.rows(table) == report.rows(table)
    for figure in ("accuracy", "usd", "seconds"):
        assert shown.by_id(figure).text == report.by_id(figure).text
    budget = money_now(api.find("emotions").facts(), api.find("emotions").status())
    assert budget.text in shown.by_id("now").text


def test_a_name_alone_is_its_newest_run(pages: Pages, emotions: RunFolder) -> None:
    """As for every verb."""
    assert "emotions/1f3b9c02aa" in pages.text("/runs/emotions")


@pytest.mark.parametrize(
    "name", ["none", "..%2f..%2fetc", "%2e%2e/x", "emotions/zz", "~root/x", "alias:x", "EMOTIONS"]
)
def test_no_such_run_is_no_page(pages: Pages, emotions: RunFolder, name: str) -> None:
    """404 and a sentence, and no path that an address names is opened."""
    answer = pages.get(f"/runs/{name}")

    assert answer.status == 404
    assert 'role="alert"' in answer.data.decode()


def test_curves_are_numbers_for_a_script(pages: Pages, emotions: RunFolder) -> None:
    """Loss, accuracy, learning rate and money, those of the report's drawing."""
    charts = {each["title"]: each for each in json.loads(pages.text(path(emotions) + "/curves.json"))}
    [losses, _] = charts["Loss"]["lines"]

    assert list(charts) == ["Loss", "Accuracy on the validation images", "Learning rate", "Money"]
    assert losses["x"] == list(range(1, 41))
    assert losses["y"] == [line.loss for line in api.find("emotions").metrics()]
    shown = page_of(pages.text(path(emotions)))
    titles = [each.attributes["data-chart"] for each in shown.elements() if "data-chart" in each.attributes]
    assert titles == list(charts)


def test_money_grows_to_what_was_spent(pages: Pages, emotions: RunFolder) -> None:
    """Attempt by attempt, with nothing spent in between, beside the budget's line."""
    charts = {each["title"]: each for each in json.loads(pages.text(path(emotions) + "/curves.json"))}
    spent, budget = charts["Money"]["lines"]

    assert charts["Money"]["axis"] == "minutes"
    assert spent["y"] == pytest.approx([0, 0, 0.225, 0.225, 0.575])
    assert spent["x"] == pytest.approx([0, 0, 50, 4000 / 60, 5400 / 60])
    assert set(budget["y"]) == {4.0}


def test_a_run_is_followed_to_its_end(pages: Pages, emotions: RunFolder) -> None:
    """The whole state first, then what changes, and its end; another connection begins with the whole."""
    change(emotions, state=State.RUNNING, iteration=10, eta_seconds=60.0, usd_estimate=0.7, exit_code=None)
    with only_worker(emotions):
        assert f'data-live="{path(emotions)}/events"' in pages.text(path(emotions))
        with pages.stream(path(emotions) + "/events") as events:
            first = next(events)
            assert "10/4,000  0%  ETA 1:00" in first["parts"]["now"]
            assert "$0.57 spent, $0.12 to come, budget $4.00" in first["parts"]["now"]
            assert "headline" in first["parts"]
            change(emotions, iteration=20, accuracy=0.5, best_accuracy=0.5, best_iteration=20)
            second = next(each for each in events if "parts" in each)
            assert "20/4,000" in second["parts"]["now"]
            assert "accuracy 50.0% at 20, the best so far" in second["parts"]["now"]
            change(emotions, state=State.SUCCEEDED, exit_code=0)
            assert next(each for each in events if each.get("ended"))
    with pages.stream(path(emotions) + "/events") as events:
        assert next(events)["ended"]


def test_what_cannot_be_read_for_a_while_is_reported_and_read_again(
    pages: Pages, emotions: RunFolder
) -> None:
    """The stream stays, with a sentence; then the page is right again."""
    change(emotions, state=State.RUNNING)
    with only_worker(emotions), pages.stream(path(emotions) + "/events") as events:
        assert next(events)["problem"] == ""
        sound = emotions.status.read_text()
        emotions.status.write_text("{")
        assert "status.json: " in next(each for each in events if each.get("problem"))["problem"]
        emotions.status.write_text(sound)
        assert next(each for each in events if "problem" in each)["problem"] == ""


@pytest.mark.slow
def test_new_lines_call_for_new_curves(pages: Pages, emotions: RunFolder) -> None:
    """As soon as a run's contents are read again."""
    change(emotions, state=State.RUNNING, iteration=40)
    with only_worker(emotions), pages.stream(path(emotions) + "/events") as events:
        before = next(events)["curves"]
        write_metrics(emotions, 60)
        change(emotions, iteration=60)
        assert next(each for each in events if each.get("curves"))["curves"] != before


def test_the_net_is_drawn_from_the_folder(pages: Pages, emotions: RunFolder) -> None:
    """Its layers, and what became of them; without a net one sentence."""
    assert "the net has no layers" in pages.get(path(emotions) + "/net.svg").data.decode()
    net = zoo.build("caffenet")
    files.write_text(emotions.train_val, to_text(net))

    drawing = ElementTree.fromstring(pages.text(path(emotions) + "/net.svg"))

    words = {each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert {"conv1", "fc6"} <= words


def test_logs_are_bounded_and_whole(pages: Pages, emotions: RunFolder) -> None:
    """The page has the end of each, a link the whole; what cannot be seen is escaped."""
    files.write_text(emotions.log(1), f"begin\n{'x' * 300_000}\nend of 1\n")
    files.write_text(emotions.log(2), "\x1b[31m<b>red</b>\n")

    shown = page_of(pages.text(path(emotions) + "/log")).by_id("log").text
    assert "end of 1" in shown
    assert "begin" not in shown
    assert r"\x1b[31m<b>red</b>" in shown
    whole = pages.get(path(emotions) + "/log.txt")
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert whole.data.decode().startswith("begin\nxxx")


def test_a_log_is_followed(pages: Pages, emotions: RunFolder) -> None:
    """What is there, then what comes, and then the end."""
    change(emotions, state=State.RUNNING)
    with only_worker(emotions), pages.stream(path(emotions) + "/log.events") as events:
        first = next(events)
        assert first["from_start"]
        assert "attempt 2 begins" in first["text"]["log"]
        with emotions.log(2).open("a") as log:
            log.write("iteration 7\n")
        assert next(each for each in events if "text" in each)["text"] == {"log": "iteration 7\n"}
        change(emotions, state=State.STOPPED)
        assert next(each for each in events if each.get("ended"))


def test_hostile_words_are_words(pages: Pages, emotions: RunFolder) -> None:
    """In a status, a plan, an evaluation, a log: no tag, no control character."""
    change(emotions, name=HOSTILE, message=HOSTILE, stage=HOSTILE, reason=HOSTILE)
    evaluation = json.loads(emotions.evaluation.read_text())
    evaluation["classes"][0]["name"] = HOSTILE
    emotions.evaluation.write_text(json.dumps(evaluation))
    plan = json.loads(emotions.plan.read_text())
    plan["labels"][0] = plan["base"]["net"] = plan["node"]["gpu"] = HOSTILE
    emotions.plan.write_text(json.dumps(plan))
    files.write_text(emotions.log(1), HOSTILE)

    for place in (
        "/",
        path(emotions),
        path(emotions) + "/log",
        "/compare?run=emotions&run=emotions",
    ):
        text = pages.text(place)
        page = page_of(text)
        assert [
            each for each in page.elements() if each.name == "script" and "src" not in each.attributes
        ] == []
        assert "\x1b" not in text
        assert "\u202e" not in text


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whatever_lies_in_a_run_folder_is_one_sentence(
    pages: Pages,
    tmp_path: Path,
    cache: Path,
    emotions: RunFolder,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page or an error page, never a server's own, within seconds; the other run stays on the list."""
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    finished(tmp_path, "faces")
    for name, place in documents(emotions, cache).items():
        if name in ("note", "lock", "last log") or (kind == "objects" and name in ("net", "solver")):
            continue
        sound = place.read_bytes()
        put(kind, place)
        for at in ("", "/net.svg") if name in ("plan", "net", "spec") else ("", "/log", "/curves.json"):
            answer = pages.get(path(emotions) + at)
            assert answer.status in (200, 404, 422, 503), (name, at, answer.data)
            assert b"Traceback" not in answer.data
        if name in ("status", "tests"):
            assert "faces/" in pages.text("/")
        if place.is_dir() and not place.is_symlink():
            place.rmdir()
        else:
            place.unlink(missing_ok=True)
        place.write_bytes(sound)


@pytest.mark.parametrize("remove", [lambda folder: folder.status, lambda folder: folder.spec])
def test_a_folder_that_is_half_there_is_one_sentence(
    pages: Pages, emotions: RunFolder, remove: Callable[[RunFolder], Path]
) -> None:
    """A run that was not wholly copied."""
    remove(emotions).unlink()

    assert pages.get("/").status == 200
    assert pages.get(path(emotions)).status in (200, 404, 503)


def test_what_ends_badly_names_what_to_do(pages: Pages, emotions: RunFolder) -> None:
    """The exit code's meaning, as in the report."""
    change(emotions, state=State.FAILED, reason="Diverged", message="the loss is NaN", exit_code=7)

    shown = page_of(pages.text(path(emotions))).by_id("now").text
    assert "Diverged (exit code 7)" in shown
    assert "lower solver.base_lr" in shown
    assert "Failed" in ended("ls", "", "").out
