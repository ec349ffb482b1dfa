"""Laws of inputs in a real S3: trained from as from paths, planned without fetching, named where wrong."""

import re
from pathlib import Path
from typing import Any

import pytest

from ftjob import api
from ftjob.engine.caffe.installed import find_caffe
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.storage import open_store
from tests.e2e.jobs import Job
from tests.storage.servers import Bucket, Server

pytestmark = pytest.mark.caffe


@pytest.fixture
def sources(job: Job, s3: Bucket) -> dict[str, dict[str, Any]]:
    """Net, weights, data and mean in a bucket; return the parts of a spec that name them."""
    job.submit()
    job.ftjob("data", "build", "train", f"{s3.uri}/digits", "--val", "val", "--size", "32", "--grey")
    job.ftjob("data", "build", "train", "here", "--val", "val", "--size", "32", "--grey")
    store = open_store(s3.uri)
    store.upload(job.folder / "net.prototxt", "nets/digits.prototxt")
    store.upload(job.run().bundle / "weights.caffemodel", "weights/digits.caffemodel")
    (job.folder / "weights.caffemodel").write_bytes((job.run().bundle / "weights.caffemodel").read_bytes())
    return {
        "base": {"net": f"{s3.uri}/nets/digits.prototxt", "weights": f"{s3.uri}/weights/digits.caffemodel"},
        "data": {
            "train": f"{s3.uri}/digits",
            "val": f"{s3.uri}/digits/val",
            "mean": f"{s3.uri}/digits/mean.binaryproto",
        },
    }


def written(job: Job, changes: dict[str, dict[str, Any]]) -> Path:
    return job.write(name="tuned", output="tuned", **changes)


HERE = {
    "base": {"net": "net.prototxt", "weights": "weights.caffemodel"},
    "data": {"train": "here", "val": "here/val", "mean": "here/mean.binaryproto"},
}


def tuned(job: Job) -> Path:
    [folder] = (job.folder / "tuned" / "tuned").iterdir()
    return folder


def blobs(job: Job) -> list[tuple[str, list[bytes]]]:
    """The trained weights; a caffemodel also says where its data lay."""
    net = NetParameter.FromString((tuned(job) / "bundle" / "weights.caffemodel").read_bytes())
    return [(layer.name, [blob.SerializeToString() for blob in layer.blobs]) for layer in net.layer[1:]]


def test_a_run_from_s3_is_the_run_from_disk(job: Job, sources: dict[str, Any], cache: Path) -> None:
    """The same id before anything is fetched, in the worker and from paths; the same weights to the bit."""
    planned = api.plan(written(job, sources), to_train=False)
    assert not list((cache / "objects").rglob("data.mdb"))
    assert api.plan(written(job, HERE)).run_id == planned.run_id

    written(job, sources)
    assert job.submit().json()["state"] == "Succeeded"
    assert tuned(job).name == planned.run_id
    remote = blobs(job)
    assert any(values for _, values in remote)
    (job.folder / "tuned").rename(job.folder / "before")
    written(job, HERE)
    job.submit()

    assert blobs(job) == remote


def test_the_run_folder_speaks_of_uris(job: Job, sources: dict[str, Any]) -> None:
    """spec.yaml and plan.json say where the inputs came from; only the prototxts know the node's cache."""
    written(job, sources)
    job.submit()

    plan = (tuned(job) / "plan.json").read_text()
    assert (tuned(job) / "spec.yaml").read_text().count("s3://") == 5
    assert '"path": "s3://' in plan
    assert "/objects/" not in plan
    assert "/objects/trees/" in (tuned(job) / "net" / "train_val.prototxt").read_text()


def test_a_folder_of_images_in_s3(job: Job, s3: Bucket) -> None:
    """It is built into the cache, and trains as a folder on disk does."""
    store = open_store(s3.uri)
    for path in sorted((job.folder / "train").rglob("*.png")):
        store.write(f"faces/{path.relative_to(job.folder / 'train').as_posix()}", path.read_bytes())
    local = api.plan(job.write(data={"val": None, "val_split": 0.25})).run_id
    job.write(data={"train": f"{s3.uri}/faces", "val": None, "val_split": 0.25})

    assert job.submit().json()["state"] == "Succeeded"
    assert job.run().root.name == local


MISTAKES: list[tuple[dict[str, Any], int, str]] = [
    ({"base": {"net": "s3://BUCKET/no.prototxt"}}, 3, "base.net: s3://BUCKET/no.prototxt: is not there"),
    (
        {"base": {"weights": "s3://BUCKET/no.caffemodel"}},
        3,
        "base.weights: s3://BUCKET/no.caffemodel: is not",
    ),
    ({"base": {"weights": "s3://BUCKET"}}, 5, "base.weights: s3://BUCKET: is a whole bucket"),
    ({"data": {"train": "s3://BUCKET/no"}}, 4, "data.train: s3://BUCKET/no: nothing is there"),
    ({"data": {"val": "s3://BUCKET/no"}}, 4, "data.val: s3://BUCKET/no: nothing is there"),
    ({"data": {"mean": "s3://BUCKET/no.binaryproto"}}, 4, "data.mean: s3://BUCKET/no.binaryproto: is not"),
    (
        {"data": {"train": "s3://no-such-bucket/set"}},
        5,
        "data.train: s3://no-such-bucket.*: there is no bucket",
    ),
    (
        {"data": {"train": "s3://BUCKET/half"}},
        4,
        "data.train: s3://BUCKET/half/train: its upload has not ended",
    ),
    (
        {"data": {"train": "s3://BUCKET/other"}},
        4,
        "data.train: s3://BUCKET/other: is no LMDB and no folder of",
    ),
    ({"base": {"weights": "s3://BUCKET/html"}}, 3, "s3://BUCKET/html: is an? .*page"),
]


@pytest.mark.parametrize(("changes", "code", "sentence"), MISTAKES, ids=[row[2] for row in MISTAKES])
def test_what_is_wrong_with_an_input_is_named(
    job: Job, s3: Bucket, changes: dict[str, dict[str, str]], code: int, sentence: str
) -> None:
    """One sentence with the spec's field and the URI, the table's exit code, nothing begun."""
    store = open_store(s3.uri)
    store.write("half/train/data.mdb", b"some")
    store.write("half/.uploading", b"")
    store.write("other/readme.txt", b"nothing")
    store.write("html", b"<!DOCTYPE html><html>not found</html>")
    job.write(
        **{
            section: {field: value.replace("BUCKET", s3.name) for field, value in change.items()}
            for section, change in changes.items()
        }
    )

    message = job.ftjob("submit", "spec.yaml", "--local", "--wait", code=code).err

    assert re.search(sentence.replace("BUCKET", s3.name), message), message
    assert len(message.strip().splitlines()) == 1, message
    assert not (job.folder / "runs").exists()


def test_access_denied_is_reported(job: Job, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the server does not take is reported with the field, and is not shown."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    job.write(base={"weights": f"{s3.uri}/some.caffemodel"})

    message = job.ftjob("submit", "spec.yaml", "--local", code=5).err

    assert re.search(f"base.weights: {s3.uri}/some.caffemodel: .*credentials", message), message
    assert "a-wrong-secret" not in message


def test_caffe_reads_an_lmdb_of_the_node_cache(job: Job, sources: dict[str, Any], tmp_path: Path) -> None:
    """`plan --prototxt` fetches: Caffe's own program trains from what it wrote."""
    written(job, sources)
    job.ftjob("plan", "spec.yaml", "--prototxt", str(tmp_path / "net"))

    train_val = (tmp_path / "net" / "net" / "train_val.prototxt").read_text()
    [train, val] = re.findall(r'source: "(.+)"', train_val)
    assert find_caffe()
    assert (Path(train) / "data.mdb").is_file()
    assert (Path(val) / "data.mdb").is_file()


def test_an_unreachable_server_is_reported(job: Job, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a deadline, with the endpoint; the field first."""
    nowhere = Server("http://127.0.0.1:9", "key", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", nowhere.endpoint)
    monkeypatch.setenv("FTJOB_STORAGE_DEADLINE", "1")
    job.write(data={"train": f"{s3.uri}/digits"})

    assert re.search(
        r"^data.train: .*127.0.0.1:9.* cannot be reached", job.ftjob("plan", "spec.yaml", code=5).err
    )
