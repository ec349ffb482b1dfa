"""Whose a run's folder is: laws of adoption and refusal."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.errors import BadSpecError
from ftjob.fs.documents import UnreadableError
from ftjob.runfolder.status import Status
from ftjob.worker.owner import JobOwner, Owner, UserOwner, owner_after, parse_owner

MINE = JobOwner(cluster="east", namespace="vision", name="faces", uid="1")
ADA = UserOwner(user="ada")
STATUS = Status("faces", "a", attempt=3, seconds=70.5, usd=0.25)


def other(**fields: str) -> JobOwner:
    return MINE.model_copy(update=fields)


def test_a_folder_without_an_owner_is_adopted_with_what_it_has_behind_it() -> None:
    """A FineTuneJob counts from there; a user's folder counts by itself."""
    adopted = owner_after(None, MINE, STATUS, "folder")

    assert (adopted.attempts_before, adopted.seconds_before, adopted.usd_before) == (3, 70.5, 0.25)
    assert owner_after(None, MINE, None, "folder") == MINE
    assert owner_after(None, ADA, STATUS, "folder") == ADA


def test_an_owner_keeps_what_it_began_with() -> None:
    """Its later attempts see a status that has its own in it, which the cluster has accounted."""
    first, later = owner_after(None, MINE, STATUS, "folder"), Status("faces", "a", attempt=9, seconds=1070.5)

    assert owner_after(first, MINE, later, "folder", (1000.0, 0.5)) == first
    assert owner_after(first, MINE, later, "folder", (2000.0, 1.0)) == first
    assert owner_after(ADA, ADA, STATUS, "folder") == ADA


def test_what_nobody_accounted_is_behind_it_too() -> None:
    """An attempt whose pod and Job were deleted while no controller looked stands in the folder alone."""
    first = owner_after(None, MINE, STATUS, "folder")
    later = Status("faces", "a", attempt=5, seconds=1370.5, usd=1.0)
    found = owner_after(first, MINE, later, "folder", (1000.0, 0.5))

    assert (found.seconds_before, found.usd_before) == (370.5, 0.5)
    assert owner_after(ADA, ADA, later, "folder", (1000.0, 0.5)) == ADA


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_what_is_behind_an_owner_only_grows(
    seconds: float, usd: float, more: float, accounted: float
) -> None:
    """Whatever the folder says, and whatever the cluster has accounted."""
    first = owner_after(None, MINE, STATUS, "folder")
    later = Status("faces", "a", attempt=5, seconds=seconds, usd=usd)
    found = owner_after(first, MINE, later, "folder", (accounted, more))

    assert found.seconds_before >= first.seconds_before
    assert found.usd_before >= first.usd_before


def test_an_object_applied_anew_adopts_its_predecessors_folder() -> None:
    """All that the folder had is behind it then, however often that happened."""
    anew = owner_after(other(uid="0", attempts_before=1), MINE, STATUS, "folder")

    assert anew == MINE.adopting(STATUS)


@pytest.mark.parametrize(
    ("found", "mine", "named"),
    [
        (other(cluster="west"), MINE, "FineTuneJob vision/faces of cluster west"),
        (other(namespace="speech"), MINE, "FineTuneJob speech/faces of cluster east"),
        (other(name="cats"), MINE, "FineTuneJob vision/cats"),
        (ADA, MINE, "user ada"),
        (MINE, ADA, "FineTuneJob vision/faces"),
        (UserOwner(user="bob"), ADA, "user bob"),
        (UserOwner(user="bob\x1b[2J\u202e"), ADA, "user bob\\x1b[2J\\u202e"),
    ],
)
def test_a_folder_of_another_is_refused_with_his_name_and_what_to_do(
    found: Owner, mine: Owner, named: str
) -> None:
    """Also where the other has the same uid by chance, and where his name would work on a terminal."""
    with pytest.raises(BadSpecError) as refused:
        owner_after(found, mine, STATUS, "s3://runs/faces/a")

    assert str(refused.value).startswith(f"s3://runs/faces/a: belongs to {named}")
    assert "another name or output, or remove the folder's owner.json" in str(refused.value)


@given(st.integers(), st.floats(), st.floats())
def test_whatever_a_status_holds_an_account_can_only_be_raised(
    attempt: int, seconds: float, usd: float
) -> None:
    """Not below zero, and finite; what is adopted is a document again."""
    owner = MINE.adopting(Status("faces", "a", attempt=attempt, seconds=seconds, usd=usd))

    assert owner.attempts_before >= 0
    assert 0 <= owner.seconds_before < math.inf
    assert 0 <= owner.usd_before < math.inf
    assert parse_owner(owner.render()) == owner


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"kind": "local"}',
        '{"kind": "local", "user": 3}',
        '{"kind": "root", "user": "a"}',
        MINE.model_dump_json().replace('"seconds_before":0.0', '"seconds_before":-1.0'),
        MINE.model_dump_json().replace('"usd_before":0.0', '"usd_before":1e999'),
        MINE.model_dump_json().replace("vision", "v" * 300),
        "[" * 100_000,
    ],
)
def test_what_is_no_owner_is_refused_in_a_clause(text: str) -> None:
    """Nothing is taken for granted of a file that anybody may have written."""
    with pytest.raises(UnreadableError):
        parse_owner(text.encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_an_owner_or_unreadable(data: bytes) -> None:
    """Nothing else comes of them."""
    with suppress(UnreadableError):
        parse_owner(data)


def test_a_second_pod_of_an_attempt_counts_nothing_twice() -> None:
    """An old Job controller makes it of an attempt whose pod was drained; what the first did is accounted."""
    first = owner_after(None, MINE, STATUS, "folder")
    drained = Status("faces", "a", attempt=4, seconds=500.0, usd=0.75)

    assert owner_after(first, MINE, drained, "folder", (0.0, 0.0), 1) == first
    assert owner_after(first, MINE, drained, "folder", (0.0, 0.0), 2) != first
