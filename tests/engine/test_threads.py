"""The threads an engine computes with: its share of the processors, unless the user set another number."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.concurrency import processors
from ftjob.engine.open import open_engine
from ftjob.engine.threads import COUNTS, WAITING, with_threads
from tests.engine import nets, test_features
from tests.engine.conftest import Job
from tests.engines import ENGINES

OWN_COUNT = {"caffe": "OPENBLAS_NUM_THREADS", "torch": "MKL_NUM_THREADS"}
"""What sets the threads of one engine alone."""
SETTINGS = (*COUNTS, *WAITING)
VALUES = st.sampled_from(["", "1", "3", "4,2", "ACTIVE"])


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing about threads."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting, raising=False)


@pytest.fixture
def pinned() -> Iterator[None]:
    """This thread, and the processes that it starts, may run on one processor only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(before)])
    yield
    os.sched_setaffinity(0, before)


def first_line(name: str, folder: Path) -> str:
    """What an engine says of itself when it opens a solver; a Caffe for GPUs has missed those before."""
    with open_engine(
        name, solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
    ) as engine:
        engine.step(1)
    lines = (folder / "log").read_text().splitlines()
    return next(line for line in lines if "Cublas" not in line and "Curand" not in line)


def on(threads: int) -> str:
    return rf"on {threads} thread{'' if threads == 1 else 's'}\b"


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.usefixtures("nothing_set")
def test_an_engine_takes_all_processors_and_logs_it(job: Job, name: str) -> None:
    """With how its threads wait, in the first line of its log."""
    line = first_line(name, job(nets.convnet(4)))

    assert re.search(on(processors.share()), line)
    assert line.endswith(
        f"(OMP_NUM_THREADS={processors.share()}, OMP_WAIT_POLICY=PASSIVE, OPENBLAS_THREAD_TIMEOUT=20)"
    )


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.usefixtures("nothing_set", "pinned")
def test_an_engine_takes_no_more_than_its_affinity(job: Job, name: str) -> None:
    """As under `taskset`."""
    assert re.search(on(1), first_line(name, job(nets.convnet(4))))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.usefixtures("nothing_set")
def test_what_the_user_set_wins(job: Job, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the general setting here; by that of the engine's own library, see below."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")

    line = first_line(name, job(nets.convnet(4)))

    assert re.search(on(1), line)
    assert "(OMP_NUM_THREADS=1, OMP_WAIT_POLICY=ACTIVE, " in line


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.usefixtures("nothing_set")
def test_a_librarys_own_setting_wins(job: Job, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the number that ftjob gives to all."""
    monkeypatch.setenv(OWN_COUNT[name], "1")

    assert re.search(on(1), first_line(name, job(nets.convnet(4))))


@settings(deadline=None)
@given(given=st.dictionaries(st.sampled_from([*SETTINGS, "PATH"]), VALUES))
def test_nothing_that_is_set_is_changed(given: dict[str, str]) -> None:
    """Only what is not set, or empty, is added; a library's own number is left to it."""
    made = with_threads(given)

    assert made | {name: value for name, value in given.items() if value} == made
    assert {name for name, value in made.items() if value != given.get(name)} == {
        name for name in ("OMP_NUM_THREADS", *WAITING) if not given.get(name)
    }


@settings(deadline=None)
@given(given=st.dictionaries(st.sampled_from(SETTINGS), VALUES), threads=st.integers(1, 64))
def test_a_number_that_the_caller_wants_is_that_of_every_library(given: dict[str, str], threads: int) -> None:
    """Whatever was set."""
    made = with_threads(given, threads)

    assert {made[name] for name in COUNTS} == {str(threads)}


@pytest.mark.torch
def test_images_in_threads_of_their_own_make_the_same_features(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen trunk shares out what it computes first; updates have as many threads as before."""
    folder, found = job(test_features.net(), momentum=0.9), []
    for threads in (1, 2):
        for name in COUNTS:
            monkeypatch.setenv(name, str(threads))
        kept = tmp_path / str(threads)
        found.append(test_features.trained("torch", folder, kept, f"log{threads}"))
        assert re.search(on(threads), (folder / f"log{threads}").read_text())

    test_features.same(*found)
    files = [sorted((tmp_path / str(threads)).iterdir()) for threads in (1, 2)]
    assert [path.stat().st_size for path in files[0]] == [path.stat().st_size for path in files[1]]
