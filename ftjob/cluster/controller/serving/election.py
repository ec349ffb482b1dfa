"""Leader election by a Lease: the client's lock, with a monotonic clock and a release at the end."""

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from kubernetes import client
from kubernetes.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from urllib3.exceptions import HTTPError

from ftjob.cluster.controller.serving.logs import log

GIVE_UP, RETRY = 2 / 3, 2 / 15
"""Shares of the Lease's time: without a renewal for so long its holder gives up, well before another may take
over; and the pause between two tries."""
FREE = ""
LEASE = "ftjob-controller"
"""Its name; a right to it stands in k8s/base/rbac.yaml."""


class Election:
    """Acquires, renews and releases the Lease.

    The client's own loop compares wall clocks, which jump, and keeps the Lease when it ends.
    """

    def __init__(self, name: str, namespace: str, identity: str, lease_seconds: int) -> None:
        self.identity, self._seconds = identity, lease_seconds
        self._lock = LeaseLock(name, namespace, identity)
        for verb in ("read", "create", "replace"):
            call = f"{verb}_namespaced_lease"
            timed = partial(getattr(self._lock.api_instance, call), _request_timeout=(3, 5))
            setattr(self._lock.api_instance, call, timed)
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = 0.0
        self._acquired = ""

    def acquire(self, stopped: threading.Event) -> bool:
        """Wait until the Lease is ours; False where `stopped` came first."""
        while not stopped.is_set():
            if self._try():
                return True
            stopped.wait(self._seconds * RETRY * random.uniform(0.8, 1.2))
        return False

    def keep(self, stopped: threading.Event, lost: Callable[[], None]) -> None:
        """Renew until `stopped`; call `lost` where that fails for too long."""
        renewed = time.monotonic()
        while not stopped.wait(self._seconds * RETRY):
            if self._try():
                renewed = time.monotonic()
            elif time.monotonic() - renewed > self._seconds * GIVE_UP:
                lost()
                return

    def release(self) -> None:
        """Give the Lease back, so that the next holder need not wait for it to run out."""
        now = _now()
        record = LeaderElectionRecord(FREE, "1", self._acquired or now, now)
        try:
            there, found = self._lock.get(self._lock.name, self._lock.namespace)
            if there and found.holder_identity == self.identity:
                self._lock.update(self._lock.name, self._lock.namespace, record)
        except (client.ApiException, HTTPError) as error:
            log("the Lease could not be released; it runs out by itself", error=repr(error))

    def _try(self) -> bool:
        """Take or renew the Lease; return whether it is ours."""
        try:
            there, found = self._lock.get(self._lock.name, self._lock.namespace)
            if not there:
                if found.status != 404:
                    raise found
                return self._write(create=True)
            holder = found.holder_identity or FREE
            if (holder, found.renew_time) != self._seen:
                self._seen, self._seen_at = (holder, found.renew_time), time.monotonic()
            expired = time.monotonic() - self._seen_at > float(found.lease_duration or self._seconds)
            return (holder in (FREE, self.identity) or expired) and self._write()
        except (client.ApiException, HTTPError) as error:
            log("the Lease cannot be reached", error=repr(error))
            return False

    def _write(self, *, create: bool = False) -> bool:
        now = _now()
        if self._seen[0] != self.identity or not self._acquired:
            self._acquired = now
        record = LeaderElectionRecord(self.identity, str(self._seconds), self._acquired, now)
        write = self._lock.create if create else self._lock.update
        return bool(write(self._lock.name, self._lock.namespace, record))


def _now() -> str:
    return str(datetime.now())  # local and naive, as the client's lock has it
