"""Real S3 servers as fixtures: `s3` is Swift, up in a second; `ceph` is Ceph, where atomicity matters."""

import fcntl
import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from ftjob.fs.paths import cache_dir
from tests.storage import ceph_cluster, swift_server
from tests.storage.processes import locked, wait_until

MACHINE_CACHE = cache_dir()
"""Read before any test has a cache of its own."""
SERVERS = [pytest.param(name, marks=pytest.mark.store) for name in ("s3", "ceph")]
"""The fixtures of both, for a parameter that a test asks for by name."""


@dataclass(frozen=True)
class Server:
    """An S3 server on the loopback and a user of it."""

    endpoint: str
    access_key: str
    secret_key: str

    def environment(self) -> dict[str, str]:
        """What a program that is to use the server finds in its environment."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent/config",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
        }

    def client(self) -> Any:
        """Return boto3's client, for looking at a store from outside of ftjob."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=boto3.session.Config(s3={"addressing_style": "path"}),
        )


@dataclass(frozen=True)
class Bucket:
    """A fresh bucket; the environment says how to reach it."""

    server: Server
    name: str
    client: Any
    """boto3's."""

    @property
    def uri(self) -> str:
        """`s3://` and the bucket's name."""
        return f"s3://{self.name}"


@dataclass
class Swift:
    """A Swift of a test's own, which may be killed and started again on the same port."""

    folder: Path
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def start(self, ahead: float = 0) -> Server:
        """Start it, with a clock so many seconds wrong, and wait until it answers."""
        server_json = self.folder / "server.json"
        server_json.unlink(missing_ok=True)
        command = [sys.executable, "-W", "ignore", "-m", "tests.storage.swift_server"]
        log = (self.folder / "log").open("ab")
        with log:
            process = subprocess.Popen([*command, str(self.folder), str(self.port), str(ahead)], stderr=log)
        wait_until(server_json.exists, 60, f"Swift answers ({self.folder / 'log'})")
        self.process = process
        self.port = json.loads(server_json.read_text())["port"]
        return Server(f"http://127.0.0.1:{self.port}", swift_server.ACCESS_KEY, swift_server.SECRET_KEY)

    def kill(self) -> None:
        """Take it away at once, as a power cut does."""
        process, self.process = self.process, None
        if process:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def swift_server_here(needs_store: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Swift for all tests of this process."""
    swift = Swift(tmp_path_factory.mktemp("swift"))
    yield swift.start()
    swift.kill()


@pytest.fixture(scope="session")
def ceph_server(needs_store: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Ceph for all tests of this run, also those in other processes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    with locked(shared / "ceph.lock"):
        users = join_ceph(shared / "ceph") or start_ceph(shared / "ceph")
    with users:
        address = json.loads((Path(users.name).parent / "server.json").read_text())
        yield Server(f"http://127.0.0.1:{address['port']}", ceph_cluster.ACCESS_KEY, ceph_cluster.SECRET_KEY)


def join_ceph(link: Path) -> IO[bytes] | None:
    """Become a user of the run's Ceph, where one is up."""
    try:
        users = (link / "users").open("ab")
    except FileNotFoundError:
        return None
    fcntl.flock(users, fcntl.LOCK_SH)
    if (link / "server.json").exists():
        return users
    users.close()
    return None


def start_ceph(link: Path) -> IO[bytes]:
    """Start a Ceph, as its first user; it lies in a folder of its own, which it removes when it goes."""
    folder = Path(tempfile.mkdtemp(prefix="ftjob-ceph-"))
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    users = (folder / "users").open("ab")
    fcntl.flock(users, fcntl.LOCK_SH)
    log = link.with_name("ceph.log")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.ceph_cluster", str(folder), str(MACHINE_CACHE)],
            stderr=output,
            start_new_session=True,
        )
    wait_until(lambda: (folder / "server.json").exists() or process.poll() is not None, 240, "Ceph answers")
    assert process.poll() is None, log.read_text()
    process.returncode = 0  # it outlives this process where others still use it; nobody waits for it
    return users


def fresh_bucket(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Make a bucket, point the environment at it, and empty it afterwards."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    with closing(server.client()) as client:
        bucket = Bucket(server, f"test-{uuid.uuid4().hex[:12]}", client)
        client.create_bucket(Bucket=bucket.name)
        yield bucket


@pytest.fixture
def s3(swift_server_here: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A fresh bucket in Swift, which the environment says how to reach."""
    yield from fresh_bucket(swift_server_here, monkeypatch)


@pytest.fixture
def ceph(ceph_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A fresh bucket in Ceph, whose conditional writes are atomic."""
    yield from fresh_bucket(ceph_server, monkeypatch)


@pytest.fixture
def own_swift(needs_store: None, tmp_path: Path) -> Iterator[Swift]:
    """A Swift of this test's own, not yet started."""
    swift = Swift(tmp_path / "swift")
    swift.folder.mkdir()
    yield swift
    swift.kill()
