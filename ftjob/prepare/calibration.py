"""Speeds measured by runs, kept for later plans: `<output>/calibration/<key>.json`."""

import json
import os
import platform

from ftjob.concurrency import processors
from ftjob.errors import StorageError
from ftjob.fs.documents import UnreadableError, parse_as
from ftjob.nodes.profiles import LOCAL
from ftjob.plan.measured import Measurement, speed_key
from ftjob.plan.plan import Plan
from ftjob.runfolder.status import ENV_SECONDS_BEFORE
from ftjob.storage import MissingError, Store, open_store

FOLDER = "calibration"
LARGEST = 64 * 1024
"""Bytes of a measurement."""
PATIENCE = 5.0
"""Seconds that a plan waits for a store that does not answer: it can do without a measurement."""


def remember(
    plan: Plan,
    train_seconds_per_image: float,
    test_seconds_per_image: float | None,
    run_id: str,
    when: float,
    *,
    startup_seconds: float | None = None,
) -> str | None:
    """Keep what an attempt measured for later plans of the same net on the same node; return where.

    None where it is not kept: outside a cluster, a profile other than `local` sets the price only, and such
    a run does not show how fast those nodes are.

    Seconds per image: of training with everything an iteration takes, tests and snapshots left out, and of
    testing (None where no test was timed). `plan` is what really ran, with the batch that fitted. `when` is
    in seconds since 1970, `startup_seconds` from asking for the node to the first iteration. What an earlier
    run measured is replaced. Raises StorageError.
    """
    if plan.inputs.node.name != LOCAL and ENV_SECONDS_BEFORE not in os.environ:
        return None
    measured = Measurement(
        run=f"{plan.spec.name}/{run_id}",
        when=when,
        train_seconds_per_image=train_seconds_per_image,
        test_seconds_per_image=test_seconds_per_image,
        startup_seconds=startup_seconds,
    )
    values = {
        "net": plan.spec.base.net,
        "node": plan.inputs.node.name,
        "gpu": plan.inputs.node.gpu,
        "engine": plan.engine.title,
        "batch_size": plan.spec.data.batch_size,
        "iter_size": plan.solver.iter_size,
        "gpus": plan.spec.solver.gpus,
        **measured.model_dump(),
    }
    store, key = _place(plan)
    store.write(key, (json.dumps(values, indent=1) + "\n").encode())
    return f"{store.location}/{key}"


def recall(plan: Plan) -> tuple[Measurement | None, str]:
    """Return what an earlier run measured of a plan's net on its node, and a sentence where that exists but
    cannot be read: the plan does without it."""
    try:
        store, key = _place(plan)
    except StorageError as error:
        return None, f"no measured speed was looked up ({error})"
    try:
        return parse_as(Measurement, store.read(key, largest=LARGEST)), ""
    except MissingError:
        return None, ""
    except UnreadableError as error:
        return None, f"{store.location}/{key} holds no measured speed ({error}): remove it"
    except StorageError as error:
        return None, f"the measured speed could not be read ({error})"


def _place(plan: Plan) -> tuple[Store, str]:
    key = f"{FOLDER}/{speed_key(plan, _machine(plan))}.json"
    return open_store(plan.spec.output, patience=PATIENCE), key


def _machine(plan: Plan) -> str:
    """Return which machine a profile stands for: `local` is whichever this is."""
    if plan.inputs.node.name != LOCAL:
        return ""
    return f"{platform.node()}, {processors.share()} processors"
