"""Evaluates the bundled snapshot on `accept.on`, with the engine and the TEST net that evaluate data.val."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ftjob.bundle.evaluate import evaluate
from ftjob.dataset.facts import DatasetFacts
from ftjob.engine.open import open_engine
from ftjob.plan.plan import Plan, make_plan
from ftjob.prepare.prepare import write_prototxts
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.worker.pod.context import PodContext
from ftjob.worker.resume import precision_on
from ftjob.worker.watch.gpu import gpus_for


def evaluate_on(
    plan: Plan,
    on: DatasetFacts,
    caffemodel: Path,
    iteration: int,
    *,
    pod: PodContext,
    log_path: Path,
    must_stop: Callable[[], bool],
) -> Evaluation | None:
    """Return how a snapshot does on another dataset, by its main head and every record once; None where the
    run must stop before that is known. Raises as the engine does."""
    tested = make_plan(replace(plan.inputs, val=on))
    head, gpus = tested.main_head, gpus_for(plan.inputs.node, in_cluster=pod.accounts is not None)
    gpu = gpus[0] if gpus else None
    with tempfile.TemporaryDirectory(prefix="ftjob-") as scratch:
        there = RunFolder(Path(scratch))
        write_prototxts(tested, there)
        with open_engine(
            plan.engine.name,
            solver=there.solver,
            weights=caffemodel,
            log=log_path,
            cwd=there.root,
            gpu=gpu.index if gpu else None,
            precision=precision_on(gpu, plan),
        ) as engine:
            wanted = [head.score, head.label]
            blobs = engine.test(on.records, wanted, should_continue=lambda _: not must_stop())
    scores, labels = blobs[head.score], blobs[head.label]
    if len(labels) < on.records:
        return None
    return evaluate(iteration, {head.layer: scores}, labels, head.layer, plan.labels)
