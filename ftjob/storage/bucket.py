"""A bucket, its client, and the client's timeouts and retries."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from ftjob.errors import StorageError
from ftjob.storage.location import StoreUri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    Client = S3Store | GCSStore | AzureStore

DEADLINE = "FTJOB_STORAGE_DEADLINE"
"""Seconds that a server may be away before a transfer gives up."""


@dataclass(frozen=True)
class Opened:
    """A client, and what it signs its requests with."""

    client: "Client"
    credentials: object = field(default=None, repr=False)
    """To be compared with another's, nothing else."""
    boto3: "Callable[[], S3Client] | None" = field(default=None, repr=False)
    """Gives boto3's client for what obstore cannot do; None where the store is not S3."""


@dataclass
class Bucket:
    """A bucket; its client is made anew when the credentials change."""

    uri: StoreUri
    endpoint: str
    """Where it is, for people."""
    deadline: float
    """In seconds."""
    open: Callable[[], Opened]
    opened: Opened = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self.opened = self.open()

    def renew(self, refused: Opened) -> bool:
        """Load the credentials again and return whether they differ from those that were refused."""
        with self.lock:
            if self.opened is refused:
                self.opened = self.open()
            return self.opened.credentials != refused.credentials


def deadline() -> float:
    """Return the seconds that a server may be away: $FTJOB_STORAGE_DEADLINE, or two minutes."""
    text = os.environ.get(DEADLINE, "120")
    try:
        return float(text)
    except ValueError as error:
        raise StorageError(f"{DEADLINE}: {text!r} is no number of seconds: give one, such as 120") from error


def patience(seconds: float) -> "RetryConfig":
    """Return how a request is retried: with backoff and jitter, until the deadline."""
    return {
        "max_retries": 1000,
        "retry_timeout": timedelta(seconds=seconds),
        "backoff": {
            "init_backoff": timedelta(seconds=0.1),
            "max_backoff": timedelta(seconds=min(5.0, seconds / 8)),
            "base": 2,
        },
    }


def timeouts(seconds: float) -> "ClientConfig":
    """Return when a connection counts as dead; a request as a whole may take long, on a slow network."""
    return {
        "connect_timeout": timedelta(seconds=min(5.0, seconds / 2)),
        "read_timeout": timedelta(seconds=max(5.0, min(60.0, seconds / 2))),
        "timeout": timedelta(days=1),
    }
