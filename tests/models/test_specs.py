"""An alias in a spec means the promoted weights, once: when the run is submitted."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.plan import write_lmdb
from ftjob import api
from ftjob.client import registry
from ftjob.client.cluster_run import pinned
from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.resolve import without_references
from ftjob.cluster.resource.submission import fine_tune_job
from ftjob.errors import BadSpecError, StorageError
from ftjob.models.promote import promote, rollback
from ftjob.net.proto.caffe_pb2 import BlobProto, LayerParameter, NetParameter
from ftjob.worker.admission import refuse_references
from jobspec import JobSpec, parse_spec
from tests.models.runs import a_run

SPEC = """\
name: tuned
base: {{net: lenet, weights: "{weights}"}}
surgery: {{relearn: [conv2, ip1]}}
data: {{train: train, val: val}}
output: runs
"""
REMOTE = """\
name: tuned
base: {net: lenet, weights: alias:faces}
data: {train: s3://data/train, val: s3://data/val}
output: s3://runs
"""

PLAIN = REMOTE.replace(", weights: alias:faces", "")


def lenet(value: float) -> bytes:
    """A caffemodel with LeNet's first layer."""
    shapes = ((20, 1, 5, 5), (20,))
    blobs = [BlobProto(data=[value] * (500 if len(shape) > 1 else 20)) for shape in shapes]
    for blob, shape in zip(blobs, shapes, strict=True):
        blob.shape.dim.extend(shape)
    layer = LayerParameter(name="conv1", type="Convolution", blobs=blobs)
    return NetParameter(name="lenet", layer=[layer]).SerializeToString()


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with datasets for specs, which is not the working folder."""
    write_lmdb(tmp_path / "train", 40, channels=1, side=28)
    write_lmdb(tmp_path / "val", 20, channels=1, side=28)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path


def planned(folder: Path, weights: str) -> Any:
    path = folder / "spec.yaml"
    path.write_text(SPEC.format(weights=weights))
    return api.plan(path)


def test_an_alias_is_pinned_to_the_weights_it_means_now(outside: Path) -> None:
    """The run is that of the weights themselves, until another model is promoted; the spec keeps which
    promotion was meant."""
    runs = [
        a_run(str(outside / "runs"), run_id, caffemodel=lenet(value))
        for run_id, value in (("aaaa", 1), ("bbbb", 2))
    ]
    promote(runs[0], "faces")

    first = planned(outside, "alias:faces")

    assert first.spec.base.weights == f"{runs[0]}/bundle/weights.caffemodel"
    assert first.spec.base.weights_from == "alias:faces@1"
    assert first.inputs.weights.of_run
    assert planned(outside, "runs/emotions/aaaa/bundle/weights.caffemodel").run_id == first.run_id
    promote(runs[1], "faces")
    second = planned(outside, "alias:faces")
    assert second.run_id != first.run_id
    assert planned(outside, "alias:faces@1").run_id == first.run_id
    rollback(registry.find_alias(api_reference(outside)))
    back = planned(outside, "alias:faces")
    assert (back.run_id, back.spec.base.weights_from) == (first.run_id, "alias:faces@3")


def api_reference(folder: Path) -> Any:
    from ftjob.models.alias import AliasReference

    return AliasReference.parse(f"{folder}/runs/models/faces")


def test_an_alias_that_is_not_there_starts_nothing(outside: Path) -> None:
    with pytest.raises(
        BadSpecError, match=r"alias:faces: there is no such alias at .*/runs \(there is none\)"
    ):
        planned(outside, "alias:faces")


def test_a_pod_is_sent_what_the_alias_means() -> None:
    """The object has the URI, and can be read: it has only the fields that the spec sets."""
    spec = parse_spec(REMOTE, "spec.yaml")
    uri = "s3://runs/emotions/aaaa/bundle/weights.caffemodel"
    base = spec.base.model_copy(update={"weights": uri, "weights_from": "alias:faces@7"})

    sent = fine_tune_job(pinned(spec, spec.model_copy(update={"base": base})), "default")

    assert sent["spec"]["base"] == {"net": "lenet", "weights": uri, "weights_from": "alias:faces@7"}
    plain: JobSpec = spec.model_copy(update={"base": spec.base.model_copy(update={"weights": uri})})
    assert pinned(plain, plain) is plain


def test_a_pod_is_sent_the_run_that_it_is_held_against() -> None:
    """An alias in accept.not_below is the folder that it meant; `run:NAME` stays for the controller."""
    folder = "s3://runs/emotions/aaaa"
    for reference, sent in (("alias:faces", folder), ("run:emotions", "run:emotions")):
        accepting = f"{PLAIN}accept: {{not_below: {reference}}}\n"
        spec = parse_spec(accepting, "spec.yaml")
        planned = parse_spec(accepting.replace(reference, folder), "spec.yaml")

        assert fine_tune_job(pinned(spec, planned), "default")["spec"]["accept"] == {"not_below": sent}


def test_a_controller_and_a_pod_resolve_no_alias() -> None:
    """The one has no credentials, the other sees its own run only."""
    spec = parse_spec(REMOTE, "spec.yaml")
    sentence = r"base\.weights: alias:faces is .*`ftjob submit` the spec"

    with pytest.raises(BadSpecError, match=sentence):
        without_references(spec, Cache(lambda _: None, Clock()), "default")
    with pytest.raises(BadSpecError, match=sentence):
        refuse_references(spec)


def known(folder: Path, *names: str) -> Mapping[str, str]:
    """Runs in outputs of these names, known on this machine."""
    made = {name: a_run(str(folder / name), f"aaaa{number}") for number, name in enumerate(names)}
    for location in made.values():
        registry.remember(location)
    return made


def test_a_name_is_looked_for_where_runs_were_submitted_to(tmp_path: Path) -> None:
    made = known(tmp_path, "one", "two", "three")
    promote(made["two"], "faces")

    assert registry.find_run("alias:faces") == made["two"]
    promote(made["three"], "faces")
    with pytest.raises(
        BadSpecError, match=f"in several outputs: give {tmp_path}/three/models/faces, {tmp_path}/two"
    ):
        registry.find_run("alias:faces")
    assert registry.find_run(f"alias:{tmp_path}/three/models/faces@1") == made["three"]
    with pytest.raises(BadSpecError, match="there is no such alias"):
        registry.find_run("alias:cats")


def test_an_output_that_cannot_be_read_is_named_where_no_other_has_the_alias(tmp_path: Path) -> None:
    """Rather than that there is none."""
    made = known(tmp_path, "one", "two")
    registry.remember("s3://no_bucket/emotions/bbbb")

    with pytest.raises(
        StorageError, match="alias:faces: s3://no_bucket/models/faces: 'no_bucket' is not a bucket"
    ):
        registry.find_run("alias:faces")
    promote(made["one"], "faces")
    assert registry.find_run("alias:faces") == made["one"]


def test_where_nothing_was_submitted_the_folder_is_asked_for() -> None:
    with pytest.raises(BadSpecError, match=re.escape("give the alias's folder, OUTPUT/models/faces")):
        registry.find_run("alias:faces")


def test_a_run_on_a_cluster_is_remembered_with_its_output(tmp_path: Path) -> None:
    """Its address is that of the cluster, and its aliases lie in the store."""
    registry.remember("ftj://minikube/faces/emotions/aaaa", str(tmp_path / "runs"))
    registry.remember("ftj://minikube/faces/emotions/bbbb")
    promote(a_run(str(tmp_path / "runs"), "aaaa"), "faces")

    assert registry.known_outputs() == [str(tmp_path / "runs")]
    assert registry.find_run("alias:faces") == f"{tmp_path}/runs/emotions/aaaa"
