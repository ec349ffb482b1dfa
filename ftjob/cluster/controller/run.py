"""`ftjob controller`: wait for the Lease, listen, look at what changed, until told to stop."""

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from kubernetes import client
from kubernetes import config as kube
from kubernetes.client import ApiException, Configuration
from kubernetes.config.config_exception import ConfigException

from ftjob.cluster.config import Config, load_config
from ftjob.cluster.controller.api import Api, GoneError
from ftjob.cluster.controller.asking import Reports
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.election import LEASE, Election
from ftjob.cluster.controller.events import TELLERS, Events
from ftjob.cluster.controller.hints import Hints
from ftjob.cluster.controller.ledger import Ledger
from ftjob.cluster.controller.logs import log
from ftjob.cluster.controller.metrics import DOLLARS, ERRORS, JOBS, LEADER, QUEUED, RECONCILE
from ftjob.cluster.controller.profiles import Profiles
from ftjob.cluster.controller.queue import WorkQueue
from ftjob.cluster.controller.reconcile import Reconciler
from ftjob.cluster.controller.sources import Sources
from ftjob.cluster.controller.view import View
from ftjob.cluster.controller.web import serve
from ftjob.cluster.names import State
from ftjob.errors import BadSpecError, ExitCode

LOOKERS, WATCHES = 32, 4
STUCK_SECONDS = 120.0
REMIND_SECONDS = 600.0
"""Between two looks at an object that goes on and of which nothing is heard."""
SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter: an API server closes watches that do not keep up."""
GARBAGE = 20_000
"""New objects until cycles are looked for; what is made of the API server's words has none."""
LOST = 1
"""The exit code of a controller that lost its Lease: it must be started anew."""


@dataclass(frozen=True)
class ControllerOptions:
    """What the command line says."""

    config: Path | None = None
    namespace: str | None = None
    """Only objects of this namespace; all of them without."""
    lease_namespace: str | None = None
    address: str = "0.0.0.0"
    port: int = 8080


def run_controller(options: ControllerOptions) -> int:
    """Be a controller until SIGTERM; return the exit code. Raises BadSpecError for wrong settings."""
    config, clock = load_config(options.config), Clock()
    sys.setswitchinterval(SWITCH_SECONDS)
    load_cluster()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    logging.getLogger("kubernetes.informer.informer").setLevel(logging.CRITICAL)  # its errors are counted
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    controller = Controller(config, clock, options.namespace)
    serve(options.address, options.port, controller.unhealthy, controller.unready, controller.measure)
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
    """The parts of a controller, and how they do."""

    def __init__(self, config: Config, clock: Clock, namespace: str | None) -> None:
        self._sources = Sources.of(api := Api(), namespace)
        self.queue = WorkQueue(lambda key: self.view.patience(key))
        self.view = View(self.queue.add, clock)
        self.reconciler = Reconciler(
            api=api,
            view=self.view,
            queue=self.queue,
            reports=Reports(self.queue.add, clock),
            hints=Hints(api, clock),
            events=Events(api, clock),
            clock=clock,
            config=config,
            profiles=Profiles(),
            ledger=Ledger(self.view),
        )
        self._since: dict[str, float] = {}
        self._lookers: list[threading.Thread] = []
        self._listening = self._leading = False

    def start(self) -> None:
        """Listen, then look at everything that was heard."""
        self._leading = True
        self.reconciler.clock.follow(client.VersionApi())
        self.view.start(self._sources)
        self._listening = True
        log("listening", jobs=self.view.states().total())
        for number in range(LOOKERS):
            thread = threading.Thread(target=self._look, name=f"look-{number}", daemon=True)
            self._lookers.append(thread)
            thread.start()
        threading.Thread(target=self._remind, name="remind", daemon=True).start()

    def _remind(self) -> None:
        while True:
            time.sleep(REMIND_SECONDS)
            self.view.remind()

    def stop(self) -> None:
        """Finish the looks that are under way."""
        self.queue.close()
        for thread in self._lookers:
            thread.join(timeout=10)
        self.reconciler.events.close()

    def _look(self) -> None:
        while (taken := self.queue.get()) is not None:
            key, waited = taken
            QUEUED.observe(waited)
            name, begin = threading.current_thread().name, time.monotonic()
            self._since[name] = begin
            try:
                with RECONCILE.time():
                    self.reconciler.look(key)
                self.queue.forget(key)
            except GoneError:
                self.queue.forget(key)
            except Exception as error:  # noqa: BLE001 one object's trouble is not the others'
                ERRORS.labels(type(error).__name__).inc()
                log("looked in vain", job=key, error=told(error))
                self.queue.add_again(key)
            finally:
                self._since.pop(name, None)
                self.queue.done(key)

    def unhealthy(self) -> str:
        """Say what is wrong with this process: a look that does not end."""
        begins = list(self._since.values())
        slow = [begin for begin in begins if time.monotonic() - begin > STUCK_SECONDS]
        return f"{len(slow)} looks are stuck" if slow else ""

    def unready(self) -> str:
        """Say why this controller could not act; one that stands by is ready to."""
        return "the API server was not heard yet" if self._leading and not self._listening else ""

    def measure(self) -> None:
        """Bring the gauges up to date."""
        counts = self.view.states()
        for state in State:
            JOBS.labels(state.value).set(counts[state.value])
        DOLLARS.set(self.view.usd())


def told(error: Exception) -> str:
    """Return an error in one line; the API server's with what it says."""
    body = error.body if isinstance(error, ApiException) else None
    return f"{error!r} {body or ''}".strip()[:1000]


def load_cluster() -> None:
    """Find the API server: as a pod does, else by the user's kubeconfig. Raises BadSpecError."""
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            kube.load_incluster_config()
        else:
            kube.load_kube_config()
    except ConfigException as error:
        raise BadSpecError(f"controller: no cluster is known ({error}): set KUBECONFIG") from None
    settings = Configuration.get_default_copy()
    settings.connection_pool_maxsize = LOOKERS + TELLERS + WATCHES
    Configuration.set_default(settings)


def lost() -> None:
    """End at once: another controller acts now."""
    log("the Lease was lost")
    os._exit(LOST)


def own_name() -> str:
    """Return who we are among the controllers: the pod's name, and something new for every process."""
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"


def own_namespace() -> str:
    """Return the namespace this controller lives in."""
    return os.environ.get("POD_NAMESPACE") or "default"
