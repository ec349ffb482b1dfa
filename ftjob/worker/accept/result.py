"""What follows the training: the bundle, and whether it is what `accept` requires."""

from dataclasses import replace

from ftjob.fs import files
from ftjob.plan.plan import Plan
from ftjob.runfolder.records.acceptance import Acceptance, write_acceptance
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.predictions import Evaluated, read_evaluated
from ftjob.worker.accept.judge import judge
from ftjob.worker.accept.keep import keep_evaluation
from ftjob.worker.accept.on import evaluate_on
from ftjob.worker.finish import End, bundle
from ftjob.worker.log import log
from ftjob.worker.pod.context import PodContext
from ftjob.worker.recorder import Recorder
from ftjob.worker.storage import Home
from ftjob.worker.train import Outcome
from ftjob.worker.watch.signals import StopRequest


def concluded(
    plan: Plan, outcome: Outcome, home: Home, recorder: Recorder, stop: StopRequest, pod: PodContext
) -> End:
    """Make the bundle of the best snapshot, judge it, and return the end of the run. Raises FtjobError."""
    evaluation = bundle(plan, home, recorder)
    acceptance, iteration = accepted(plan, home, recorder, evaluation, stop, pod), recorder.status.iteration
    if acceptance is None:
        return End.stopped(stop, iteration)
    return End.after(outcome, evaluation.accuracy, acceptance, iteration, plan)


def accepted(
    plan: Plan, home: Home, recorder: Recorder, evaluation: Evaluation, stop: StopRequest, pod: PodContext
) -> Acceptance | None:
    """Write and return what is required of the bundled snapshot and what it reached; None where the run was
    stopped before that was known. `evaluation` is of data.val. Raises FtjobError."""
    folder, on = home.folder, plan.inputs.on
    with files.explained(folder.acceptance):  # of an attempt before, whose snapshot or dataset was another
        for path in (folder.acceptance, folder.on_predictions, folder.on_evaluation):
            path.unlink(missing_ok=True)
    documents = (folder.evaluation, folder.predictions)
    if on is not None:
        recorder.update(stage="test")
        log(f"evaluating iteration {evaluation.iteration} on {on.location} (accept.on)")
        found = evaluate_on(
            plan,
            on,
            folder.caffemodel(evaluation.iteration),
            evaluation.iteration,
            pod=pod,
            log_path=folder.log(recorder.status.attempt),
            must_stop=lambda: bool(stop),
        )
        if found is None:
            return None
        evaluation, documents = found, (folder.on_evaluation, folder.on_predictions)
        keep_evaluation(*documents, found, on)
    result = Evaluated(replace(evaluation, answers=None), None)
    if plan.inputs.baseline:
        result = read_evaluated(*documents) or result
    acceptance = judge(plan.spec.accept, result, plan.inputs.baseline)
    for each in acceptance.requirements:
        log(f"{'met' if each.met else 'not met'}: {each.message}")
    write_acceptance(folder.acceptance, acceptance)
    return acceptance
