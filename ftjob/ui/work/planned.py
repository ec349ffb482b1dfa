"""A spec that was planned, ready to be submitted."""

from dataclasses import dataclass

from ftjob import api
from ftjob.client.consent import asking, asking_for_sweep, question_of, question_of_sweep
from ftjob.client.handle import RunHandle
from ftjob.client.sweeping.sweeps import Where
from ftjob.plan.plan import Plan
from ftjob.plan.shortfall import shortfall_of
from ftjob.plan.summary.layer_rows import LayerRow, layer_rows
from ftjob.plan.summary.plan_lines import PlanSummary, summary_of
from ftjob.prepare.sweep_plan import SweepPlan
from ftjob.ui.work.jobs import Report
from jobspec import JobSpec


@dataclass(frozen=True)
class PlannedDraft:
    """A spec, and what it would do."""

    spec: JobSpec
    plan: Plan
    shortfall: str
    """A sentence where the budget does not pay for all of it."""
    question: str
    """What somebody must agree to; empty below the limit."""

    @property
    def summary(self) -> PlanSummary:
        """The plan in words."""
        return summary_of(self.plan, self.shortfall)

    @property
    def layers(self) -> list[LayerRow]:
        """What becomes of the layers."""
        heads = {head.layer for head in self.plan.heads}
        return list(layer_rows(self.plan.transfer, heads, every_layer=False))

    def submit(self, where: Where, *, agreed: bool, short: bool) -> RunHandle:
        """Start it, or resume it where it stopped; `agreed` to the question, and to a budget that is `short`.

        Raises FtjobError before anything begins.
        """
        shortfall = "" if short else self.shortfall
        consent = asking(lambda _: agreed, shortfall, yes=False)
        if where.here:
            return api.submit(self.spec, planned=self.plan, consent=consent, shortfall=self.shortfall)[0]
        return api.submit_to_cluster(
            self.spec, planned=self.plan, context=where.context, namespace=where.namespace, consent=consent
        )[0]


@dataclass(frozen=True)
class PlannedSweep:
    """A spec that stands for several runs, and what they would do."""

    spec: JobSpec
    plan: SweepPlan
    question: str
    """What somebody must agree to; empty below the limit."""

    @property
    def fields(self) -> list[str]:
        """The names of the fields in which the members differ."""
        assert self.spec.sweep
        return list(self.spec.sweep.fields)

    def submit(self, where: Where, *, agreed: bool) -> RunHandle:
        """Start it, or continue it. Raises FtjobError before anything begins."""
        consent = asking_for_sweep(lambda _: agreed, yes=False)
        return api.submit_sweep(self.spec, where, self.plan, consent)[0]


def plan_draft(spec: JobSpec, report: Report) -> PlannedDraft | PlannedSweep:
    """Plan a spec, as `ftjob plan` does. Raises FtjobError."""
    if spec.sweep is not None:
        several = api.plan_sweep(spec, lambda progress: report(str(progress)))
        return PlannedSweep(spec, several, question_of_sweep(several))
    made = api.plan(spec, lambda progress: report(str(progress)), to_train=False)
    return PlannedDraft(spec, made, shortfall_of(made), question_of(made))
