"""Whatever a file holds, a call ends well: `make test-fuzz N=12000` draws more of the same.

A verb ends with an exit code of the table and without a traceback, within 10 s of a processor and 600 MB,
writes nothing outside its places, ends nobody's process, and prints nothing that a terminal acts on.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftjob.errors import ExitCode
from tests.conftest import MACHINE_CACHE
from tests.fuzz import trial
from tests.fuzz.blocks import SIZE, try_block
from tests.fuzz.case import Case, Edit
from tests.fuzz.kinds import KINDS
from tests.fuzz.trial import Bench, bench

BLOCKS = 1
EXPECTED = {"settings": ExitCode.BAD_SPEC, "solver": ExitCode.BAD_NET}
"""Exit codes for good files where they are not 0: there is no cluster, and a solver is no net. A lock
that somebody holds, who is not to be found, may be refused."""


@pytest.fixture(scope="module")
def place(needs_caffe: None) -> Iterator[Bench]:
    with bench((MACHINE_CACHE / "engines").resolve()) as made:
        yield made


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_input_ends_well(place: Bench, block: int, tmp_path: Path) -> None:
    """As the law has it; what does not is kept in a folder that can be tried again."""
    broken = [ending for ending in try_block(block, SIZE, place) if ending.problems]

    for number, ending in enumerate(broken):
        place.keep(place.smallest(ending), tmp_path / str(number))
    assert not broken, "\n".join(
        f"python -m tests.fuzz {tmp_path / str(number)}  # {' '.join(ending.case.words)}: {ending.problems}"
        for number, ending in enumerate(broken)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_good_files_are_taken(place: Bench, kind: str) -> None:
    """By every verb that is to read them: a mutation of what is refused anyway would try nothing."""
    for number in range(len(KINDS[kind].verbs)):
        ending = place.try_case(Case(kind, number, ()))

        assert not ending.problems, ending
        assert kind == "lock" or ending.code == EXPECTED.get(kind, 0), ending.output


def fail() -> None:
    raise RecursionError


def colour() -> None:
    sys.stdout.write("\x1b[31m")


def stray() -> None:
    Path("../elsewhere").write_text("")


def shoot() -> None:
    os.kill(os.getppid(), signal.SIGKILL)


def take() -> None:
    held = bytearray(b"x") * 2**30
    time.sleep(20)
    del held


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (fail, "ends with 1: RecursionError"),
        (colour, "prints U+001B"),
        (stray, "changes "),
        (shoot, "signals process "),
        (take, "takes more than 600 MB"),
    ],
)
def test_the_law_sees(
    place: Bench, monkeypatch: pytest.MonkeyPatch, program: Callable[[], None], problem: str
) -> None:
    """What a verb must not do, done by a program in ftjob's place."""
    monkeypatch.setattr(trial, "main", program)

    ending = place.try_case(Case("nodes", 0, ()))

    assert any(each.startswith(problem) for each in ending.problems), ending


def test_a_kept_input_is_tried_again(place: Bench, tmp_path: Path) -> None:
    """From its folder alone, with its pipes and links as they were, and ends as it did."""
    pipe = next(at for at, change in enumerate(KINDS["nodes"].changes) if change.__name__ == "pipe")
    ending = place.try_case(Case("nodes", 0, (Edit("nodes/nodes.yaml", pipe, 0),)))
    place.keep(ending, tmp_path / "kept")

    assert (tmp_path / "kept" / "input" / "nodes" / "nodes.yaml").is_fifo()
    assert place.again(tmp_path / "kept").code == ending.code
