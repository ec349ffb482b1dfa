"""Promotions by processes of their own: several at once, and killed wherever it hurts."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ftjob.models.alias import Alias
from ftjob.models.current import current_model
from ftjob.models.history import history_of
from ftjob.models.promote import promote, remove, rollback
from ftjob.storage import open_store
from tests.models.runs import a_run

RACERS = 4
RACE = """
import sys
from ftjob.errors import FtjobError
from ftjob.models.history import History
from ftjob.models.promote import promote

append = History.append

def together(history, promotion):
    print("ready", flush=True)
    sys.stdin.readline()
    append(history, promotion)

History.append = together
try:
    print("won", promote(sys.argv[1], "faces").promotion.number)
except FtjobError as error:
    print("lost", error.exit_code.value, error)
"""
KILLED = """
import os, signal, sys
from ftjob.models.promote import promote, remove, rollback
from ftjob.models.alias import Alias
from ftjob.storage.directory import DirectoryStore

step, location, output = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

verb, _, when = step.partition(" ")
method, _, moment = when.partition(" ")
real = getattr(DirectoryStore, method)

def until(store, *values):
    if moment == "before":
        die()
    real(store, *values)
    die()

setattr(DirectoryStore, method, until)
alias = Alias(output, "faces")
promote(location, "faces") if verb == "promote" else {"rollback": rollback, "remove": remove}[verb](alias)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "output", ["directory", pytest.param("ceph", marks=pytest.mark.store)], indirect=True
)
def test_of_many_at_once_one_wins_and_the_others_name_it(output: str) -> None:
    """Each process has read the history before the first of them writes."""
    runs = [a_run(output, f"{number}" * 4) for number in range(RACERS)]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, run], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for run in runs
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    ends = [racer.communicate(timeout=120)[0].strip() for racer in racers]

    [winner] = [run for run, end in zip(runs, ends, strict=True) if end == "won 1"]
    reference = "/".join(winner.split("/")[-2:])
    others = [end for end in ends if end != "won 1"]
    assert len(others) == RACERS - 1
    assert all(
        end.startswith("lost 5 ") and f"promoted {reference} at the same moment" in end for end in others
    )
    assert current_model(Alias(output, "faces")).location == winner
    assert (
        json.loads(open_store(Alias(output, "faces").location).read("current.json"))["run_id"] == winner[-4:]
    )


@pytest.mark.slow
@pytest.mark.parametrize("step", ["create before", "create after", "write before", "write after"])
@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_a_killed_process_has_promoted_the_run_or_not(tmp_path: Path, verb: str, step: str) -> None:
    """Once the record is there, it counts; nothing is half-written, and the next promotion needs no help."""
    output = str(tmp_path / "runs")
    first, second, third = (a_run(output, run_id) for run_id in ("aaaa", "bbbb", "cccc"))
    promote(first, "faces")
    if verb == "rollback":
        promote(second, "faces")
    before = history_of(Alias(output, "faces")).numbers()

    command = [sys.executable, "-c", KILLED, f"{verb} {step}", second, output]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL

    counts = step != "create before"
    is_second = counts == (verb == "promote")
    assert current_model(Alias(output, "faces")).location == (second if is_second else first)
    assert len(history_of(Alias(output, "faces")).numbers()) == len(before) + counts
    promote(third, "faces")
    folder = Path(Alias(output, "faces").location)
    assert json.loads((folder / "current.json").read_text())["run_id"] == "cccc"
    assert rollback(Alias(output, "faces")).promotion.run_id == ("bbbb" if is_second else "aaaa")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["create before", "create after", "delete before", "delete after"])
def test_a_killed_process_has_removed_the_alias_or_not(tmp_path: Path, step: str) -> None:
    """Once the record is there it counts, whatever current.json has; removing it again completes that."""
    output = str(tmp_path / "runs")
    run, alias = a_run(output, "aaaa"), Alias(output, "faces")
    promote(run, "faces")

    command = [sys.executable, "-c", KILLED, f"remove {step}", run, output]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL

    newest = history_of(alias).newest()
    assert newest is not None
    assert newest.removed is (step != "create before")
    assert remove(alias).changed is (step == "create before")
    assert [path.name for path in Path(alias.location).iterdir()] == ["history"]
    assert promote(run, "faces").changed
