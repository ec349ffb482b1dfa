"""Laws of status.json."""

import json

from ftjob.runfolder.status import Resumed, State, Status, render

STATUS = Status("emotions", "1f3b9c02aa", State.RUNNING, iteration=4, resumed=Resumed(3, 96, 0.5))


def test_what_is_written_reads_back_equal():
    """A status survives its JSON."""
    assert Status.from_json(json.loads(render(STATUS))) == STATUS


def test_fields_of_a_newer_version_are_passed_over():
    """An older ftjob reads a newer one's status."""
    assert Status.from_json({**STATUS.to_json(), "power_watts": 300}) == STATUS


def test_a_wait_ends_where_nothing_changes_by_itself():
    """Whoever waits, waits while a run is under way or about to be, here or on a cluster; no longer."""
    ended = {State.SUCCEEDED, State.FAILED, State.STOPPED, State.INTERRUPTED, State.UNREACHABLE}
    assert {state for state in State if state.ended} == ended
