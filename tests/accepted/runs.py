"""Plan a case, and where plan accepts it run it to its bundle and verify that: how did it end?"""

import contextlib
import json
import re
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from ftjob import api
from ftjob.bundle.verify import verify
from ftjob.client.local_run import Run, enlist
from ftjob.errors import ExitCode, FtjobError
from ftjob.plan.plan import Plan
from ftjob.runfolder.address import location_of
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status, render
from ftjob.runfolder.store import in_folder
from ftjob.worker import attempt as worker
from ftjob.worker import finish
from tests.accepted.case import Case, write
from tests.forked.client import quick
from tests.plan.specs import document

ENGINES = ("caffe", "torch")
MOST_MEMORY = 4 << 30
"""Bytes; none of these tiny cases may take more, of any process."""
FORESEEN = frozenset(
    {
        ExitCode.DONE,
        ExitCode.DIVERGED,
        ExitCode.NOT_LEARNING,
        ExitCode.BUDGET_REACHED,
        ExitCode.NOT_ACCEPTED,
    }
)
"""Ends of a run that no plan can know of."""
UNDRAWN = re.compile(r"could not be drawn \((.*?)\): the run")


@dataclass(frozen=True)
class Ending:
    """How a case ended with an engine."""

    engine: str
    stage: str
    """refused (by plan, or by data build), failed (by plan, unforeseen), run, picture (one of the run's could
    not be drawn) or verify."""
    code: int
    sentence: str
    violates: bool = False
    """Whether the law is broken."""
    plan_seconds: float = 0.0
    run_seconds: float = 0.0
    verify_seconds: float = 0.0

    @property
    def kind(self) -> str:
        """Stage, code and sentence without names and numbers: what endings of one cause have in common."""
        line = next(iter(self.sentence.strip().splitlines()), "")
        line = re.sub(r'"[^"]*"', '"…"', re.sub(r"\S*/\S+/[^\s:]*", "PATH", line))
        return f"{self.stage} {int(self.code)} {re.sub(r'[0-9]+(?:[.x][0-9]+)*', 'N', line)[:160]}"


def endings(case: Case, folder: Path, engines: Sequence[str] = ENGINES) -> list[Ending]:
    """Try a case with engines, in a folder below, which is removed again."""
    with little_memory(), signals_kept(), quick("torch"), without_curves():
        try:
            spec = write(case, folder / case.folder)
        except FtjobError as error:  # `data build` does not take the images
            return [Ending(engine, "refused", error.exit_code, str(error)) for engine in engines]
        else:
            planned = {engine: plan(spec, engine) for engine in ENGINES}
            return [run(*planned[engine], judges(engine, planned), case.resumes) for engine in engines]
        finally:
            shutil.rmtree(folder / case.folder, ignore_errors=True)


def judges(engine: str, planned: Mapping[str, tuple[Ending, Plan | None]]) -> str:
    """The engine that verifies the bundles of another: not itself, where both can run the net."""
    return next((other for other, (_, plan) in planned.items() if plan and other != engine), engine)


def plan(spec: Path, engine: str) -> tuple[Ending, Plan | None]:
    """Plan a spec with an engine; return the plan where it is accepted, and else how that ended."""
    own = spec.with_name(f"{engine}.yaml")
    own.write_text(f"{spec.read_text()}engine: {engine}\n")
    begin = time.perf_counter()
    try:
        made = api.plan(own)
        problems, _ = made.problems, made.warnings
    except FtjobError as error:
        return Ending(engine, "refused", error.exit_code, str(error), plan_seconds=since(begin)), None
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return Ending(engine, "failed", 1, in_words(error), violates=True, plan_seconds=since(begin)), None
    if problems:
        return Ending(engine, "refused", ExitCode.BAD_SPEC, problems[0], plan_seconds=since(begin)), None
    return Ending(engine, "accepted", 0, "", plan_seconds=since(begin)), made


def run(ending: Ending, plan: Plan | None, judge: str, resumes: bool) -> Ending:
    """Run a plan, if there is one, to its bundle, and verify that with the engine that judges."""
    if plan is None:
        return ending
    run = Run(location_of(plan.spec.output, plan.spec.name, plan.run_id))
    enlist(run, plan.spec, document(plan), None)
    ending = finished(run, ending)
    if resumes and not ending.violates and run.bundle():
        cut_off(run.folder)
        ending = finished(run, ending, attempt=2)
    if not ending.violates and run.bundle():
        ending = verified(run.folder, ending, judge)
    shutil.rmtree(run.folder.root)
    return ending


def cut_off(folder: RunFolder) -> None:
    """Leave a run as if it had been cut off after its first snapshot, if there is another."""
    shutil.rmtree(folder.bundle)
    status = Status.from_json(json.loads(folder.status.read_text(encoding="utf-8")))
    folder.status.write_text(render(replace(status, state=State.RUNNING)), encoding="utf-8")
    _, *later = in_folder(folder).snapshots()
    for name in (name for snapshot in later for name in snapshot.files):
        (folder.snapshots / name).unlink()


def finished(run: Run, ending: Ending, attempt: int = 1) -> Ending:
    """Be the worker of a run."""
    folder, begin = run.folder, time.perf_counter()
    log = folder.log(attempt)
    folder.logs.mkdir(parents=True, exist_ok=True)
    stage, violates = "run", True
    try:
        with log.open("a") as stream, contextlib.redirect_stderr(stream):
            code = worker.run(run.location, attempt)
        sentence, violates = run.status().message, code not in FORESEEN
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        code, sentence = 1, in_words(error)
    if not violates and (found := UNDRAWN.search(log.read_text(errors="replace"))):
        stage, code, sentence, violates = "picture", 1, found[1], True
    return replace(
        ending,
        stage=stage,
        code=code,
        sentence=sentence,
        violates=violates,
        run_seconds=ending.run_seconds + since(begin),
    )


def verified(folder: RunFolder, ending: Ending, engine: str) -> Ending:
    """Verify a run's bundle."""
    begin = time.perf_counter()
    try:
        done = verify(folder.bundle, engine, folder.root / "verify.log")
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        code = error.exit_code if isinstance(error, FtjobError) else 1
        return replace(ending, stage="verify", code=code, sentence=in_words(error), violates=True)
    ending = replace(ending, verify_seconds=since(begin))
    if done.ok:
        return ending
    sentence = (
        f"by {engine}: {done.same_answers} of {done.images} the same, {done.largest_difference:g} apart"
    )
    return replace(ending, stage="verify", code=2, sentence=sentence, violates=True)


def since(begin: float) -> float:
    return time.perf_counter() - begin


def in_words(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno} {frame.name})"


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Let this process and those it starts have MOST_MEMORY, so that a case that takes it all fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Give signals back to whoever had them: a worker takes them for as long as its process lives."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def without_curves() -> contextlib.AbstractContextManager[object]:
    """Leave out the picture of the curves: it takes as long as all else, and no run ends by it."""
    return mock.patch.object(finish, "curves_png", return_value=b"")
