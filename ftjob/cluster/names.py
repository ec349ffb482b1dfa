"""Every name that the cluster and its users see: the resource, labels, annotations, conditions, reasons."""

from enum import StrEnum

GROUP = "ftjob.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "FineTuneJob"
PLURAL = "finetunejobs"
SINGULAR = "finetunejob"
SHORT = "ftj"

LABEL_APP = "app.kubernetes.io/name"
LABEL_INSTANCE = "app.kubernetes.io/instance"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_PART_OF = "app.kubernetes.io/part-of"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_JOB = f"{GROUP}/job"
"""The FineTuneJob a Job or pod belongs to, by name."""
LABEL_RUN_ID = f"{GROUP}/run-id"
LABEL_ATTEMPT = f"{GROUP}/attempt"
JOB_NAME = "job-name"
"""The label by which the Job controller marks its pods; newer clusters have a longer one besides."""

ANNOTATION_PLAN = f"{GROUP}/plan"
"""What `ftjob submit` planned, as JSON (figures.Hint), so that no pod has to plan again."""
ANNOTATION_CANCEL = f"{GROUP}/cancel"
"""Asks for an end: `snapshot` first, or `now`. Taken away, the run goes on."""
ANNOTATION_RETRY = f"{GROUP}/retry"
"""Asks for another attempt after the one of this number, although it was the last."""
ANNOTATION_NODES = f"{GROUP}/nodes"
"""The node profile of a pod, which its worker reads as its nodes file."""
ANNOTATION_SPEC = f"{GROUP}/spec"
"""The spec of a pod, which its worker reads as a file: it does not travel through the store."""
ANNOTATION_OWNER = f"{GROUP}/owner"
"""Whom a pod works for, as JSON: the worker refuses a run folder of somebody else."""
LABEL_UID = f"{GROUP}/uid"
"""The FineTuneJob a Job or pod belongs to: an object that was deleted and applied anew is another one."""
LABEL_CAPACITY = f"{GROUP}/capacity"
"""Whether an attempt is on a spot instance or on demand."""
SPOT, ON_DEMAND = "spot", "on-demand"

BUDGET_CONFIG_MAP, BUDGET_KEY = "ftjob-budget", "usd-per-day"
"""Where a namespace says what its runs may spend on a day, in UTC."""
NAMESPACE_BUDGET = "NamespaceBudget"
"""The reason of a run that waits for it."""

KUEUE_PREFIX = "kueue.x-k8s.io/"
"""Labels that are carried from a FineTuneJob to its Jobs."""

CONTAINER = "worker"
"""The container of every pod of ours, and the component of those that train."""
PLAN_COMPONENT = "plan"
"""The component of the pods that plan."""
FIELD_MANAGER = "ftjob-controller"
ENV_CACHE = "FTJOB_CACHE"


class State(StrEnum):
    """Where a FineTuneJob stands, in one word. The last three are ends."""

    PENDING = "Pending"
    RUNNING = "Running"
    STOPPING = "Stopping"
    RETRYING = "Retrying"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def ended(self) -> bool:
        """Whether nothing will change by itself."""
        return self in (State.SUCCEEDED, State.FAILED, State.STOPPED)


class Condition(StrEnum):
    """The types of a FineTuneJob's conditions."""

    ACCEPTED = "Accepted"
    """Whether the spec can be run."""
    RUNNING = "Running"
    """Whether a worker runs; its reason says why none does."""
    SUSPENDED = "Suspended"
    """Whether `suspend` holds the run."""
    EDITED = "EditRefused"
    """Whether a part of the spec was changed that belongs to the run's identity."""
    COMPLETE = "Complete"
    """Whether the run reached its end."""
    REPORT_REFUSED = "ReportRefused"
    """Whether what the worker reports cannot be true, and is passed over."""
    FAILED = "Failed"
    """Whether it ended for a reason that another attempt would not mend."""
    ENDED = "Ended"
    """Whether nothing will change by itself: Complete, Failed, or stopped by budget or cancel."""
