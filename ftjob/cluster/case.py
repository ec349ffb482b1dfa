"""All that is known of one FineTuneJob when it is looked at, and what follows from it at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ftjob.cluster import accounts
from ftjob.cluster.allowance import Allowance
from ftjob.cluster.config import Config
from ftjob.cluster.ends import BY_REASON, GONE, End
from ftjob.cluster.names import ANNOTATION_RETRY
from ftjob.cluster.objects import AttemptJob, FineTune, Pod
from ftjob.cluster.request import Request
from ftjob.cluster.status import Figures, Life
from ftjob.nodes import Node
from ftjob.status import Status


@dataclass(frozen=True)
class Trouble:
    """Why something could not be found out; what `passing` says may mend itself."""

    reason: str
    message: str
    passing: bool = False


@dataclass(frozen=True)
class Observed:
    """All that is known of one FineTuneJob at one moment."""

    job: FineTune
    jobs: tuple[AttemptJob, ...] = ()
    """Those of its own uid."""
    pods: tuple[Pod, ...] = ()
    strangers: bool = False
    """Whether there are Jobs of an earlier object of the same name."""
    planned: Figures | Trouble | None = None
    """None while nobody has planned."""
    run: Status | Trouble | None = None
    """The run's status.json; None where there is none."""
    run_read: bool = False
    """Whether the run's folder was looked at."""
    allowance: Allowance | Trouble | None = None
    """What the namespace may spend today; None where it has no budget of its own."""
    failed: Trouble | None = None
    """What went wrong when the last attempt was to be begun."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What events say of a Job or pod, by its name."""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    config: Config = field(default_factory=Config)


@dataclass(frozen=True)
class Case:
    """One look at one FineTuneJob: what is observed, the accounts made up to now, and what is asked."""

    seen: Observed
    request: Request | Trouble
    lives: tuple[Life, ...]
    now: float

    @property
    def status(self) -> Status | None:
        """The run's own status, where it could be read."""
        return self.seen.run if isinstance(self.seen.run, Status) else None

    @property
    def live_pods(self) -> list[Pod]:
        return [pod for pod in self.seen.pods if not pod.over]

    @property
    def open_jobs(self) -> list[AttemptJob]:
        return [
            job
            for job in self.seen.jobs
            if job.finished is None and not job.deleted and not self.is_over(job)
        ]

    def is_over(self, job: AttemptJob) -> bool:
        """Whether a Job's pod has ended, and only the Job's own controller has not noticed yet."""
        own = [pod for pod in self.seen.pods if pod.job == job.name]
        return bool(own) and all(pod.over for pod in own)

    @property
    def begun(self) -> bool:
        """Whether the run's identity is settled."""
        return self.seen.job.status.identity is not None

    @property
    def earlier(self) -> tuple[float, float, int]:
        """Seconds, dollars and attempts that the run had before this object."""
        before, run = self.seen.job.status, self.status
        if self.begun or run is None:
            return before.earlier_seconds, before.earlier_usd, before.earlier_attempts
        return run.seconds, run.usd, run.attempt

    @cached_property
    def spent(self) -> tuple[float, float]:
        return accounts.spent(self.lives, *self.earlier[:2])

    def seconds_left(self, request: Request, usd_per_hour: float) -> float:
        """Return how long a pod of that price may still run."""
        return accounts.seconds_left(request.budget, *self.spent, usd_per_hour)

    def life_of(self, pod: Pod) -> Life | None:
        """Return a pod's entry in the accounts; None before it was scheduled."""
        return next((life for life in self.lives if life.pod == pod.name), None)

    @property
    def last_end(self) -> End | None:
        """How the last attempt ended; None before the first one did."""
        ended = [life for life in self.lives if life.ended is not None]
        return BY_REASON.get(ended[-1].reason or "", GONE) if ended else None

    @property
    def retry_asked(self) -> bool:
        """Whether the user wants an attempt after the last one, whatever ended it."""
        return self.seen.job.annotations.get(ANNOTATION_RETRY) == str(self.seen.job.status.attempt)

    def told(self, end: End) -> str:
        """Return the worker's own sentence on its end where there is one, else the table's."""
        run, last = self.status, self.lives[-1] if self.lives else None
        if run and last and run.attempt == last.attempt and run.ended is not None and run.message:
            return run.message
        pods = [pod for pod in self.seen.pods if last and pod.name == last.pod and pod.message]
        return f"{end.told}: {' '.join(pods[0].message.split())[:300]}" if pods else end.told
