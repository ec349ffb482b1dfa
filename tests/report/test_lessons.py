"""What a run teaches: its worst mistakes, and what to try next."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.errors import StorageError
from ftjob.report.facts import Facts
from ftjob.report.lessons.advice import MOST, what_next
from ftjob.report.lessons.worst import still_made, with_pictures, worst
from ftjob.runfolder.charges import Bill
from ftjob.runfolder.records.metrics import TrainLine
from ftjob.runfolder.records.mistakes import mistakes_json, read_mistakes
from ftjob.runfolder.records.predictions import Evaluated, Prediction, read_evaluated
from ftjob.runfolder.status import State, Status
from jobspec import parse_spec
from tests.report.folders import SPEC, evaluation_of, write_run
from tests.report.pages import Page

PREDICTIONS = st.lists(
    st.builds(
        Prediction,
        key=st.uuids().map(str),
        label=st.integers(0, 3),
        predicted=st.integers(0, 3),
        score=st.none() | st.floats(0, 1),
    ),
    max_size=60,
)


@given(PREDICTIONS, st.integers(0, 30))
def test_the_worst_mistakes_are_wrong_and_sure(predictions: list[Prediction], most: int) -> None:
    """No wrong answer that is left out was surer; their order is that of certainty."""
    found = worst(predictions, most)
    wrong = [each for each in predictions if not each.is_right and each.score is not None]
    assert len(found) == min(most, len(wrong))
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert scores == sorted((each.score for each in wrong), reverse=True)[:most]


@given(PREDICTIONS)
def test_mistakes_survive_being_written(
    tmp_path_factory: pytest.TempPathFactory, made: list[Prediction]
) -> None:
    """And those of another evaluation are not shown."""
    mistakes = with_pictures(worst(made), {made[0].key: "aGVsbG8="} if made else {})
    path = tmp_path_factory.mktemp("mistakes") / "mistakes.json"
    path.write_bytes(mistakes_json(mistakes))
    read = read_mistakes(path)
    assert list(read) == mistakes
    assert still_made(read, {each.key: each for each in made}) == read
    others = {each.key: replace(each, predicted=each.label) for each in made}
    assert still_made(read, others) == ()
    assert still_made(read, None) == ()


def facts_of(folder: Path, trained: float, tested: float, right: float = 0.6, spec: str = "") -> Facts:
    """Return what is known of a run that ended with these losses and this accuracy, about."""
    facts = write_run(folder, [*"abcd"], right=right).facts()
    evaluation = replace(evaluation_of([*"abcd"], right, images=400), loss=tested)
    lines = tuple(TrainLine(at, trained, 0.01, 0.1, {}) for at in range(100))
    changed = parse_spec(SPEC + spec, "spec.yaml")
    return replace(facts, evaluated=Evaluated(evaluation, None), train=lines, tests=(), spec=changed)


def test_a_net_that_learnt_by_heart_is_to_see_more(tmp_path: Path) -> None:
    """What the spec has already is not advised."""
    [advice] = what_next(facts_of(tmp_path, trained=0.02, tested=1.3))
    assert "freezing the lower layers" in advice
    assert "data.mirror" in advice
    assert "data.crop" not in advice
    [advice] = what_next(facts_of(tmp_path, 0.02, 1.3, spec="surgery: {freeze: {up_to: conv2}}\n"))
    assert "freezing" not in advice


def test_a_net_that_hardly_learnt_is_to_learn_faster(tmp_path: Path) -> None:
    """Of four classes a guesser's loss is 1.39."""
    [advice] = what_next(facts_of(tmp_path, trained=1.2, tested=1.25, spec="surgery: {freeze: {up_to: c}}\n"))
    assert "hardly learnt its training images (loss 1.2, and 1.39 is guessing)" in advice
    assert "larger solver.base_lr" in advice
    assert "fewer frozen layers" in advice


def test_a_weak_class_is_named_with_what_it_is_taken_for(tmp_path: Path) -> None:
    """And how many images it was trained on, where those are few."""
    facts = facts_of(tmp_path, trained=0.5, tested=0.6)
    evaluation = facts.evaluation
    assert evaluation
    weak = replace(evaluation.classes[2], recall=0.1)
    classes = (*evaluation.classes[:2], weak, *evaluation.classes[3:])
    facts = replace(facts, evaluated=Evaluated(replace(evaluation, classes=classes), None))
    [advice] = what_next(facts)
    assert advice.startswith("c is weak: 10.0% of its images are right, and ")
    assert advice.endswith("It was trained on 92 images: give it more.")


def test_few_validation_images_are_called_few(tmp_path: Path) -> None:
    """They cannot tell two runs apart."""
    facts = facts_of(tmp_path, trained=0.5, tested=0.6)
    few = replace(evaluation_of([*"abcd"], 0.6, images=10), loss=0.6)
    assert (
        "validation images give the accuracy to ±"
        in what_next(replace(facts, evaluated=Evaluated(few, None)))[-1]
    )


@pytest.mark.parametrize("state", [state for state in State if state is not State.SUCCEEDED])
def test_no_advice_before_a_good_end(tmp_path: Path, state: State) -> None:
    """A run that failed has its message, one under way its curves."""
    facts = facts_of(tmp_path, trained=0.02, tested=1.3)
    assert what_next(replace(facts, status=replace(facts.status, state=state))) == []


def test_a_good_run_is_left_alone(tmp_path: Path) -> None:
    """Nobody needs advice on 99 %."""
    assert what_next(facts_of(tmp_path, trained=0.001, tested=0.2, right=2.0)) == []


@given(
    trained=st.none() | st.floats(0, 100),
    tested=st.none() | st.floats(0, 100),
    names=st.lists(st.text(min_size=1), min_size=2, max_size=6),
    right=st.floats(0, 1),
    images=st.integers(2, 40),
)
def test_any_run_gets_a_few_sentences(
    trained: float | None, tested: float | None, names: list[str], right: float, images: int
) -> None:
    """Whatever was measured; nothing in them is not a number."""
    evaluation = replace(evaluation_of(names, right, images=images), loss=tested)
    lines = (TrainLine(1, trained, 0.01, 0.1, {}),)
    status = Status("emotions", "1f3b9c02aa", State.SUCCEEDED)
    facts = Facts(status, Bill(()), evaluated=Evaluated(evaluation, None), train=lines)
    advice = what_next(facts)
    assert len(advice) <= MOST
    assert not [sentence for sentence in advice if "nan" in sentence.replace("".join(names), "")]


def test_the_page_shows_mistakes_and_advice(tmp_path: Path) -> None:
    """With the picture where there is one; a name from outside is text."""
    run = write_run(tmp_path, ["a", "<b>b", "c"], right=0.5)
    evaluated = read_evaluated(run.folder.evaluation, run.folder.predictions)
    assert evaluated
    assert evaluated.predictions
    wrong = worst(evaluated.predictions.values())
    run.folder.mistakes.write_bytes(mistakes_json(with_pictures(wrong, {wrong[0].key: "aGVsbG8="})))
    page = Page(run.report().html())
    assert "Worst mistakes" in page.words
    assert [image["src"] for image in page.images if image["src"].endswith("aGVsbG8=")]
    assert wrong[0].key in page.words
    made = run.report().to_json()
    assert [each["key"] for each in made["mistakes"]] == [each.key for each in wrong]
    assert all(sentence in page.words for sentence in made["next"])


@pytest.mark.parametrize("text", ["[]", "{}", '{"mistakes": [{"key": 1}]}', '{"mistakes": ' + "[" * 99, "\0"])
def test_a_damaged_document_is_named(tmp_path: Path, text: str) -> None:
    """As any other of a run's folder."""
    run = write_run(tmp_path)
    run.folder.mistakes.write_text(text)
    with pytest.raises(StorageError, match=r"mistakes\.json"):
        run.facts()
