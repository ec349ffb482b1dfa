"""Laws of status.json."""

import json

from ftjob.status import Resumed, State, Status, render

STATUS = Status("emotions", "1f3b9c02aa", State.RUNNING, iteration=4, resumed=Resumed(3, 96, 0.5))


def test_what_is_written_reads_back_equal():
    """A status survives its JSON."""
    assert Status.from_json(json.loads(render(STATUS))) == STATUS


def test_fields_of_a_newer_version_are_passed_over():
    """An older ftjob reads a newer one's status."""
    assert Status.from_json({**STATUS.to_json(), "power_watts": 300}) == STATUS


def test_only_pending_and_running_change_by_themselves():
    """Whoever waits, waits for any other state."""
    assert {state for state in State if not state.ended} == {State.PENDING, State.RUNNING}
