"""What Prometheus is told."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

JOBS = Gauge("ftjob_jobs", "FineTuneJobs by state.", ["state"], registry=REGISTRY)
DOLLARS = Gauge("ftjob_dollars", "What the FineTuneJobs that are there have cost.", registry=REGISTRY)
ATTEMPTS = Counter("ftjob_attempts_ended", "Attempts that ended, by reason.", ["reason"], registry=REGISTRY)
BEGUN = Counter("ftjob_attempts_begun", "Attempts that were begun.", registry=REGISTRY)
RECONCILE = Histogram(
    "ftjob_reconcile_seconds", "One look at one FineTuneJob.", buckets=LATENCY, registry=REGISTRY
)
QUEUED = Histogram(
    "ftjob_queue_seconds", "From a change to the look at it.", buckets=LATENCY, registry=REGISTRY
)
API_REQUESTS = Counter(
    "ftjob_api_requests", "Requests to the API server.", ["verb", "resource"], registry=REGISTRY
)
ERRORS = Counter("ftjob_errors", "Looks that failed and are tried again.", ["kind"], registry=REGISTRY)
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
WORKERS = Gauge("ftjob_lookers", "Threads that look at objects.", registry=REGISTRY)
STUCK = Gauge("ftjob_stuck_looks", "Looks that go on for two minutes and more.", registry=REGISTRY)
WAITING = Gauge("ftjob_queue_length", "FineTuneJobs that wait for a look.", registry=REGISTRY)
LEADER = Gauge("ftjob_leader", "Whether this controller holds the Lease.", registry=REGISTRY)
