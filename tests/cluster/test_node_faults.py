"""What happens to clusters: an API server that restarts, a node that falls silent, is lost, or is full."""

import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ftjob.client.cluster_run import ClusterRun
from ftjob.cluster.client import connect
from ftjob.runfolder.status import State
from tests.cluster.bed.build import ensure_tools
from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.session import attach
from tests.cluster.controllers import RUN_ID, Controllers, free_port, installed, reasons
from tests.cluster.standin import write_archive
from tests.storage.servers import Server

pytestmark = pytest.mark.cluster

SILENT_SECONDS = 60


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of this module's own, which may be broken."""
    archive = tmp_path_factory.mktemp("image") / "stand-in.tar"
    write_archive(ensure_tools() / "root" / "bin" / "busybox", archive)
    with attach(f"own-{uuid.uuid4().hex[:12]}") as cluster:
        cluster.load_image(archive)
        yield cluster


@pytest.fixture(scope="module")
def ours(
    own_cluster: Cluster, swift_server_here: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controllers]:
    """A controller of the whole cluster, which an API server that restarts does not end by itself."""
    folder = tmp_path_factory.mktemp("own")
    made = installed(own_cluster, "default", swift_server_here, folder, everywhere=True)
    made.settings["lease_seconds"] = 60
    made.port = free_port()
    made.start()
    made.wait_to_listen()
    yield made
    made.end(signal.SIGKILL)


def restart_api_server(ours: Controllers, own_cluster: Cluster) -> None:
    """Have it away for a second, and whoever ended over that anew, as a Deployment would."""
    own_cluster.stop("apiserver")
    time.sleep(1)
    own_cluster.start("apiserver")
    while not own_cluster.kubectl("get", "--raw=/readyz", check=False):
        time.sleep(0.2)
    if ours.running[-1].poll() is not None:
        ours.start()


def test_an_api_server_that_is_away_is_waited_for(
    ours: Controllers, own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It restarts under a running job; a controller that loses its Lease is started anew, as pods are,
    and who watches sees the end."""
    monkeypatch.setenv("KUBECONFIG", str(own_cluster.kubeconfig))
    name = "away-a0-b0-s6"
    ours.submit(name)
    ours.wait_for(name, "Running")
    watched = ClusterRun(connect(namespace=ours.namespace), name).follow()
    first = next(watched)
    restart_api_server(ours, own_cluster)

    assert [first.state, list(watched)[-1].state] == [State.RUNNING, State.SUCCEEDED]
    assert reasons(ours.wait_for(name, "Succeeded")) == ["Completed"]


def test_what_changed_while_nobody_heard_it_is_known(ours: Controllers, own_cluster: Cluster) -> None:
    """An API server that restarted answers 410 Gone to who asks for what was before: everything is listed
    anew, and what was deleted and what was made in between is known."""
    [controller] = [process for process in ours.running if process.poll() is None]
    gone, forgotten = "forgotten-a0-b0-s0", ours.metric("ftjob_errors_total", kind="watch")
    ours.submit(gone, suspend=True)
    ours.wait_for(gone, "Suspended")
    controller.send_signal(signal.SIGSTOP)
    restart_api_server(ours, own_cluster)
    own_cluster.kubectl("delete", "ftj", gone)
    ours.submit("new-a0-b0-s0")
    controller.send_signal(signal.SIGCONT)
    ours.wait_for("new-a0-b0-s0", "Succeeded")

    assert controller.poll() is None
    assert ours.metric("ftjob_errors_total", kind="watch") > forgotten
    assert ours.metric("ftjob_jobs", state="Suspended") == 0


def test_a_namespace_that_is_deleted_takes_its_runs_with_it(ours: Controllers, own_cluster: Cluster) -> None:
    """What ran there is ended by the cluster; the controller neither hinders it nor makes anything anew."""
    own_cluster.kubectl("create", "namespace", "doomed")
    own_cluster.kubectl("apply", "--filename=k8s/base/worker.yaml", "--namespace=doomed")
    theirs = replace(ours, namespace="doomed")
    theirs.submit("runs-a0-b0-s60")
    theirs.wait_for("runs-a0-b0-s60", "Running")
    theirs.submit("held-a0-b0-s60", suspend=True)
    theirs.wait_for("held-a0-b0-s60", "Suspended")
    before = len(ours.log())
    own_cluster.kubectl("delete", "namespace", "doomed", "--timeout=90s")
    ours.submit("after-a0-b0-s0")
    ours.wait_for("after-a0-b0-s0", "Succeeded")

    messages = {line["message"] for line in ours.log()[before:] if line.get("job", "").startswith("doomed/")}
    assert not messages & {"job created", "reconcile failed", "an event could not be written"}


def test_a_log_that_is_followed_goes_on_behind_the_last_line(
    ours: Controllers, own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server restarts while a log is followed: no line is lost, and none comes twice."""
    monkeypatch.setenv("KUBECONFIG", str(own_cluster.kubeconfig))
    name = "heard-a0-b0-s8"
    ours.submit(name)
    ours.wait_for(name, "Running")
    run = ClusterRun(connect(namespace=ours.namespace), name)
    lines = run.log_lines(follow=True)
    heard = [next(lines), next(lines)]
    restart_api_server(ours, own_cluster)

    assert [*heard, *lines][1:] == [f"{left} s left\n" for left in range(7, -1, -1)]


def test_a_worker_that_takes_too_much_memory_ends_as_out_of_memory(ours: Controllers) -> None:
    """The kernel kills it; it is tried again as often as the spec says, and the status names the reason."""
    ours.submit("fat-a137-b137-s0", resources={"max_retries": 1})
    status = ours.wait_for("fat-a137-b137-s0", "Failed", "OutOfMemory")

    assert [life["exitCode"] for life in status["attempts"]] == [137, 137]


def test_a_worker_whose_place_is_taken_goes_on_elsewhere(ours: Controllers, own_cluster: Cluster) -> None:
    """A pod of higher priority needs the node: the worker makes its snapshot, and the next attempt waits."""
    name = "low-a0-b0-s8"
    ours.submit(name)
    ours.wait_for(name, "Running")
    own_cluster.kubectl("create", "priorityclass", "high", "--value=1000000")
    [node] = own_cluster.get("nodes")["items"]
    room = {"requests": {"cpu": node["status"]["allocatable"]["cpu"]}}
    container = {"name": "big", "image": own_cluster.busybox, "command": ["sleep", "1"], "resources": room}
    spec = {"priorityClassName": "high", "restartPolicy": "Never", "containers": [container]}
    own_cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"}, "spec": spec})
    status = ours.wait_for(name, "Succeeded", seconds=120)

    first, last = reasons(status)
    assert first in ("Preempted", "TakenAway"), "a pod may be gone before its last words are read"
    assert last == "Completed"


def test_a_node_that_falls_silent_for_a_minute_changes_nothing(
    ours: Controllers, own_cluster: Cluster
) -> None:
    """The kubelet is stopped and comes back: the one worker went on all the time."""
    name = "mute-a0-b0-s5"
    ours.submit(name)
    ours.wait_for(name, "Running")
    own_cluster.stop("kubelet")
    time.sleep(SILENT_SECONDS)
    own_cluster.start("kubelet")

    assert reasons(ours.wait_for(name, "Succeeded", seconds=120)) == ["Completed"]


def test_a_node_that_is_lost_is_left_behind(ours: Controllers, own_cluster: Cluster) -> None:
    """Its object is deleted and its pod with it: the next attempt begins when there is a node again."""
    name = "lost-a0-b0-s20"
    ours.submit(name)
    ours.wait_for(name, "Running")
    own_cluster.stop("kubelet")
    own_cluster.kubectl("delete", "nodes", "--all")
    own_cluster.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
    ours.wait(name, lambda status: reasons(status) == ["PodGone"] or status["attempt"] > 1, seconds=60)
    own_cluster.start("kubelet")
    status = ours.wait_for(name, "Succeeded", seconds=150)

    assert reasons(status)[-1] == "Completed"
    assert f"{name}-{RUN_ID[:8]}-1" not in {pod for life in status["attempts"] for pod in [life["pod"]]}


def test_the_log_of_the_module_has_no_traceback(ours: Controllers, tmp_path: Path) -> None:
    """Whatever happened to the cluster, the controller logged it in lines of JSON."""
    text = (ours.folder / "log").read_text(encoding="utf-8")

    assert "Traceback" not in text
    assert ours.log()
