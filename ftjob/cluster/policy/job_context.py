"""What one reconcile knows of a FineTuneJob, and what follows from that directly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ftjob.cluster.policy import accounts
from ftjob.cluster.policy.allowance import DailyAllowance
from ftjob.cluster.policy.ends import GONE, is_ending
from ftjob.cluster.policy.pending import quoted
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.objects import AttemptJob, FineTune, Pod
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import Figures, PodRecord
from ftjob.errors.outcomes import BY_REASON, Ending, Reason
from ftjob.nodes.profiles import Node
from ftjob.runfolder.progress import Progress
from ftjob.sweep.retrying import refusal


@dataclass(frozen=True)
class JobProblem:
    """Why something could not be found out; a `passing` problem may go away by itself."""

    reason: str
    message: str
    passing: bool = False


@dataclass(frozen=True)
class Observed:
    """What is known of one FineTuneJob at one moment."""

    job: FineTune
    jobs: tuple[AttemptJob, ...] = ()
    """With its own uid."""
    pods: tuple[Pod, ...] = ()
    has_old_jobs: bool = False
    """Whether there are Jobs of an earlier object of the same name."""
    old_pods: tuple[Pod, ...] = ()
    """Pods of an earlier object."""
    plan_jobs: tuple[AttemptJob, ...] = ()
    """Jobs that plan, with its own uid."""
    plan_pods: tuple[Pod, ...] = ()
    planned: Figures | JobProblem | None = None
    """None until the run is planned."""
    report: Progress | None = None
    """The newest attempt's last report, which may be the one at its end; None where there is none."""
    report_refused: str = ""
    """What is wrong with a report that was ignored."""
    allowance: DailyAllowance | JobProblem | None = None
    """What the namespace may spend today; None where it has no budget of its own."""
    failed: JobProblem | None = None
    """Why the last try to begin an attempt failed."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """The newest warning Event about a Job or pod, by its name."""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    config: Config = field(default_factory=Config)


@dataclass(frozen=True)
class JobContext:
    """One reconcile of one FineTuneJob: what is observed, the accounts up to now, and the request."""

    seen: Observed
    request: Request | JobProblem
    records: tuple[PodRecord, ...]
    now: float

    @property
    def report(self) -> Progress | None:
        """The newest attempt's last report."""
        return self.seen.report

    @property
    def live_pods(self) -> list[Pod]:
        return [pod for pod in self.seen.pods if not self.has_ended(pod)]

    @property
    def open_jobs(self) -> list[AttemptJob]:
        return [
            job
            for job in self.seen.jobs
            if job.finished is None and not job.deleted and not self.is_over(job)
        ]

    def is_over(self, job: AttemptJob) -> bool:
        """Whether all pods of a Job have ended, though the Job controller may not have noticed yet."""
        own = [pod for pod in self.seen.pods if pod.job == job.name]
        return bool(own) and all(map(self.has_ended, own))

    def has_ended(self, pod: Pod) -> bool:
        """Whether nothing of a pod runs any more."""
        return pod.over and not is_ending(pod, self.seen.job.status, self.report, self.now)

    @property
    def begun(self) -> bool:
        """Whether the run's identity is settled."""
        return self.seen.job.status.identity is not None

    @property
    def earlier(self) -> tuple[float, float]:
        """Seconds and dollars that the run's folder cost before this object; reports can only raise them."""
        before, report = self.seen.job.status, self.report
        if report is None:
            return before.earlier_seconds, before.earlier_usd
        return (
            max(before.earlier_seconds, report.earlier_seconds),
            max(before.earlier_usd, report.earlier_usd),
        )

    @cached_property
    def spent(self) -> tuple[float, float]:
        return accounts.spent(self.records, *self.earlier)

    def seconds_left(self, request: Request, usd_per_hour: float) -> float:
        """Return how many seconds a pod at that price may still run."""
        return accounts.seconds_left(request.budget, *self.spent, usd_per_hour)

    def record_of(self, pod: Pod) -> PodRecord | None:
        """Return a pod's record in the accounts; None before the pod is scheduled."""
        return next((record for record in self.records if record.pod == pod.name), None)

    @property
    def last_end(self) -> Ending | None:
        """How the last attempt ended; None until the first one has."""
        ended = [record for record in self.records if record.ended is not None]
        return BY_REASON.get(ended[-1].reason or "", GONE) if ended else None

    @property
    def retry_requested(self) -> bool:
        """Whether the user wants another attempt after the last one, whatever ended that, and may have it."""
        return self.seen.job.retried_attempt is not None and not refusal(self.seen.job.sweep)

    def message_of(self, end: Ending) -> str:
        """Return the worker's own message about its end, or else the table's."""
        report, last = self.report, self.records[-1] if self.records else None
        if report and last and report.attempt == last.attempt and report.exit_code is not None:
            return report.message or end.reason.message
        ended = next((pod for pod in self.seen.pods if last and pod.name == last.pod), None)
        hint = quoted(ended.words) if ended else ""
        if not hint and end.reason is Reason.INTERNAL_ERROR and last and last.exit_code is not None:
            hint = f"exit code {last.exit_code}"
        return f"{end.reason.message}: {hint}" if hint else end.reason.message
