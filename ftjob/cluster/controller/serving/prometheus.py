"""The controller's Prometheus metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

JOBS = Gauge("ftjob_jobs", "FineTuneJobs by state.", ["state"], registry=REGISTRY)
DOLLARS = Gauge("ftjob_dollars", "What the existing FineTuneJobs have cost.", registry=REGISTRY)
ATTEMPTS = Counter("ftjob_attempts_ended", "Attempts that ended, by reason.", ["reason"], registry=REGISTRY)
BEGUN = Counter("ftjob_attempts_begun", "Attempts that were begun.", registry=REGISTRY)
RECONCILE = Histogram(
    "ftjob_reconcile_seconds", "One reconcile of one FineTuneJob.", buckets=LATENCY, registry=REGISTRY
)
QUEUED = Histogram(
    "ftjob_queue_seconds", "From a change to its reconcile.", buckets=LATENCY, registry=REGISTRY
)
API_REQUESTS = Counter(
    "ftjob_api_requests", "Requests to the API server.", ["verb", "resource"], registry=REGISTRY
)
ERRORS = Counter("ftjob_errors", "Failures that are tried again.", ["kind"], registry=REGISTRY)
UNREADABLE = Gauge(
    "ftjob_unreadable_objects",
    "Objects that cannot be read; the log names them.",
    ["resource"],
    registry=REGISTRY,
)
SILENT = Gauge(
    "ftjob_watch_silent_seconds",
    "Since the API server last answered a list or watch.",
    ["resource"],
    registry=REGISTRY,
)
WORKERS = Gauge("ftjob_lookers", "Threads that reconcile objects.", registry=REGISTRY)
STUCK = Gauge("ftjob_stuck_looks", "Reconciles that have taken two minutes or more.", registry=REGISTRY)
WAITING = Gauge("ftjob_queue_length", "FineTuneJobs that wait for a reconcile.", registry=REGISTRY)
LEADER = Gauge("ftjob_leader", "Whether this controller holds the Lease.", registry=REGISTRY)
