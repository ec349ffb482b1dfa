"""What Prometheus reads of a server."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Meters:
    """The metrics of one server."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "ftjob_serve_requests", "Requests for answers, by path and status.", ["path", "status"],
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "ftjob_serve_request_seconds", "From a request's head to its answer.", ["path"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.images = Counter("ftjob_serve_images", "Pictures that were answered.", registry=registry)
        self.batch = Histogram(
            "ftjob_serve_batch_images", "Pictures of a batch.", buckets=SIZES, registry=registry
        )
        self.compute = Histogram(
            "ftjob_serve_batch_seconds", "The net's time for a batch.", buckets=SECONDS, registry=registry
        )
        self.restarts = Counter(
            "ftjob_serve_engine_restarts", "Engines that died and were started again.", registry=registry
        )
        self._under_way = Gauge(
            "ftjob_serve_images_under_way", "Pictures that are decoded, wait or are computed.",
            registry=registry,
        )  # fmt: skip
        self._ready = Gauge("ftjob_serve_ready", "Whether it takes requests.", registry=registry)

    def watch(self, under_way: Callable[[], float], ready: Callable[[], float]) -> None:
        """Read these whenever Prometheus asks."""
        self._under_way.set_function(under_way)
        self._ready.set_function(ready)

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry)
