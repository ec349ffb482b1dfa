"""Where a bucket is and with whose credentials, read as AWS' own tools read it."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obstore
import pytest

from ftjob.errors import StorageError
from ftjob.storage import aws, open_store
from ftjob.storage.cloud import CloudStore
from tests.storage import swift_server
from tests.storage.servers import Bucket

CONFIG = """
[profile lab]
region = eu-west-1
endpoint_url = https://lab.example
[profile virtual]
services = here
s3 =
    addressing_style = virtual
[services here]
s3 =
    endpoint_url = http://store.example:9000
"""


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with a key and a file of profiles, nothing else."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


@pytest.mark.parametrize(
    ("bucket", "variables", "address"),
    [
        ("data", {}, "https://data.s3.us-east-1.amazonaws.com/k"),
        ("data", {"AWS_DEFAULT_REGION": "eu-north-1"}, "https://data.s3.eu-north-1.amazonaws.com/k"),
        (
            "data",
            {"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-north-1"},
            "https://data.s3.eu-west-3.amazonaws.com/k",
        ),
        ("my.data", {}, "https://s3.us-east-1.amazonaws.com/my.data/k"),
        ("data", {"FTJOB_S3_ADDRESSING": "path"}, "https://s3.us-east-1.amazonaws.com/data/k"),
        ("data", {"AWS_ENDPOINT_URL": "http://localhost:9000/"}, "http://localhost:9000/data/k"),
        (
            "data",
            {"AWS_ENDPOINT_URL": "http://localhost:9000", "AWS_ENDPOINT_URL_S3": "http://localhost:9001"},
            "http://localhost:9001/data/k",
        ),
        (
            "data",
            {"AWS_ENDPOINT_URL_S3": "https://s3.example:1", "FTJOB_S3_ADDRESSING": "virtual"},
            "https://data.s3.example:1/k",
        ),
        ("data", {"AWS_PROFILE": "lab"}, "https://lab.example/data/k"),
        ("data", {"AWS_PROFILE": "virtual"}, "http://data.store.example:9000/k"),
    ],
)
def test_a_bucket_is_where_environment_and_profile_put_it(
    surroundings: pytest.MonkeyPatch, bucket: str, variables: dict[str, str], address: str
) -> None:
    """The address of a request that is signed and not sent; both clients agree on it."""
    for name, value in variables.items():
        surroundings.setenv(name, value)
    store = open_store(f"s3://{bucket}")

    assert isinstance(store, CloudStore)
    opened = store.bucket.opened
    assert obstore.sign(opened.client, "GET", "k", timedelta(minutes=1)).partition("?")[0] == address
    assert opened.boto3
    theirs = opened.boto3().generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert theirs.partition("?")[0].replace("s3.amazonaws", "s3.us-east-1.amazonaws") == address


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"AWS_PROFILE": "nobody"}, r"profile \(nobody\) could not be found: correct AWS_PROFILE"),
        ({"AWS_ENDPOINT_URL": "localhost:9000"}, r"endpoint 'localhost:9000' is no URL: write http://HOST"),
        ({"FTJOB_S3_ADDRESSING": "dotted"}, "'dotted' is no way to address a bucket: use path or virtual"),
        ({"FTJOB_STORAGE_DEADLINE": "soon"}, "'soon' is no number of seconds: give one, such as 120"),
        ({"AWS_CA_BUNDLE": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem: is not there"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(
    surroundings: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    """When the store is opened."""
    for name, value in variables.items():
        surroundings.setenv(name, value)
    with pytest.raises(StorageError, match=sentence):
        open_store("s3://data")


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("ftp://host/data", "there is no store ftp://: use s3://, gs://, az:// or a directory"),
        ("s3:///data", "names no bucket: write s3://BUCKET/KEY"),
        ("s3://data/../x", r"the key '\.\./x' has an empty, dotted or unprintable part"),
        ("s3://data//x", r"the key '/x' has an empty, dotted or unprintable part"),
        ("s3://1234/x", "'1234' is not a bucket name: give 3 to 63 lower-case letters"),
        ("s3://host:9000/x", "'host:9000' is not a bucket name"),
        ("s3://user@evil/x", "^s3://: 'user@evil' is not a bucket name"),
        ("s3://evil#x/", "'evil#x' is not a bucket name"),
        ("gs://evil?x/", r"'evil\?x' is not a bucket name"),
        ("az://a b/x", "'a b' is not a bucket name"),
        ("s3://key:secret@data/x", "^s3://: contains credentials"),
        ("az://data", "Azure's account is not known: set AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_a_uri_that_means_nothing_is_refused(
    surroundings: pytest.MonkeyPatch, location: str, sentence: str
) -> None:
    """With what may be written instead."""
    with pytest.raises(StorageError, match=sentence):
        open_store(location)


def test_googles_and_azures_stores_open_without_a_request(surroundings: pytest.MonkeyPatch) -> None:
    """Their credentials are asked for when they are used."""
    surroundings.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    surroundings.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")

    assert open_store("gs://data/runs/").location == "gs://data/runs"
    assert open_store("az://data/runs").child("x").location == "az://data/runs/x"


@pytest.fixture
def role() -> Iterator[tuple[str, list[str]]]:
    """What gives a pod its role's credentials: other ones at each call, good for half a minute."""
    given: list[str] = []
    pairs = [
        (swift_server.ACCESS_KEY, swift_server.SECRET_KEY),
        (swift_server.SECOND_KEY, swift_server.SECOND_SECRET),
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key, secret = pairs[len(given) % 2]
            given.append(key)
            ends = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
            answer = {"AccessKeyId": key, "SecretAccessKey": secret, "Token": "", "Expiration": ends}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/role", given
        server.shutdown()
        thread.join()


def test_a_pods_role_is_asked_again_when_its_credentials_end(
    s3: Bucket, role: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through boto3's chain; each pair is used while it is good, and no request is refused."""
    endpoint, given = role
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint)
    monkeypatch.setattr(aws, "FRESH", timedelta(milliseconds=1))
    store = open_store(s3.uri)
    for number in range(10):
        store.write(f"{number}", b"")

    assert len(store.list()) == 10
    assert len(given) >= 4
