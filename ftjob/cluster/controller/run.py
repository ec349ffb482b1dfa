"""Runs `ftjob controller`: acquires the Lease, then watches and reconciles until SIGTERM."""

import gc
import os
import signal
import socket
import sys
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from kubernetes import client
from kubernetes import config as kube
from kubernetes.client import Configuration
from kubernetes.config.config_exception import ConfigException

from ftjob.cluster.controller.apiserver import Api
from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.cache.informers import Informers
from ftjob.cluster.controller.cache.ledger import Ledger
from ftjob.cluster.controller.cache.profiles import Profiles
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.events import EVENT_WRITERS, Events
from ftjob.cluster.controller.hints import Hints
from ftjob.cluster.controller.reconcile import Reconciler
from ftjob.cluster.controller.reconcile_sweep import SweepReconciler
from ftjob.cluster.controller.serving.election import LEASE, Election
from ftjob.cluster.controller.serving.health import Health
from ftjob.cluster.controller.serving.logs import log, write_log
from ftjob.cluster.controller.serving.prometheus import DOLLARS, JOBS, LEADER
from ftjob.cluster.controller.serving.web import serve
from ftjob.cluster.controller.worker_reports import Reports
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.controller.workqueue.workers import Workers
from ftjob.cluster.resource.config import Config, load_config
from ftjob.cluster.resource.status import STATES
from ftjob.concurrency.periodic import Periodic
from ftjob.errors import BadSpecError, ExitCode

WORKERS, WATCHES = 32, 4
RESYNC_SECONDS = 600.0
"""Between two reconciles of a run that has not ended and does not change."""
SWITCH_SECONDS = 0.0005
"""How long a thread may hold the interpreter: an API server closes watches that fall behind."""
GARBAGE = 20_000
"""New objects between two searches for cycles; what is made of the API server's JSON has none."""
LOST = 1
"""The exit code of a controller that lost its Lease and must be restarted."""


@dataclass(frozen=True)
class ControllerOptions:
    """The options of the command line."""

    config: Path | None = None
    namespace: str | None = None
    """Only objects of this namespace; without it, of all."""
    lease_namespace: str | None = None
    address: str = "0.0.0.0"
    port: int = 8080


def run_controller(options: ControllerOptions) -> int:
    """Run a controller until SIGTERM; return the exit code. Raises BadSpecError for wrong settings."""
    config, clock = load_config(options.config), Clock()
    write_log()
    sys.setswitchinterval(SWITCH_SECONDS)
    load_cluster()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    controller = Controller(config, clock, options.namespace)
    health = controller.health
    serve(options.address, options.port, health.unhealthy, health.unready, controller.measure)
    election = Election(LEASE, options.lease_namespace or own_namespace(), own_name(), config.lease_seconds)
    log("standing by", identity=election.identity)
    if election.acquire(stopped):
        LEADER.set(1)
        log("leading", identity=election.identity)
        threading.Thread(target=controller.start, name="controller", daemon=True).start()
        election.keep(stopped, lost)
        controller.stop()
        election.release()
    log("stopped")
    return ExitCode.DONE


class Controller:
    """The parts of a controller, wired together."""

    def __init__(self, config: Config, clock: Clock, namespace: str | None) -> None:
        self._informers = Informers.of(api := Api(), namespace)
        self.queue = WorkQueue(lambda key: self.cache.patience(key), WORKERS)
        self.cache = Cache(self.queue.add, clock)
        events, profiles = Events(api, clock), Profiles()
        self.reconciler = Reconciler(
            api=api,
            cache=self.cache,
            queue=self.queue,
            reports=Reports(self.queue.add, clock),
            hints=Hints(api, clock),
            events=events,
            clock=clock,
            config=config,
            profiles=profiles,
            ledger=Ledger(self.cache),
            sweeps=SweepReconciler(api, self.cache, self.queue, events, clock, config, profiles),
        )
        self.workers = Workers(self.queue, self.reconciler.reconcile, WORKERS)
        self.health = Health(self._informers, self.queue, self.workers)

    def start(self) -> None:
        """Start the informers, then the workers once everything has synced."""
        self.health.leads()
        try:
            self.reconciler.clock.follow(client.VersionApi())
            self.cache.start(self._informers)
        except Exception as error:
            self.health.broke(error)
            raise
        self.health.listens()
        log("listening", jobs=self.cache.states().total())
        self.workers.start()
        Periodic(self.cache.resync, RESYNC_SECONDS, "resync").start()

    def stop(self) -> None:
        """Finish the reconciles under way."""
        self.queue.close()
        self.workers.stop()
        self.reconciler.events.close()

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self.health.measure()
        counts = self.cache.states()
        for state in STATES:
            JOBS.labels(state.value).set(counts[state.value])
        DOLLARS.set(self.cache.usd())


def load_cluster() -> None:
    """Configure the client: as in a pod, else from the user's kubeconfig. Raises BadSpecError."""
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            kube.load_incluster_config()
        else:
            kube.load_kube_config()
    except ConfigException as error:
        raise BadSpecError(f"controller: no cluster is known ({error}): set KUBECONFIG") from None
    settings = Configuration.get_default_copy()
    settings.connection_pool_maxsize = WORKERS + EVENT_WRITERS + WATCHES
    Configuration.set_default(settings)


def lost() -> None:
    """Exit at once: another controller may be acting already."""
    log("the Lease was lost")
    os._exit(LOST)


def own_name() -> str:
    """Return this process's identity among the controllers: the pod's name and a random suffix."""
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"


def own_namespace() -> str:
    """Return the namespace this controller runs in."""
    return os.environ.get("POD_NAMESPACE") or "default"
