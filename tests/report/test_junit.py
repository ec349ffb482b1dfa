"""Laws of JUnit's XML: a case for the run and for each requirement, and nothing that XML cannot hold."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.report.ci.junit import render_junit
from ftjob.report.facts import Facts
from ftjob.runfolder.charges import Bill
from ftjob.runfolder.records.acceptance import Acceptance, Requirement
from ftjob.runfolder.status import State, Status
from tests.report.folders import write_run


def acceptance(*met: bool, message: str = "accept.accuracy: 0.8 is required") -> Acceptance:
    found = (Requirement(field=f"accept.{at}", met=each, message=message) for at, each in enumerate(met))
    return Acceptance(on=None, images=60, accuracy=0.7, requirements=tuple(found))


def suite_of(state: State, reason: str, accepted: Acceptance | None, message: str = "why") -> ET.Element:
    status = Status("emotions", "1f3b9c02aa", state, reason, message, ended=1795755400.0)
    return ET.fromstring(render_junit(Facts(status, Bill(()), acceptance=accepted)))[0]


@pytest.mark.parametrize(
    ("state", "reason", "met", "counted"),
    [
        (State.SUCCEEDED, "Completed", (True, True), ("3", "0", "0")),
        (State.SUCCEEDED, "Completed", (), ("1", "0", "0")),
        (State.FAILED, "NotAccepted", (True, False), ("3", "1", "0")),
        (State.STOPPED, "BudgetReached", (False,), ("2", "1", "1")),
        (State.FAILED, "BadData", (False, True), ("1", "0", "1")),
        (State.STOPPED, "Preempted", (True,), ("1", "0", "1")),
    ],
)
def test_cases_are_of_this_end(
    state: State, reason: str, met: tuple[bool, ...], counted: tuple[str, ...]
) -> None:
    """An acceptance that an earlier attempt left is not this one's."""
    suite = suite_of(state, reason, acceptance(*met))

    assert tuple(suite.get(name) for name in ("tests", "failures", "errors")) == counted
    assert suite.get("timestamp") == "2026-11-27T04:56:40"
    assert len(suite) == int(counted[0])


@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_message_is_shown(message: str) -> None:
    """Control characters, half surrogate pairs and markup come back as text."""
    suite = suite_of(State.FAILED, "NotAccepted", acceptance(False, message=message))
    failure = suite.find("testcase/failure")

    assert failure is not None
    assert (failure.get("message") or "").isprintable()
    if message.isprintable():
        assert failure.get("message") == message


def test_a_report_has_it(tmp_path: Path) -> None:
    """With what the run took."""
    suite = ET.fromstring(write_run(tmp_path).report().junit())[0]

    assert (suite.get("time"), suite.get("name")) == ("4400.000", "ftjob emotions/1f3b9c02aa")
