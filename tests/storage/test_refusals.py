"""What a server refuses, in sentences that say what to do, without a credential in them."""

import json
import random
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.storage import Store, Transfer, download, open_store
from ftjob.storage.store import ignore
from tests.storage import ceph_cluster, swift_server
from tests.storage.proxy import Fate, proxied
from tests.storage.servers import Bucket, Swift

USES: dict[str, Callable[[Store, Path], object]] = {
    "read": lambda store, path: store.read("weights"),
    "write": lambda store, path: store.write("weights", b"x"),
    "create": lambda store, path: store.create("weights", b"x"),
    "stat": lambda store, path: store.stat("weights"),
    "list": lambda store, path: store.list(),
    "download": lambda store, path: store.download("weights", path),
    "upload": lambda store, path: store.upload(Path(sys.executable), "weights"),
    "delete": lambda store, path: store.delete(["weights"]),
    "abort_uploads": lambda store, path: store.abort_uploads(),
}


@pytest.mark.parametrize("use", USES)
def test_wrong_credentials_are_reported_and_not_shown(
    ceph: Bucket, use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server and the URI are named, neither key nor secret nor signature."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrongsecret")

    with pytest.raises(
        StorageError, match=rf"^{ceph.uri}.*: http://\S+ does not know the credentials"
    ) as refused:
        USES[use](open_store(ceph.uri), tmp_path / "file")
    assert not {"wrongsecret", "testkey", "Signature="} & set(str(refused.value).replace(":", " ").split())
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("use", sorted(set(USES) - {"stat", "delete", "abort_uploads"}))
def test_a_missing_bucket_is_named(s3: Bucket, use: str, tmp_path: Path) -> None:
    """And where it was looked for."""
    sentence = rf"there is no bucket test-nothing at {s3.server.endpoint}: create it, or correct the URI"
    with pytest.raises(StorageError, match=rf"^s3://test-nothing/runs.*: {sentence}"):
        USES[use](open_store("s3://test-nothing/runs"), tmp_path / "file")


@pytest.fixture
def guest(ceph: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket of somebody else, which the environment's user may read."""
    actions = ["s3:GetObject", "s3:ListBucket"]
    places = [f"arn:aws:s3:::{ceph.name}", f"arn:aws:s3:::{ceph.name}/*"]
    allow = {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/guest"]}}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Action": actions, "Resource": places}]}
    ceph.client.put_bucket_policy(Bucket=ceph.name, Policy=json.dumps(policy))
    ceph.client.put_object(Bucket=ceph.name, Key="weights", Body=b"weights")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ceph_cluster.GUEST_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ceph_cluster.GUEST_SECRET)
    return ceph


@pytest.mark.parametrize("use", ["write", "create", "upload"])
def test_who_may_only_read_is_refused_on_writing(guest: Bucket, use: str, tmp_path: Path) -> None:
    """Reading goes on working."""
    store = open_store(guest.uri)

    assert store.read("weights") == b"weights"
    with pytest.raises(
        StorageError, match=rf"^{guest.uri}/weights: access denied, writing it is not allowed"
    ):
        USES[use](store, tmp_path / "file")


@pytest.mark.parametrize("use", ["read", "stat", "list", "download"])
def test_who_may_not_read_is_refused(
    ceph: Bucket, use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that it is missing."""
    ceph.client.put_object(Bucket=ceph.name, Key="weights", Body=b"weights")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ceph_cluster.GUEST_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ceph_cluster.GUEST_SECRET)

    with pytest.raises(StorageError, match=r"access denied, (reading|listing) it is not allowed: give these"):
        USES[use](open_store(ceph.uri), tmp_path / "file")


def test_a_wrong_clock_is_reported(own_swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's clock is an hour ahead of this machine's."""
    for name, value in own_swift.start(ahead=3600).environment().items():
        monkeypatch.setenv(name, value)

    with pytest.raises(StorageError, match=r"refuses this machine's time .*: set the clock and submit again"):
        open_store("s3://bucket").read("k")


def test_missing_credentials_are_reported(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store is opened, with the ways to give some."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StorageError, match=rf"^{s3.uri}: no credentials are found: set AWS_PROFILE, or"):
        open_store(s3.uri)


@pytest.mark.parametrize(
    ("code", "status", "sentence"),
    [
        ("ExpiredToken", 400, "the credentials have expired: renew them"),
        ("PermanentRedirect", 301, r"the bucket test-\w+ is in another region .*: set AWS_REGION"),
        ("InvalidArgument", 400, r"writing it failed \(400 InvalidArgument: spoilt\)"),
    ],
)
def test_what_aws_answers_is_reported(
    s3: Bucket, code: str, status: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that no server here gives, put in by a proxy; each is reported at once."""
    with proxied(s3.server.endpoint, lambda _: status) as (endpoint, proxy):
        proxy.code = code
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StorageError, match=rf"^{s3.uri}/k: {sentence}"):
            open_store(s3.uri).write("k", b"")
        assert len(proxy.spoilt) == 1


@pytest.fixture
def changing(s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of keys that a program of the profile hands to boto3 (`credential_process`)."""
    keys = tmp_path / "keys.json"
    program = [sys.executable, "-c", f"print(open({str(keys)!r}).read())"]
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {shlex.join(program)}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    give(keys, swift_server.ACCESS_KEY, swift_server.SECRET_KEY)
    return keys


def give(keys: Path, access_key: str, secret_key: str) -> None:
    """Write a pair as credential_process prints it."""
    pair = {"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": secret_key}
    draft = keys.with_suffix(".draft")
    draft.write_text(json.dumps(pair))
    draft.replace(keys)  # it may be read at any moment


@pytest.mark.parametrize("direction", ["up", "down"])
def test_credentials_that_change_on_the_way_are_asked_for_anew(
    s3: Bucket, changing: Path, direction: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first pair goes bad in the midst of a file, a second one is there: the file arrives whole."""
    monkeypatch.setattr(download, "LARGEST", 1 << 20)
    path = tmp_path / "weights"
    path.write_bytes(random.Random(5).randbytes(30 << 20))
    used: list[str] = []

    def fate(head: str) -> Fate:
        used.append("second" if swift_server.SECOND_KEY in head else "first")
        return 400 if used[-1] == "first" and swift_server.SECOND_KEY in changing.read_text() else "pass"

    done: list[int] = []

    def change(transfer: Transfer) -> None:
        done.append(transfer.done)
        give(changing, swift_server.SECOND_KEY, swift_server.SECOND_SECRET)

    with proxied(s3.server.endpoint, fate) as (endpoint, proxy):
        proxy.code = "ExpiredToken"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        store = open_store(s3.uri)
        uploading, downloading = (change, ignore) if direction == "up" else (ignore, change)
        store.upload(path, "weights", progress=uploading)
        store.download("weights", tmp_path / "again", progress=downloading)

    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert {used[0], used[-1]} == {"first", "second"}
    assert done == sorted(done)


def test_a_program_that_gives_no_credentials_is_reported(s3: Bucket, changing: Path) -> None:
    """It printed something else."""
    changing.write_text("please log in")
    with pytest.raises(
        StorageError, match=rf"^{s3.uri}: no credentials \(.*\): correct the role, profile or"
    ):
        open_store(s3.uri)


def test_credentials_that_stay_expired_are_reported_at_once(
    s3: Bucket, changing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain gives the same again: nothing is gained by waiting."""
    with proxied(s3.server.endpoint, lambda _: 400) as (endpoint, proxy):
        proxy.code = "ExpiredToken"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StorageError, match="the credentials have expired: renew them"):
            open_store(s3.uri).read("k")
        assert len(proxy.spoilt) == 1
