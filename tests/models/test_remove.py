"""Laws of taking an alias out of use, and of the list of aliases, on every kind of store."""

import json
from pathlib import Path

import pytest

from ftjob.client import registry
from ftjob.errors import BadSpecError
from ftjob.models import history as histories
from ftjob.models.alias import Alias
from ftjob.models.current import current_model, models_in
from ftjob.models.history import PromotionLostError, history_of
from ftjob.models.promote import promote, remove, rollback
from ftjob.storage import open_store
from tests.models.runs import a_run
from tests.models.test_promote import documents, outrun_by
from tests.report.folders import SEVEN


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers where there is none."""
    monkeypatch.setattr(histories, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def here(tmp_path: Path) -> str:
    """An output in a directory."""
    return str(tmp_path / "runs")


def test_a_removed_alias_means_nothing_and_keeps_its_history(output: str) -> None:
    """Plain tools find no current.json; a pinned promotion is still what it was."""
    first, second = a_run(output, "aaaa"), a_run(output, "bbbb")
    promote(first, "faces")
    promote(second, "faces")
    alias = Alias(output, "faces")

    made = remove(alias, "the app is gone")

    assert (made.changed, made.promotion.number, made.promotion.removed) == (True, 3, True)
    assert (made.promotion.why, made.promotion.run_id) == ("the app is gone", "bbbb")
    assert list(documents(output)) == [f"history/00000{number}.json" for number in (1, 2, 3)]
    for call in (lambda: current_model(alias), lambda: rollback(alias)):
        with pytest.raises(
            BadSpecError, match=r"alias:faces: .* removed it \(.*\): promote a run to it again"
        ):
            call()
    with pytest.raises(BadSpecError, match=r"alias:faces@3: is no promotion: .* removed the alias"):
        current_model(alias, 3)
    assert current_model(alias, 1).location == first
    assert [each.removed for each in history_of(alias).last(5)] == [True, False, False]


def test_removing_it_again_changes_nothing(here: str) -> None:
    """One that is not there cannot be removed."""
    promote(a_run(here, "aaaa"), "faces")
    remove(Alias(here, "faces"))
    before = documents(here)

    again = remove(Alias(here, "faces"), "twice")

    assert (again.changed, again.promotion.number) == (False, 2)
    assert documents(here) == before
    with pytest.raises(BadSpecError, match="alias:cats: there is no such alias"):
        remove(Alias(here, "cats"))


def test_a_name_can_be_used_again(output: str) -> None:
    """Also for the run that it pointed to, and for one with other classes; nothing before is returned to."""
    run, other = a_run(output, "aaaa"), a_run(output, "bbbb", labels=SEVEN[:3])
    alias = Alias(output, "faces")
    promote(run, "faces")
    remove(alias)

    again = promote(run, "faces")
    assert (again.changed, again.promotion.number, again.promotion.previous) == (True, 3, None)
    assert documents(output)["current.json"] == documents(output)["history/000003.json"]
    with pytest.raises(BadSpecError, match="has no run before emotions/aaaa"):
        rollback(alias)
    remove(alias)
    assert promote(other, "faces").promotion.objections == ()
    assert current_model(alias).location == other


def test_two_that_remove_at_once_both_succeed(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one record."""
    promote(a_run(here, "aaaa"), "faces")
    alias = Alias(here, "faces")
    outrun_by(lambda: remove(alias), monkeypatch)

    assert not remove(alias).changed
    assert history_of(alias).numbers() == [1, 2]


def test_of_a_removal_and_a_promotion_at_once_the_second_is_refused(
    here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever it is; what the other did is in the message, and is what counts."""
    first, second = a_run(here, "aaaa"), a_run(here, "bbbb")
    alias = Alias(here, "faces")
    promote(first, "faces")
    outrun_by(lambda: promote(second, "faces"), monkeypatch)
    with pytest.raises(PromotionLostError, match="promoted emotions/bbbb at the same moment"):
        remove(alias)
    assert current_model(alias).location == second

    outrun_by(lambda: remove(alias), monkeypatch)
    with pytest.raises(PromotionLostError, match="removed the alias at the same moment"):
        promote(first, "faces")
    assert "current.json" not in documents(here)


def test_a_slow_removal_does_not_take_a_later_promotion_away(here: str) -> None:
    """It was stopped between its record and current.json, and goes on after the promotion."""
    run, alias = a_run(here, "aaaa"), Alias(here, "faces")
    promote(run, "faces")
    history = history_of(alias)
    removal = remove(alias).promotion
    promote(run, "faces")

    history.publish(removal)

    assert documents(here)["current.json"]["number"] == 3


def test_a_removal_that_was_killed_is_completed_by_the_next(here: str) -> None:
    """Its record counts at once; current.json goes when somebody removes it again."""
    run, alias = a_run(here, "aaaa"), Alias(here, "faces")
    promote(run, "faces")
    left = json.dumps(documents(here)["current.json"]).encode()
    remove(alias)
    open_store(alias.location).write("current.json", left)

    assert not remove(alias).changed
    assert "current.json" not in documents(here)


def test_all_aliases_of_an_output_are_listed(output: str) -> None:
    """By name, each with the record that counts; one that is damaged hides no other."""
    for name in ("faces", "cats", "old"):
        promote(a_run(output, "aaaa"), name)
    remove(Alias(output, "old"))
    open_store(Alias(output, "damaged").location).write("history/000001.json", b"{")

    found, unreadable = models_in(output)

    assert [(str(each.alias), each.promotion.number, each.promotion.removed) for each in found] == [
        ("cats", 1, False),
        ("faces", 1, False),
        ("old", 2, True),
    ]
    [sentence] = unreadable
    assert "models/damaged/history/000001.json" in sentence


def test_an_output_without_aliases_has_none(here: str) -> None:
    """Nor has one that is not there yet."""
    assert models_in(here) == ([], [])


def test_the_aliases_of_all_known_outputs_are_listed(tmp_path: Path) -> None:
    """Those of runs submitted on this machine; a name that was removed in one of them is the other's."""
    outputs = [str(tmp_path / name) for name in ("one", "two")]
    for output, run_id in zip(outputs, ("aaaa", "bbbb"), strict=True):
        run = a_run(output, run_id)
        registry.remember(run)
        promote(run, "faces")

    found, unreadable = registry.known_aliases()
    assert sorted(each.alias.output for each in found) == outputs
    assert unreadable == []
    with pytest.raises(BadSpecError, match="alias:faces: is in several outputs"):
        registry.find_model("alias:faces")
    remove(Alias(outputs[0], "faces"))
    assert registry.find_model("alias:faces").alias.output == outputs[1]
    assert [each.alias.output for each in registry.known_aliases(outputs[0])[0]] == outputs[:1]
