"""Laws of aliases: who promotes what, what is refused, and what a reader finds, on every kind of store."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftjob.client.registry import find_run
from ftjob.errors import BadSpecError, ExitCode, NotAcceptedError, StorageError
from ftjob.errors.outcomes import Reason
from ftjob.models import history as histories
from ftjob.models.alias import Alias
from ftjob.models.current import current_model
from ftjob.models.history import PromotionLostError, history_of
from ftjob.models.promote import promote, rollback
from ftjob.runfolder.status import State
from ftjob.storage import DamagedError, MissingError, open_store
from tests.models.runs import a_run


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers where there is none."""
    monkeypatch.setattr(histories, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def here(tmp_path: Path) -> str:
    """An output in a directory."""
    return str(tmp_path / "runs")


def documents(output: str, name: str = "faces") -> dict[str, Any]:
    """What lies in an alias's folder, by key."""
    store = open_store(Alias(output, name).location)
    return {entry.key: json.loads(store.read(entry.key)) for entry in store.list()}


def test_an_alias_is_the_run_that_was_promoted_last(output: str) -> None:
    """Both records stay, and current.json is the newer; the model's weights are in the run's bundle."""
    first, second = a_run(output, "aaaa"), a_run(output, "bbbb", right=0.8)

    assert promote(first, "faces").promotion.number == 1
    made = promote(second, "faces", "sees more")

    assert made.changed
    assert list(documents(output)) == ["current.json", "history/000001.json", "history/000002.json"]
    assert documents(output)["current.json"] == documents(output)["history/000002.json"]
    model = current_model(Alias(output, "faces"))
    assert (model.location, model.pinned) == (second, "alias:faces@2")
    assert model.weights == f"{second}/bundle/weights.caffemodel"
    assert (model.promotion.why, model.promotion.previous) == ("sees more", 1)
    assert model.promotion.right == round(model.promotion.accuracy * model.promotion.images)
    assert current_model(Alias(output, "faces"), 1).location == first
    assert find_run(f"alias:{output}/models/faces") == second
    assert [each.number for each in history_of(Alias(output, "faces")).last(5)] == [2, 1]


def test_promoting_it_again_changes_nothing(output: str) -> None:
    """A pipeline that runs twice writes one record."""
    run = a_run(output, "aaaa")
    promote(run, "faces")
    before = documents(output)

    assert not promote(run, "faces").changed
    assert documents(output) == before


def test_a_rollback_is_a_promotion_of_the_run_before(output: str) -> None:
    """Again, of the one before that; what was promoted in between is not returned to."""
    runs = [a_run(output, run_id) for run_id in ("aaaa", "bbbb", "cccc", "dddd")]
    alias = Alias(output, "faces")
    for run in runs[:3]:
        promote(run, "faces")

    assert rollback(alias, "sees ghosts").promotion.run_id == "bbbb"
    assert rollback(alias).promotion.run_id == "aaaa"
    with pytest.raises(BadSpecError, match="alias:faces: has no run before emotions/aaaa, its first"):
        rollback(alias)
    promote(runs[3], "faces")
    assert rollback(alias).promotion.run_id == "aaaa"
    assert documents(output)["history/000004.json"]["restores"] == 2
    assert documents(output)["history/000004.json"]["why"] == "sees ghosts"
    assert documents(output)["current.json"]["number"] == 7


def test_an_alias_that_is_not_there_is_named_with_the_closest(output: str) -> None:
    promote(a_run(output, "aaaa"), "faces")

    for use in (current_model, rollback):
        with pytest.raises(
            BadSpecError, match=r"alias:facs: there is no such alias at .*; did you mean faces\?"
        ):
            use(Alias(output, "facs"))
    with pytest.raises(
        BadSpecError, match=r"alias:faces@3: there is no such promotion .*\(there are 1 to 1\)"
    ):
        current_model(Alias(output, "faces"), 3)


def test_a_run_that_is_gone_is_no_model(output: str) -> None:
    """Whoever uses the alias is refused, and so is who would go back to it."""
    first, second = a_run(output, "aaaa"), a_run(output, "bbbb")
    promote(first, "faces")
    promote(second, "faces")
    store = open_store(first)
    store.delete(entry.key for entry in store.list())

    with pytest.raises(
        BadSpecError, match=r"alias:faces@1: its run emotions/aaaa has no bundle at .* any more"
    ):
        rollback(Alias(output, "faces"))
    assert current_model(Alias(output, "faces")).location == second


def test_a_bundle_that_was_made_anew_is_not_the_promoted_one(output: str) -> None:
    """As where a run got a larger budget after its promotion."""
    run = a_run(output, "aaaa")
    promote(run, "faces")
    a_run(output, "aaaa", right=0.5)

    with pytest.raises(DamagedError, match="has another bundle now than was promoted: promote it again"):
        current_model(Alias(output, "faces"))
    assert promote(run, "faces").promotion.number == 2
    assert current_model(Alias(output, "faces")).location == run


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({"state": State.RUNNING}, "emotions/aaaa: is (Interrupted|Running): "),
        ({"state": State.PENDING}, "emotions/aaaa: is Pending: promote it when it has ended"),
    ],
)
def test_a_run_that_has_not_ended_is_refused(here: str, status: dict[str, Any], sentence: str) -> None:
    """Even by force, although it may have a bundle of an earlier attempt."""
    run = a_run(here, "aaaa", **status)

    with pytest.raises(BadSpecError, match=sentence):
        promote(run, "faces", "now", force=True)
    assert documents(here) == {}


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.STOPPED])
def test_a_run_without_a_bundle_is_refused(here: str, state: State) -> None:
    run = a_run(here, "aaaa", bundled=False, state=state, message="the loss is NaN")

    with pytest.raises(BadSpecError, match=rf"has no bundle to promote: it is {state} \(the loss is NaN\)"):
        promote(run, "faces", "now", force=True)


def test_no_run_is_refused(here: str) -> None:
    with pytest.raises(BadSpecError, match="emotions/aaaa: there is no run at"):
        promote(f"{here}/emotions/aaaa", "faces")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "not accepted": (
        {
            "state": State.FAILED,
            "reason": Reason.NOT_ACCEPTED,
            "message": "accept.accuracy: 0.8000 is required, 0.7500 was reached",
        },
        "emotions/bbbb is not accepted: accept.accuracy: 0.8000 is required, 0.7500 was reached",
    ),
    "budget reached": (
        {"state": State.STOPPED, "reason": Reason.BUDGET_REACHED},
        "emotions/bbbb is Stopped (BudgetReached), so it is unknown whether it would have been accepted",
    ),
    "other classes": (
        {"labels": ("cat", "dog")},
        "emotions/bbbb has other classes (2) than emotions/aaaa, the current run (7)",
    ),
}


@pytest.mark.parametrize("change", REFUSED)
def test_objections_to_a_run_are_overruled_by_force_and_kept(here: str, change: str) -> None:
    """With the reason that was given."""
    changes, sentence = REFUSED[change]
    promote(a_run(here, "aaaa"), "faces")
    run = a_run(here, "bbbb", **changes)

    with pytest.raises(NotAcceptedError) as caught:
        promote(run, "faces")
    assert caught.value.exit_code is ExitCode.NOT_ACCEPTED
    assert sentence in str(caught.value)
    assert list(documents(here)) == ["current.json", "history/000001.json"]

    made = promote(run, "faces", "the demo is today", force=True).promotion
    assert made.why == "the demo is today"
    assert [sentence in each for each in made.objections] == [True]


@pytest.mark.parametrize(("why", "force"), [("", True), ("  ", True), ("x" * 1001, False), ("a\nb", True)])
def test_force_needs_a_reason_that_can_be_kept(here: str, why: str, force: bool) -> None:
    with pytest.raises(BadSpecError, match="--why"):
        promote(a_run(here, "aaaa"), "faces", why, force=force)


@pytest.mark.parametrize("name", ["", "Faces", "a_b", "-a", "a" * 64, "a/b", "..", "ü", "a\n"])
def test_a_name_that_is_no_label_is_refused(here: str, name: str) -> None:
    with pytest.raises(BadSpecError, match="is not an alias's name"):
        promote(a_run(here, "aaaa"), name)


def outrun_by(other: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody else promote between the next look at a history and the next write to it."""
    create = histories.History.append

    def late(self: histories.History, promotion: Any) -> None:
        monkeypatch.setattr(histories.History, "append", create)
        other()
        create(self, promotion)

    monkeypatch.setattr(histories.History, "append", late)


def test_of_two_at_once_the_second_is_refused_and_shown_the_first(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = a_run(output, "aaaa"), a_run(output, "bbbb")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "faces/emotions")
    monkeypatch.setenv("GITHUB_REF", "refs/heads/main")
    monkeypatch.setenv("GITHUB_RUN_ID", "12")
    outrun_by(lambda: promote(first, "faces"), monkeypatch)

    with pytest.raises(PromotionLostError) as caught:
        promote(second, "faces")

    assert "faces/emotions refs/heads/main run 12 promoted emotions/aaaa at the same moment" in str(
        caught.value
    )
    assert caught.value.exit_code is ExitCode.STORAGE
    assert current_model(Alias(output, "faces")).location == first
    assert list(documents(output)) == ["current.json", "history/000001.json"]


def test_two_at_once_that_promote_the_same_run_both_succeed(
    here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(here, "aaaa")
    outrun_by(lambda: promote(run, "faces"), monkeypatch)

    assert not promote(run, "faces").changed
    assert list(documents(here)) == ["current.json", "history/000001.json"]


def test_a_record_replaced_by_a_racing_writer_is_noticed(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Swift does: both were answered that they created it; who finds the other's record has lost."""
    first, second = a_run(here, "aaaa"), a_run(here, "bbbb")
    theirs = promote(first, "faces").promotion.render()
    history = history_of(Alias(here, "faces"))
    history.store.delete(["history/000001.json"])
    create = type(history.store).create

    def replaced(self: Any, key: str, data: bytes) -> bool:
        create(self, key, data)
        self.write(key, theirs)
        return True

    monkeypatch.setattr(type(history.store), "create", replaced)

    with pytest.raises(PromotionLostError, match="promoted emotions/aaaa at the same moment"):
        promote(second, "faces")
    assert current_model(Alias(here, "faces")).location == first


def test_current_json_follows_the_history(here: str) -> None:
    """Whoever is killed before writing it has promoted the run; the next call writes it."""
    run = a_run(here, "aaaa")
    promote(run, "faces")
    open_store(Alias(here, "faces").location).write("current.json", b"{")

    assert current_model(Alias(here, "faces")).location == run
    promote(run, "faces")
    assert documents(here)["current.json"]["number"] == 1


def test_a_slow_writer_does_not_put_current_json_back(here: str) -> None:
    """One that has its record, but writes current.json after a later promotion."""
    history = history_of(Alias(here, "faces"))
    first = promote(a_run(here, "aaaa"), "faces").promotion
    promote(a_run(here, "bbbb"), "faces")

    history.publish(first)

    assert documents(here)["current.json"]["number"] == 2


@pytest.mark.parametrize(
    "data", [b"", b"{", b"null", b"[" * 100_000, b"x" * 70_000, b'{"number": 1}', b"\xff\xfe"]
)
def test_a_damaged_record_is_named(here: str, data: bytes) -> None:
    """And nothing is promoted past it: it may be of a run that somebody relies on."""
    run = a_run(here, "aaaa")
    promote(run, "faces")
    open_store(Alias(here, "faces").location).write("history/000001.json", data)

    for use in (
        lambda: current_model(Alias(here, "faces")),
        lambda: promote(a_run(here, "bbbb"), "faces"),
        lambda: rollback(Alias(here, "faces")),
    ):
        with pytest.raises(StorageError, match=r"history/000001\.json: .*: fix or remove it"):
            use()


def test_a_record_with_the_number_of_another_is_refused(here: str) -> None:
    promote(a_run(here, "aaaa"), "faces")
    store = open_store(Alias(here, "faces").location)
    store.write("history/000002.json", store.read("history/000001.json"))

    with pytest.raises(StorageError, match=r"000002\.json: has number 1: fix or remove it"):
        current_model(Alias(here, "faces"))


def test_other_files_in_the_folder_of_an_alias_are_ignored(here: str) -> None:
    promote(a_run(here, "aaaa"), "faces")
    store = open_store(Alias(here, "faces").location)
    for key in ("history/notes.txt", "history/0000002.json", "history/old/000009.json", "README"):
        store.write(key, b"?")

    assert current_model(Alias(here, "faces")).promotion.number == 1


@pytest.mark.store
def test_refused_credentials_are_one_sentence(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    output = f"{s3.uri}/runs"
    run = a_run(output, "aaaa")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")

    for use in (lambda: promote(run, "faces"), lambda: current_model(Alias(output, "faces"))):
        with pytest.raises(StorageError) as caught:
            use()
        assert not isinstance(caught.value, MissingError)
        assert "\n" not in str(caught.value)
