"""The Python API: what the command line is a thin layer over, for notebooks and pipelines."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftjob.api.aliases import lineage as lineage
from ftjob.api.aliases import list_aliases as list_aliases
from ftjob.api.aliases import promotions as promotions
from ftjob.api.aliases import remove_alias as remove_alias
from ftjob.api.aliases import rollback as rollback
from ftjob.api.answering import bundle_folder as bundle_folder
from ftjob.api.answering import classify as classify
from ftjob.api.answering import export as export
from ftjob.api.answering import serve as serve
from ftjob.api.answering import verify as verify
from ftjob.api.before_plan import check_data as check_data
from ftjob.api.before_plan import examine_data as examine_data
from ftjob.api.before_plan import first_spec as first_spec
from ftjob.api.finding import find as find
from ftjob.api.finding import list_runs as list_runs
from ftjob.api.finding import list_statuses as list_statuses
from ftjob.api.loading import load
from ftjob.api.sweeping import compare_sweep as compare_sweep
from ftjob.api.sweeping import is_sweep as is_sweep
from ftjob.api.sweeping import plan_sweep as plan_sweep
from ftjob.api.sweeping import submit_sweep as submit_sweep
from ftjob.client import lookup, registry
from ftjob.client.local_run import Run as Run
from ftjob.client.local_run import submit as begin
from ftjob.errors import BadSpecError, ExitCode
from ftjob.fs import files
from ftjob.fs.paths import expanded
from ftjob.runfolder.address import RunAddress
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import Status

if TYPE_CHECKING:
    from ftjob.client.cluster_run import ClusterRun
    from ftjob.client.consent import Consent
    from ftjob.client.handle import RunHandle
    from ftjob.dataset.build.build import DataProgress
    from ftjob.nodes.prices import LivePrices
    from ftjob.nodes.profiles import Node, Price
    from ftjob.plan.diagnosis.explain import Explanation
    from ftjob.plan.plan import Plan
    from ftjob.report.render import ComparisonReport
    from ftjob.runfolder.charges import Bill
    from ftjob.tuning.range_test import RateSpan
    from ftjob.tuning.rate_curve import RateCurve
    from jobspec.spec import JobSpec


def plan(
    spec: "JobSpec | Path | str",
    progress: "Callable[[DataProgress], None] | None" = None,
    *,
    to_train: bool = True,
) -> "Plan":
    """Plan a run without starting anything.

    `to_train=False` leaves a dataset in a store there when its manifest is complete, and does not measure
    `data.mean: auto`, which saves looking at every pixel: it is the same run, but its prototxts cannot be
    trained from. Raises FtjobError.
    """
    from ftjob.prepare.prepare import absolute, prepare

    loaded, folder = load(spec)
    context = lookup.context_of(loaded, folder, progress, to_train)
    return prepare(absolute(loaded, context), context)


def init(
    net: str | None,
    data: Path | str,
    weights: Path | str | None = None,
    out: Path | None = None,
    *,
    force: bool = False,
) -> Path:
    """Write a commented spec for a net and a folder of data (paths or URIs), and return its path.

    `net` may be None where the weights are published ones (`known:NAME`), which have one. Raises BadSpecError
    where the file is there already, BadNetError, BadDataError or StorageError where net, weights or data will
    not do.
    """
    from ftjob.client.first_spec import write_spec

    return write_spec(net, data, weights, out, force=force)


def pin(address: str, progress: "Callable[[DataProgress], None] | None" = None) -> str:
    """Fetch a file of the web into the cache, and return `ADDRESS#sha256=DIGEST`, as a spec takes it.

    Raises BadSpecError where it is no address, BadNetError where nothing is there, StorageError.
    """
    from ftjob.client.first_spec import pinned
    from ftjob.dataset.build.transfers import as_progress

    return pinned(address, "pin", as_progress(progress or (lambda _: None)))


def nodes() -> "list[Node]":
    """Return the node profiles, the user's own among them. Raises BadSpecError for a wrong one."""
    from ftjob.nodes.profiles import load_nodes

    return list(load_nodes().values())


def live_prices(region: str | None = None) -> "tuple[LivePrices, list[str]]":
    """Return EC2's current prices of the nodes, and a sentence for each that it does not have.

    Nothing else reads these prices until `write_prices`. Raises BadSpecError.
    """
    from ftjob.nodes import prices

    return prices.live_prices(nodes(), region)


def write_prices(live: "LivePrices") -> "dict[str, Price]":
    """Write live prices into the user's nodes file, which plans and runs read; return those that are others
    than before. A price that EC2 does not have stays. Raises BadSpecError, StorageError."""
    from ftjob.nodes.profiles import user_file
    from ftjob.nodes.userfile import write_prices as write

    changed = {node.name: live.price_of(node) for node in nodes() if live.price_of(node) != node.price}
    write(user_file(), changed)
    return changed


def draw(planned: "Plan", path: Path) -> None:
    """Draw a plan's net into an SVG file. Raises StorageError where it cannot be written."""
    from ftjob.drawing.drawing import draw as drawn
    from ftjob.drawing.drawn_net import net_of_plan

    files.write_text(path, drawn(net_of_plan(planned)))


def draw_run(run: "RunHandle") -> str:
    """Return the SVG of the net that a run trains.

    Raises StorageError where its plan or its net is not there yet, or cannot be read, and BadNetError.
    """
    from ftjob.client.run_net import drawn_net_of
    from ftjob.drawing.drawing import draw as drawn

    return drawn(drawn_net_of(run))


def write_prototxts(planned: "Plan", folder: Path) -> None:
    """Write train_val, deploy and solver under `net/` of a folder, laid out as a run's: there,
    `caffe train -solver net/solver.prototxt` trains what the worker would. Raises StorageError."""
    from ftjob.prepare.prepare import write_prototxts as write

    root = RunFolder(folder)
    write(planned, root)
    with files.explained(root.snapshots):
        root.snapshots.mkdir(exist_ok=True)


def submit(
    spec: "JobSpec | Path | str",
    *,
    planned: "Plan | None" = None,
    consent: "Consent | None" = None,
    shortfall: str | None = None,
) -> tuple[Run, bool]:
    """Start or resume a run on this machine; return it, and whether a worker was started.

    The same net, weights, data and settings are the same run: one that is done stays as it is and costs
    nothing, one that runs is joined, any other resumes from its last complete snapshot. `consent` receives
    the plan before anything begins: the default refuses what its budget does not pay for
    (ftjob.client.consent). `shortfall` is plan.shortfall.shortfall_of(planned), where that is known. Raises
    FtjobError before anything is written.
    """
    from ftjob.client.consent import unless_short
    from ftjob.sweep.retrying import refuse_member

    decided = planned or plan(spec)
    refuse_member(decided.submitted)
    return begin(decided, consent or unless_short, shortfall)


def range_test(
    spec: "JobSpec | Path | str", span: "RateSpan | None" = None, name: str | None = None
) -> "JobSpec":
    """Return the spec, to submit as any other, of the run that tests learning rates on a spec's net and data;
    its name is the spec's with `-lr`, or `name`. Raises BadSpecError."""
    from ftjob.prepare.prepare import absolute
    from ftjob.tuning.range_test import RateSpan, range_test_of

    loaded, folder = load(spec)
    test = range_test_of(loaded, span or RateSpan(), name)
    return absolute(test, lookup.context_of(test, folder))


def rate_curve(run: "RunHandle") -> "RateCurve":
    """Return what a range test shows: the loss by learning rate, and the rate that it suggests. Raises
    BadSpecError for another run, StorageError."""
    from ftjob.tuning.rate_curve import rate_curve as curve_of

    return curve_of(run.metrics())


def explain(reference: str) -> "Explanation":
    """Return why a run, or a `caffe train` whose log is named, failed, from what it left behind.

    Raises BadSpecError for what is neither a run nor a log of Caffe's or ftjob's, StorageError for what
    cannot be read.
    """
    from ftjob.client.evidence import evidence_of_log, evidence_of_run
    from ftjob.plan.diagnosis.explain import explain as explained

    path = expanded(reference)
    if path.exists() and not path.is_dir():
        return explained(evidence_of_log(path))
    try:
        run = find(reference)
    except BadSpecError as error:
        raise BadSpecError(f"{error}, or the path of a log") from None
    there = run.of_folder()
    return explained(evidence_of_run(there.bring_all(), there.status()))


def submit_to_cluster(
    spec: "JobSpec | Path | str",
    *,
    planned: "Plan | None" = None,
    context: str | None = None,
    namespace: str | None = None,
    consent: "Consent | None" = None,
) -> "tuple[ClusterRun, bool]":
    """Start or resume a run on a cluster; return it, and whether anything began.

    `context` and `namespace` are kubectl's, `consent` is as for `submit`. Raises FtjobError before anything
    is created.
    """
    from ftjob.client import cluster_run
    from ftjob.client.consent import unless_short
    from ftjob.cluster.client import connect
    from ftjob.sweep.retrying import refuse_member

    loaded, _ = load(spec)
    refuse_member(loaded)
    decided = planned or plan(spec, to_train=False)
    sent = cluster_run.pinned(loaded, decided.submitted)
    run, started = cluster_run.submit(sent, decided, connect(context, namespace), consent or unless_short)
    address = RunAddress.on_cluster(context, run.cluster.namespace, run.name, decided.run_id)
    registry.remember(str(address), decided.spec.output)
    return run, started


def manifest(spec: "JobSpec | Path | str", planned: "Plan", namespace: str | None = None) -> dict[str, Any]:
    """Return the FineTuneJob that `submit_to_cluster` would create. Raises FtjobError."""
    from ftjob.client import cluster_run
    from ftjob.cluster.resource.figures import figures_of
    from ftjob.cluster.resource.submission import fine_tune_job

    cluster_run.refuse_local(planned.submitted)
    loaded, _ = load(spec)
    sent = cluster_run.pinned(loaded, planned.submitted)
    return fine_tune_job(sent, namespace or "default", figures_of(planned))


def unreadable_notes(name: str = "*") -> list[str]:
    """Return a sentence for each run submitted on this machine whose note cannot be read."""
    return registry.read_notes(name)[1]


def cost(
    references: Sequence[str] = (),
    since: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    *,
    by_attempt: bool = False,
) -> "Bill":
    """Return what runs have cost and on what: those that are named, sweeps as their members, else all that
    `list_runs` has.

    `since` (12h, 7d, 2w or a date) leaves out attempts that began before. Raises BadSpecError.
    """
    from ftjob.client.bill import bill
    from ftjob.runfolder.charges import moment

    asked = dict.fromkeys(references)
    named = (find(each, context, namespace) for each in asked)
    found = [run for each in named for run in (each.members() or [each])]
    found = found or list_runs("*", context, namespace)
    made = bill(found, moment(since) if since else None, by_attempt=by_attempt)
    missing = unreadable_notes() if not (asked or context or namespace) else []
    return replace(made, unknown=(*missing, *made.unknown))


def compare(
    references: Sequence[str], context: str | None = None, namespace: str | None = None
) -> "ComparisonReport":
    """Return how runs stand to the first of them: accuracy with intervals, classes, images, cost, specs.

    A run may be compared with itself. Raises BadSpecError for fewer than two, or more than twenty, and
    StorageError for a run that cannot be read.
    """
    from ftjob.report.compare.comparison import FEWEST, MOST
    from ftjob.report.render import ComparisonReport

    if not FEWEST <= len(references) <= MOST:
        raise BadSpecError(f"compare: {len(references)} runs: give {FEWEST} to {MOST} of them")
    return ComparisonReport(tuple(find(each, context, namespace).facts() for each in references))


def exit_code(status: Status) -> int:
    """Return the exit code for a run's status: its worker's, or preempted where that was killed."""
    return status.exit_code if status.exit_code is not None else ExitCode.PREEMPTED
