"""What a plan pod does: plans a run under its user's own account, and leaves one small document.

It is the pod's termination message (runfolder/progress): {"plan": figures}, or {"trouble": {reason, message,
passing}} where the run cannot be planned or does not fit; a `passing` problem may resolve itself.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ftjob.cluster.resource.figures import figures_of
from ftjob.errors import ExitCode, FtjobError, StorageError
from ftjob.errors.outcomes import Reason
from ftjob.prepare.prepare import Context, absolute, prepare
from ftjob.runfolder.progress import LARGEST
from ftjob.storage import DamagedError, MissingError
from ftjob.worker.admission import read_spec, refuse_references
from ftjob.worker.pod.context import PodContext
from ftjob.worker.pod.reporting import leave, legible

NO_PICTURES = (
    "data.train: is a folder of images, and this image lacks {package} to build a dataset from it: build it "
    "with `ftjob data build` and give that, or submit with `ftjob submit`"
)


def plan_in_pod(spec: Path) -> int:
    """Plan the spec in a file, leave the outcome, return the exit code. Re-raises unexpected errors."""
    termination_log = PodContext.from_env().termination_log
    try:
        report, code = planned(spec)
    except BaseException as error:
        why = f"planning failed with an unexpected error ({type(error).__name__}: {error}): please report it"
        leave(termination_log, rendered(trouble(Reason.INTERNAL_ERROR, why)), log)
        raise
    leave(termination_log, rendered(report), log)
    return code


def planned(spec: Path) -> tuple[dict[str, Any], int]:
    """Return what comes of planning the spec in a file, and the exit code."""
    try:
        given, context = read_spec(spec), Context(to_train=False)
        refuse_references(given)
        plan = prepare(absolute(given, context), context)
    except FtjobError as error:
        passing = isinstance(error, StorageError) and not isinstance(error, MissingError | DamagedError)
        return trouble(error.reason, str(error), passing=passing), error.exit_code
    except ModuleNotFoundError as error:
        return trouble(Reason.NOT_PLANNED, NO_PICTURES.format(package=error.name)), ExitCode.BAD_DATA
    if plan.problems:
        poor = plan.problems == (plan.too_poor,)
        reason = Reason.BUDGET_TOO_SMALL if poor else Reason.DOES_NOT_FIT
        return trouble(reason, " ".join(plan.problems)), ExitCode.BAD_SPEC
    figures = figures_of(plan).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"plan": figures}, ExitCode.DONE


def trouble(reason: Reason, message: str, *, passing: bool = False) -> dict[str, Any]:
    """Return the document of a run that cannot be planned."""
    return {"trouble": {"reason": reason, "message": legible(message), "passing": passing}}


def rendered(report: dict[str, Any]) -> bytes:
    """Return a document's bytes, with as much of the message as a kubelet keeps."""
    while len(data := json.dumps(report, ensure_ascii=False).encode()) > LARGEST:
        words = report["trouble"]
        report = {"trouble": {**words, "message": words["message"][: len(words["message"]) * 3 // 4]}}
    return data


def log(line: str) -> None:
    """Write a line to the container's log."""
    sys.stderr.write(f"{line}\n")
