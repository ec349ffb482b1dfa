"""An engine's process: it never outlives its parent, and its end is noticed at once."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from ftjob.engine import child
from ftjob.engine.caffe.client import program
from ftjob.engine.child import PATIENCE_SECONDS, Child, Program
from ftjob.engine.client import ProcessEngine
from ftjob.engine.open import open_engine
from ftjob.errors import EngineError, EngineSilentError
from tests.engine import nets
from tests.engine.conftest import Job
from tests.engines import ENGINES


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    """Every engine."""
    return str(request.param)


def opened(
    folder: Path, name: str = "caffe", patience_seconds: float | None = PATIENCE_SECONDS
) -> ProcessEngine:
    engine = open_engine(
        name,
        solver=folder / "solver.prototxt",
        weights=None,
        log=folder / "log",
        cwd=folder,
        patience_seconds=patience_seconds,
    )
    assert isinstance(engine, ProcessEngine)
    return engine


def until(happened: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait for something; return whether it happened."""
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.01)
    return happened()


def test_sigkill_in_the_middle_of_a_step_is_noticed_at_once(job: Job, name: str):
    """Not after its patience: with the signal's name and the log's last lines; no process is left."""
    folder = job(nets.convnet(64))
    engine = opened(folder, name)
    killed: list[float] = []

    def kill() -> None:
        os.kill(engine.child.pid, signal.SIGKILL)
        killed.append(time.monotonic())

    threading.Timer(0.3, kill).start()
    with pytest.raises(EngineError, match=r"ended by SIGKILL .*; the last lines of its log: .*\|") as error:
        engine.step(10**6)

    assert time.monotonic() - killed[0] < 60.0 < PATIENCE_SECONDS
    assert str(error.value).endswith((folder / "log").read_text().splitlines()[-1].split("] ")[-1])
    assert not psutil.pid_exists(engine.child.pid)
    engine.close()


COMMANDS: dict[str, Callable[[ProcessEngine, Path], object]] = {
    "steps": lambda engine, _: engine.step(10),
    "test": lambda engine, _: engine.test(7, ["label"]),
    "snapshot": lambda engine, folder: engine.snapshot(folder),
    "restore": lambda engine, folder: engine.restore(
        folder / "iter_1.solverstate", folder / "iter_1.caffemodel"
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_engine_that_hangs_is_killed_whatever_it_is_at(job: Job, name: str, command: str):
    """It is stopped, as by a driver that does not come back; the error says how long it was silent."""
    folder = job(nets.softmax_regression())
    if command == "restore":
        with opened(folder, name) as earlier:
            earlier.step(1)
            earlier.snapshot(folder)
    engine = opened(folder, name, patience_seconds=0.3)
    os.kill(engine.child.pid, signal.SIGSTOP)

    with pytest.raises(EngineSilentError, match=r"gave no sign of life for 0\.005 minutes and was killed"):
        COMMANDS[command](engine, folder)

    assert not psutil.pid_exists(engine.child.pid)
    engine.close()


def test_one_that_never_comes_up_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loading has the longest patience, and an end too."""
    monkeypatch.setattr(child, "PATIENCE_SECONDS", 0.3)
    sleeper = Program("Sleep", ("sh", "-c", "sleep 60"), "", lambda *_: EngineError())

    before = {each.pid for each in psutil.Process().children()}
    with pytest.raises(EngineSilentError, match="Sleep gave no sign of life"):
        Child(sleeper, tmp_path / "log", patience_seconds=0.1)
    assert {each.pid for each in psutil.Process().children()} <= before


REFUSED = (
    "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2: Resource temporarily unavailable"
)
LIMIT = "no more processes and threads can be started here: raise the limit"


def test_one_that_waits_for_threads_it_did_not_get_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """OpenBLAS writes that into the log and waits for ever."""
    monkeypatch.setattr(child, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(child, "PATIENCE_SECONDS", 20.0)
    waits = Program("Caffe", ("sh", "-c", f"echo '{REFUSED}'; exec sleep 60"), "", lambda *_: EngineError())

    with pytest.raises(EngineError, match=LIMIT):
        Child(waits, tmp_path / "log")


@pytest.mark.parametrize(
    ("name", "message"),
    [("RuntimeError", "can't start new thread"), ("BlockingIOError", "[Errno 11] " + os.strerror(11))],
)
def test_a_limit_on_processes_is_named(name: str, message: str):
    """An engine's Python raises that for a thread and for a fork."""
    with pytest.raises(EngineError, match=LIMIT):
        raise child.error_of(program(Path("python")), name, message)


LONG = {"caffe": (1500, 300_000), "torch": (100, 10_000)}
"""Passes over 1,024 images, and records of a test, that take more than a second."""


def test_long_work_is_no_silence(job: Job, name: str, monkeypatch: pytest.MonkeyPatch):
    """Updates of many batches, tests of many records and replays report on their way."""
    passes, records = LONG[name]
    folder, replies = job(nets.convnet(1024), iter_size=passes), 0
    receive = Child.receive

    def counted(self: Child) -> Any:
        nonlocal replies
        replies += 1
        return receive(self)

    monkeypatch.setattr(Child, "receive", counted)
    with opened(folder, name) as engine:
        replies = 0
        engine.step(1)
        assert replies > 3
        engine.snapshot(folder)
        replies = 0
        assert len(engine.test(records, ["label"])["label"]) == records
        assert replies > 3
    with opened(folder, name) as engine:
        shares: list[float] = []
        engine.restore(
            folder / "iter_1.solverstate",
            folder / "iter_1.caffemodel",
            should_continue=lambda share: shares.append(share) is None,
        )
        assert engine.iteration == 1
    if name == "caffe":  # PyTorch's place in the data is a number
        assert len(shares) > 2
    assert shares == sorted(set(shares))
    assert all(0 < share <= 1 for share in shares)


@pytest.mark.caffe
def test_a_replay_that_is_ended_early_leaves_a_net_to_be_tested(job: Job):
    """Its weights are the snapshot's; the answer shows that it is not to be trained."""
    folder = job(nets.convnet(1024), iter_size=LONG["caffe"][0])
    with opened(folder) as engine:
        engine.step(1)
        kept = engine.snapshot(folder)
        wanted = engine.test(7, ["fc"])["fc"]
    with opened(folder) as engine:
        assert not engine.restore(
            kept.solverstate, kept.caffemodel, should_continue=lambda share: share < 0.1
        )
        assert np.array_equal(engine.test(7, ["fc"])["fc"], wanted)


def test_a_test_that_is_halted_gives_what_it_has(job: Job, name: str):
    """The rows of its first batches; the engine goes on, and the next test is whole."""
    val = nets.Records(nets.records(7).images, np.arange(7))
    folder = job(nets.softmax_regression().replace("num_output: 3", "num_output: 7"), val=val)
    with opened(folder, name) as engine:
        found = engine.test(10**8, ["label"], should_continue=lambda _: False)["label"]
        assert 0 < len(found) < 10**7
        assert list(found[:8]) == [0, 1, 2, 3, 4, 5, 6, 0]
        assert engine.step(1)
        assert sorted(engine.test(7, ["label"])["label"]) == list(range(7))


@pytest.mark.caffe
def test_a_halt_right_behind_its_steps_is_seen(job: Job):
    """Though both may come in one read of the pipe."""
    with opened(job(nets.softmax_regression())) as engine:
        for _ in range(100):
            engine.child.send("steps", iterations=10**8)
            engine.child.send("halt")
            done = False
            while not done:
                done = engine.child.receive()[0]["done"]


PARENT = """
import sys, threading
from pathlib import Path
from ftjob.engine.open import open_engine
engine = open_engine(sys.argv[1], solver=Path("solver.prototxt"), weights=None, log=Path("log"), cwd=Path())
print(engine.child.pid, flush=True)
engine.step(int(sys.argv[2]))
sys.stdin.read()
"""


@pytest.mark.parametrize("steps", [10**7, 1], ids=["busy", "idle"])
def test_it_dies_with_its_parent(job: Job, name: str, steps: int):
    """SIGKILL of the parent ends it too, whether it computes or waits."""
    folder = job(nets.convnet())
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, name, str(steps)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    with parent:
        assert parent.stdout is not None
        engine = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.2)
        parent.kill()

    assert until(lambda: not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE)


def test_ctrl_c_and_sigterm_are_for_the_parent_to_answer(job: Job, name: str):
    """It is in a session of its own and takes neither signal: the worker decides when to stop."""
    with opened(job(nets.convnet()), name) as engine:
        assert os.getsid(engine.child.pid) != os.getsid(0)
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(engine.child.pid, each)
            assert len(engine.step(1)) == 1


@pytest.mark.caffe
def test_closing_leaves_nothing_behind(job: Job):
    """No process, no zombie, no open file: neither after use nor after a failure."""
    folder = job(nets.convnet())
    before = open_files()
    children = psutil.Process().children()  # a session's fixture may hold one
    with opened(folder) as engine:
        engine.step(1)
    (folder / "train_val.prototxt").write_text('layer { name: "x" type: "Nonsense" }')
    with pytest.raises(Exception, match="Nonsense"):
        opened(folder)

    assert not open_files() - before  # what earlier tests left may be closed meanwhile
    assert psutil.Process().children() == children


def open_files() -> set[str]:
    """Return this process's open files, pipes and sockets by their numbers."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            found.add(f"{each.name} {each.readlink()}")
    return found


def test_an_interrupted_call_ends_it(job: Job, name: str, monkeypatch: pytest.MonkeyPatch):
    """An exception in the caller while it waits leaves no process that computes on for nobody."""
    engine = opened(job(nets.convnet()), name)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def waited_for(*descriptors: Any) -> Any:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        return select.select(*descriptors)

    old = signal.signal(signal.SIGALRM, interrupt)
    monkeypatch.setattr(child, "select", SimpleNamespace(select=waited_for))
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.step(10**7)
    finally:
        signal.signal(signal.SIGALRM, old)

    assert not psutil.pid_exists(engine.child.pid)


@pytest.mark.caffe
def test_what_caffe_prints_goes_to_the_log_only(job: Job, capfd: pytest.CaptureFixture[str]):
    """The terminal stays the worker's, and what was in the log before stays."""
    folder = job(nets.convnet())
    (folder / "log").write_text("earlier\n")

    with opened(folder) as engine:
        begun = (folder / "log").read_text()
        engine.step(100)

    assert capfd.readouterr() == ("", "")
    assert begun.startswith("earlier\n")
    assert "Creating Layer conv" in begun
    more = (folder / "log").read_text().removeprefix(begun).splitlines()
    by_thread = "Cannot create Cu"  # of Caffe with CUDA, without a GPU, as each of its threads begins
    lines = [line for line in more if by_thread not in line]
    rounds = [line for line in lines if "Restarting data prefetching" in line]
    assert lines == rounds
    assert len(rounds) <= 2  # of forty: what the threads of two data layers were writing as Caffe went quiet


def test_a_python_that_is_not_there_is_named(tmp_path: Path):
    """And one without pycaffe says what it lacks."""
    with pytest.raises(EngineError, match="/no/python cannot be started: No such file or directory"):
        Child(program(Path("/no/python")), tmp_path / "log")
    with pytest.raises(EngineError, match="No module named 'caffe'"):
        Child(program(Path(sys.executable)), tmp_path / "log")
