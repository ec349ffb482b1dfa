"""The client of the command line, on a real API server: as a user with the aggregated role `edit`."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ftjob.client.cluster_run import submit
from ftjob.cluster.client import MERGE, Cluster, connect
from ftjob.cluster.resource.names import ANNOTATION_CANCEL, ANNOTATION_RETRY, GROUP, PLURAL, VERSION
from ftjob.cluster.resource.status import Figures
from ftjob.cluster.resource.submission import fine_tune_job
from ftjob.errors import BadSpecError
from ftjob.plan.plan import Plan
from jobspec import parse_spec
from tests.cluster.bed.cluster import AnyCluster
from tests.cluster.controllers import install
from tests.plan.specs import plan

SPEC = """
name: emotions
base: {net: lenet}
data: {train: s3://data/train, val: s3://data/val}
solver: {base_lr: 0.01}
surgery: {freeze: {up_to: conv1}}
output: s3://runs
"""


@pytest.fixture
def user(cluster: AnyCluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Somebody who is at this namespace, by the kubeconfig's context."""
    install(cluster, namespace)
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["contexts"][0]["context"]["namespace"] = namespace
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return connect()


def test_a_spec_becomes_an_object_and_comes_back(user: Cluster, namespace: str) -> None:
    """With what it says beyond the defaults, and its plan; the namespace is the context's."""
    spec = parse_spec(SPEC, "spec.yaml")
    made = user.create(fine_tune_job(spec, namespace, Figures(run_id="1f3b9c02aa")))

    assert (user.namespace, made.name) == (namespace, "emotions")
    assert made.spec["surgery"] == {"freeze": {"up_to": "conv1"}}
    assert [job.name for job in user.list()] == ["emotions"]
    assert parse_spec(json.dumps({"name": made.name, **made.spec}), "object") == spec


def test_a_name_that_is_taken_and_one_that_is_not_there_are_reported(user: Cluster, namespace: str) -> None:
    """In one sentence each."""
    manifest = fine_tune_job(parse_spec(SPEC, "spec.yaml"), namespace)
    user.create(manifest)

    with pytest.raises(BadSpecError, match="already exists"):
        user.create(manifest)
    with pytest.raises(BadSpecError, match=r"nobody: not in namespace"):
        user.get("nobody")
    with pytest.raises(BadSpecError, match=r"spec\.solver\.base_lr"):
        user.create(
            {**manifest, "metadata": {"name": "bad"}, "spec": {**manifest["spec"], "solver": {"base_lr": 0}}}
        )


def test_of_two_who_submit_at_once_the_later_attaches(user: Cluster, namespace: str, in_faces: Path) -> None:
    """Where both began before either had created the object; a spec of another run is refused."""
    planned, other = (plan(solver={"epochs": number}) for number in (1, 2))
    first, second = (
        replace(each, inputs=replace(each.inputs, spec=parse_spec(SPEC, "spec.yaml")))
        for each in (planned, other)
    )

    def quicker(_: Plan) -> None:
        """Submit the first run while its user is asked for consent."""
        submit(first.spec, first, user, lambda _: None)

    run, started = submit(first.spec, first, user, quicker)
    assert (run.run_id, started) == (first.run_id, False)
    user.custom.delete_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, "emotions")
    with pytest.raises(BadSpecError, match=f"emotions is run {first.run_id} .* is run {second.run_id}"):
        submit(second.spec, second, user, quicker)


def test_a_watch_reports_every_change_until_the_end(user: Cluster, namespace: str) -> None:
    """What the user asks for is heard: held, cancelled, going on, deleted."""
    user.create(fine_tune_job(parse_spec(SPEC, "spec.yaml"), namespace))
    changes = user.watch("emotions")
    first = next(changes)
    where = (GROUP, VERSION, namespace, PLURAL, "emotions")
    held = {"spec": {"suspend": True}}
    user.custom.patch_namespaced_custom_object(*where, held, _content_type=MERGE)
    user.cancel("emotions")
    user.resume("emotions")
    user.custom.delete_namespaced_custom_object(*where)
    heard = list(itertools.islice(changes, 20))

    assert not first.suspend
    assert heard[-1].suspend
    assert any(job.annotations.get(ANNOTATION_CANCEL) == "snapshot" for job in heard)
    assert heard[-1].annotations == {ANNOTATION_RETRY: "0"}


def test_without_a_cluster_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubeconfig: set one, or stay local."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    with pytest.raises(BadSpecError, match="--local"):
        connect()
