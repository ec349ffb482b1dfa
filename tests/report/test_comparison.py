"""Laws of comparing runs: what is counted, what is shown, and what cannot be compared."""

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plan import write_lmdb
from ftjob import api
from ftjob.client.local_run import Run
from ftjob.dataset.lmdb.read import exact_key, stored_records
from ftjob.errors import BadSpecError, StorageError
from ftjob.report.compare.comparison import Comparison, compare, counted
from ftjob.report.compare.intervals import PairedCounts
from ftjob.report.facts import Facts
from ftjob.report.render import ComparisonReport
from ftjob.runfolder.records.evaluation import ClassResult, Evaluation
from ftjob.runfolder.records.predictions import Evaluated, Prediction
from ftjob.runfolder.status import State
from tests.report.folders import SEVEN, write_run
from tests.report.pages import Page

NAMES = ("cat", "dog", "owl")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "| a `b` \x1b[31m\u202e",
    "{{ 7*7 }}",
    "</style></table>",
    "a" * 5000,
    "\x00]]>",
)


def evaluated(labels: Sequence[int], predicted: Sequence[int], names: Sequence[str] = NAMES) -> Evaluated:
    """Answers to images that are called by their places."""
    rights = sum(map(int.__eq__, labels, predicted))
    classes = tuple(ClassResult(label, name, 0, None, None) for label, name in enumerate(names))
    matrix = [[0] * len(names) for _ in names]
    evaluation = Evaluation(1, len(labels), rights / len(labels), None, None, {}, classes, matrix)
    answers = zip(labels, predicted, strict=True)
    found = {str(at): Prediction(str(at), label, guess, 0.5) for at, (label, guess) in enumerate(answers)}
    return Evaluated(evaluation, found)


answer = st.integers(0, 2)


@given(st.lists(st.tuples(answer, answer, answer), min_size=1, max_size=60))
def test_pairs_are_counted_as_by_hand(images: list[tuple[int, int, int]]) -> None:
    """Each image once, by who is right; and turned round where the runs are."""
    labels, before, now = map(list, zip(*images, strict=True))
    counts = counted(evaluated(labels, now), evaluated(labels, before))

    assert counts == PairedCounts(
        both=sum(label == old == new for label, old, new in images),
        gained=sum(label == new != old for label, old, new in images),
        lost=sum(label == old != new for label, old, new in images),
        neither=sum(label not in (old, new) for label, old, new in images),
    )
    difference = np.mean(np.equal(labels, now)) - np.mean(np.equal(labels, before))
    assert counts.difference == pytest.approx(difference)
    turned = counted(evaluated(labels, before), evaluated(labels, now))
    assert isinstance(turned, PairedCounts)
    assert (turned.gained, turned.lost) == (counts.lost, counts.gained)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (evaluated([0, 1, 2], [0, 1, 1], ("cat", "dog", "emu")), "they have other classes"),
        (evaluated([0, 1], [0, 1]), "they were not evaluated on the same images"),
        (evaluated([0, 1, 1], [0, 1, 1]), "the images were not labelled alike"),
        (
            replace(evaluated([0, 1, 2], [0, 1, 1]), predictions=None),
            "the earlier run has no predictions.jsonl",
        ),
    ],
)
def test_what_cannot_be_compared_has_a_reason(other: Evaluated, why: str) -> None:
    """In a clause that follows a colon."""
    assert counted(evaluated([0, 1, 2], [0, 1, 2]), other) == why


def facts_of(run: Run) -> Facts:
    return run.facts()


def compared(*runs: Run) -> Comparison:
    return compare([facts_of(run) for run in runs])


def test_a_run_is_the_same_as_itself(tmp_path: Path) -> None:
    """No image changed sides, no field differs."""
    run = write_run(tmp_path)
    made = compared(run, run, run)

    for each in made.differences:
        assert (each.verdict, each.accuracy, each.gained, each.lost, each.usd) == ("same", 0, (), (), 0)
    assert made.changed_classes == []
    assert made.spec == ()


def test_every_image_that_changed_sides_is_there(tmp_path: Path) -> None:
    """And its answers are those of the two files."""
    runs = write_run(tmp_path / "a", right=0.6), write_run(tmp_path / "b")
    [difference] = compared(*runs).differences
    before, now = (
        {each["key"]: each for each in map(json.loads, run.folder.predictions.read_text().splitlines())}
        for run in runs
    )

    moved = {
        key
        for key in now
        if (now[key]["label"] == now[key]["predicted"]) != (before[key]["label"] == before[key]["predicted"])
    }
    assert {each.key for each in (*difference.gained, *difference.lost)} == moved
    for each in difference.gained:
        assert each.label == each.now == SEVEN[now[each.key]["predicted"]]
        assert each.before == SEVEN[before[each.key]["predicted"]] != each.label


def test_other_images_have_a_wider_interval_and_are_named(tmp_path: Path) -> None:
    """The same figures on other images prove less."""
    runs = write_run(tmp_path / "a", right=0.6), write_run(tmp_path / "b")
    [paired] = compared(*runs).differences
    folder = runs[0].folder
    folder.predictions.write_text(folder.predictions.read_text().replace('"key": "', '"key": "other/'))
    [apart] = compared(*runs).differences

    assert apart.unpaired == "they were not evaluated on the same images"
    assert apart.interval[0] < paired.interval[0] < paired.interval[1] < apart.interval[1]
    assert (apart.counts, apart.gained, apart.lost) == (None, (), ())


def test_runs_that_have_nothing_yet_are_shown(tmp_path: Path) -> None:
    """Without an evaluation, without a plan: no verdict, and a reason."""
    run, other = write_run(tmp_path / "a"), write_run(tmp_path / "b", state=State.RUNNING, ended=None)
    for path in (other.folder.evaluation, other.folder.predictions, other.folder.plan, other.folder.spec):
        path.unlink()
    made = ComparisonReport((facts_of(run), facts_of(other)))

    [difference] = made.comparison.differences
    assert (difference.verdict, difference.unpaired) == (None, "one of them has no evaluation yet")
    for text in (made.html(), made.markdown()):
        assert "cannot be compared with" in text
        assert "one of them has no evaluation yet" in text


@pytest.mark.parametrize("count", [0, 1, 21])
def test_two_to_twenty_runs_are_compared(count: int) -> None:
    """Fewer or more are refused before any is looked for."""
    with pytest.raises(BadSpecError, match=f"compare: {count} runs: give 2 to 20 of them"):
        api.compare(["nobody"] * count)


def test_twenty_runs_are_one_page(tmp_path: Path) -> None:
    """With a row, a section and a column for each."""
    facts = [facts_of(write_run(tmp_path / str(at), right=0.4 + at / 10)) for at in range(4)]
    page = Page(ComparisonReport(tuple(facts * 5)).html())

    assert len(page.tables["runs"]) == 21
    assert page.tags.count("h2") == 1 + 19 + 2
    assert {len(row) for row in page.tables["changed"]} == {22}
    assert page.tables["changed"][0][-1] == "Largest change"


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """In the page, which has the tags that it has without them, in Markdown, and in tables."""
    runs = write_run(tmp_path / "a", HOSTILE, right=0.4), write_run(tmp_path / "b", HOSTILE)
    plain = write_run(tmp_path / "c", right=0.4), write_run(tmp_path / "d")
    made, expected = (ComparisonReport(tuple(map(facts_of, each))) for each in (runs, plain))
    page = Page(made.html())

    assert set(page.tags) == set(Page(expected.html()).tags)
    assert page.images == []
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", made.html() + made.markdown())
    for line in made.markdown().splitlines():
        assert "<script" not in re.sub("(`+).+?\\1", "", line)
    rows = [line for line in made.markdown().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {8}


def with_val(run: Run, location: Path) -> None:
    """Have a run's plan name a dataset."""
    plan = json.loads(run.folder.plan.read_text())
    plan["val"]["path"] = str(location)
    run.folder.plan.write_text(json.dumps(plan))


def renamed(run: Run, keys: Sequence[str]) -> None:
    """Give the images of a run the keys of an LMDB, as far as that has records."""
    lines = run.folder.predictions.read_text().splitlines()
    made = [json.dumps({**json.loads(line), "key": key}) for line, key in zip(lines, keys, strict=False)]
    run.folder.predictions.write_text("\n".join([*made, *lines[len(made) :], ""]))


@pytest.mark.parametrize("damage", ["none", "no LMDB", "cut short", "zeros", "a pipe"])
def test_pictures_are_those_of_the_data_and_a_page_is_whole_without(tmp_path: Path, damage: str) -> None:
    """Whatever lies where the plan says that the data are; a bounded number of small ones."""
    write_lmdb(tmp_path / "val", 400, channels=3, side=200)
    keys = [exact_key(key) for key, _ in stored_records(tmp_path / "val")]
    runs = write_run(tmp_path / "a", right=0.2), write_run(tmp_path / "b", right=0.9)
    for run in runs:
        with_val(run, tmp_path / "val")
        renamed(run, keys)
    data = tmp_path / "val" / "data.mdb"
    if damage == "cut short":
        data.write_bytes(data.read_bytes()[:20_000])
    elif damage == "zeros":
        data.write_bytes(bytes(100_000))
    elif damage != "none":
        data.unlink()
    if damage == "a pipe":
        os.mkfifo(data)
    page = Page(ComparisonReport(tuple(map(facts_of, runs))).html())

    if damage == "none":
        assert 0 < len(page.images) <= 48
        assert all(len(each["src"]) < 20_000 for each in page.images)
    else:
        assert page.images == []
        assert "Became right" in page.words


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[: len(text) // 2], "ends within a line"),
        (lambda text: "\n".join(text.split("\n")[1:]), "has 283 images, and evaluation.json has 284"),
        (
            lambda text: text.replace('"key": "00000001', '"key": "00000000', 1).replace("_angry", "", 2),
            "key twice",
        ),
        (
            lambda text: text.replace('"predicted": 0', '"predicted": 1'),
            "is not what evaluation.json was made",
        ),
        (lambda text: text.replace('"label": 6', '"label": 7'), "none of evaluation.json's classes"),
        (lambda text: text.replace('"score": 0', '"score": 7'), "score"),
        (lambda text: "", "has 0 images"),
        (lambda text: "[" * 100_000 + "\n", "nested deeper"),
    ],
)
def test_predictions_that_are_not_the_evaluations_are_refused(
    tmp_path: Path, change: object, sentence: str
) -> None:
    """In one sentence that names the file."""
    run = write_run(tmp_path)
    path = run.folder.predictions
    path.write_text(change(path.read_text()))  # type: ignore[operator]

    with pytest.raises(StorageError, match=rf"predictions\.jsonl: .*{sentence}.*: fix or remove it"):
        run.facts()


@given(st.binary(max_size=300), st.integers(0, 40_000), st.integers(0, 300))
def test_any_bytes_are_predictions_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, at: int, removed: int
) -> None:
    """Never another error."""
    run = CACHED.get("run") or CACHED.setdefault("run", write_run(tmp_path_factory.mktemp("runs")))
    path = run.folder.predictions
    before = path.read_bytes()
    try:
        path.write_bytes(before[:at] + damage + before[at + removed :])
        with suppress(StorageError):
            run.facts()
    finally:
        path.write_bytes(before)


CACHED: dict[str, Run] = {}
