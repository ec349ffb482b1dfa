"""A spec that was planned, ready to be submitted."""

from dataclasses import dataclass

from ftjob import api
from ftjob.client.consent import asking, question_of
from ftjob.client.handle import RunHandle
from ftjob.errors import BadSpecError
from ftjob.plan.plan import Plan
from ftjob.plan.shortfall import shortfall_of
from ftjob.plan.summary.layer_rows import LayerRow, layer_rows
from ftjob.plan.summary.plan_lines import PlanSummary, summary_of
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

    def submit(self, where: "Destination", *, agreed: bool, short: bool) -> RunHandle:
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
class Destination:
    """Where a run shall be: on this machine, or in a context and namespace as kubectl has them."""

    here: bool
    context: str | None = None
    namespace: str | None = None


def plan_draft(spec: JobSpec, report: Report) -> PlannedDraft:
    """Plan a spec, as `ftjob plan` does. Raises FtjobError."""
    if spec.sweep is not None:
        raise BadSpecError("sweep: is planned and submitted by the command line: `ftjob submit SPEC`")
    made = api.plan(spec, lambda progress: report(str(progress)), to_train=False)
    return PlannedDraft(spec, made, shortfall_of(made), question_of(made))
