"""No part of an upload stays behind: not after an error, and not after a kill once somebody has looked."""

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.storage import open_store
from tests.storage.proxy import Fate, proxied
from tests.storage.servers import SERVERS, Bucket

UPLOAD = """
import sys
from pathlib import Path
from ftjob.storage import open_store

def stop(transfer):
    print("under way", flush=True)
    sys.stdin.read()

open_store(sys.argv[1]).upload(Path(sys.argv[2]), "snapshots/iter_10.caffemodel", progress=stop)
"""


@pytest.fixture(params=SERVERS)
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """A bucket in Swift, and one in Ceph."""
    bucket: Bucket = request.getfixturevalue(request.param)
    return bucket


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file of four parts."""
    path = tmp_path / "weights"
    path.write_bytes(random.Random(4).randbytes(27_000_001))
    return path


def uploads(bucket: Bucket) -> list[str]:
    """The keys of unfinished uploads."""
    return [
        each["Key"] for each in bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    ]


def test_a_part_that_is_never_taken_leaves_none(
    bucket: Bucket, big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third of four is answered 503 until the deadline: an error, no object, no parts."""
    monkeypatch.setenv("FTJOB_STORAGE_DEADLINE", "4")

    def fate(head: str) -> Fate:
        return "refuse" if "partNumber=3" in head else "pass"

    with proxied(bucket.server.endpoint, fate) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        store = open_store(bucket.uri)
        with pytest.raises(StorageError, match=rf"/weights: {endpoint} answers 503 .*, also after 4 s"):
            store.upload(big, "weights")
        assert store.list() == []
    assert uploads(bucket) == []


def test_an_upload_whose_beginning_was_lost_leaves_none(
    bucket: Bucket, big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server began it, the answer never came, it was begun again: only the object is there then."""
    begun: list[str] = []

    def fate(head: str) -> Fate:
        is_begin = re.match(r"POST \S+\?uploads", head) is not None
        begun.extend([head] if is_begin else [])
        return "lose" if is_begin and len(begun) == 1 else "pass"

    with proxied(bucket.server.endpoint, fate) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        open_store(bucket.uri).upload(big, "weights")

    assert len(proxy.spoilt) == 1
    assert len(begun) == 2
    assert uploads(bucket) == []


def test_what_a_killed_process_left_is_removed_when_asked(bucket: Bucket, big: Path) -> None:
    """Of this folder only; an upload elsewhere in the bucket stays."""
    bucket.client.create_multipart_upload(Bucket=bucket.name, Key="runs/other/weights")
    uri = f"{bucket.uri}/runs/mine"
    command = [sys.executable, "-c", UPLOAD, uri, str(big)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()

    assert uploads(bucket) == ["runs/mine/snapshots/iter_10.caffemodel", "runs/other/weights"]
    assert open_store(uri).abort_uploads("snapshots") == 1
    assert uploads(bucket) == ["runs/other/weights"]
    assert open_store(uri).abort_uploads() == 0
