"""A real cluster for the test run, brought up by the first worker that asks, and a namespace per test.

FTJOB_TEST_CLUSTER=kubeconfig takes the cluster of $KUBECONFIG instead, and $FTJOB_TEST_BUSYBOX is an image
with a shell that it can pull; tests that need the node itself ask for `bed`, which such a cluster has not,
and say so. $FTJOB_TEST_WORKER is the target of the Dockerfile whose image an installed ftjob trains in.
"""

import fcntl
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import requires
from pathlib import Path

import pytest

from tests.cluster.bed.build import ensure_tools
from tests.cluster.bed.cluster import AnyCluster, Cluster
from tests.cluster.bed.gpus import RESOURCE
from tests.cluster.bed.images import build_image, open_store
from tests.cluster.bed.kubectl import ensure_kubectl
from tests.cluster.bed.session import attach
from tests.cluster.bed.shelf import Image
from tests.cluster.controllers import Controllers
from tests.cluster.controllers import installed as installed_in
from tests.cluster.installation import NODES, User, fill, install, manifests
from tests.cluster.standin import write_archive
from tests.cluster.store import store_in
from tests.conftest import MACHINE_CACHE
from tests.forked.client import quick
from tests.storage.servers import Server

SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count a test's own seconds only: on a new machine the first one waits for a compiler."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS, func_only=True))


@pytest.fixture(autouse=True)
def forked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Controllers and the command line by fork, where there is a cluster."""
    if "cluster" not in request.fixturenames:
        yield
        return
    with quick("cluster"):
        yield


@pytest.fixture(scope="session")
def kubectl(needs_cluster: None) -> Iterator[None]:
    """The same kubectl on every machine, found first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(ensure_kubectl()), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session")
def cluster(kubectl: None, request: pytest.FixtureRequest) -> Iterator[AnyCluster]:
    """The cluster that all workers of this test run share."""
    if os.environ.get("FTJOB_TEST_CLUSTER") == "kubeconfig":
        yield given_cluster()
        return
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}-{uuid.uuid4().hex}")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # so that the progress of a build is seen
        attached = attach(f"test-{run[:16]}")
        cluster = attached.__enter__()
    yield cluster
    attached.__exit__(None, None, None)


@pytest.fixture(scope="session")
def bed(cluster: AnyCluster) -> Cluster:
    """The same cluster, its node at hand."""
    if not isinstance(cluster, Cluster):
        pytest.skip("needs the node itself, and FTJOB_TEST_CLUSTER=kubeconfig gives the API only")
    return cluster


@pytest.fixture(scope="session")
def image(bed: Cluster, request: pytest.FixtureRequest) -> Callable[[str], Image]:
    """Build a target of the Dockerfile and give it to the node, each once; in fixtures, as it takes long."""
    built: dict[str, Image] = {}  # sources that change meanwhile are the next test run's
    buildah = open_store()  # now, while $FTJOB_CACHE is the machine's and not a test's
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def loaded(target: str) -> Image:
        if target == "worker-torch" and any(each.startswith("nvidia") for each in requires("torch") or ()):
            pytest.skip("`make torch` brought CUDA's libraries too, gigabytes: TORCH names a PyTorch without")
        if target not in built:
            with capture.global_and_fixture_disabled(), (bed.folder / "images.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                built[target] = build_image(target, buildah)
                if not bed.has_image(built[target].name):
                    bed.pull_image(built[target])
        return built[target]

    return loaded


@pytest.fixture(scope="session")
def controller_image(image: Callable[[str], Image]) -> Image:
    """The controller's image, on the node."""
    return image("controller")


@pytest.fixture(scope="session")
def worker_image(image: Callable[[str], Image]) -> Image:
    """The image of the worker with Caffe on processors, on the node."""
    return image("worker-caffe-cpu")


@pytest.fixture(scope="session")
def installed(
    needs_store: None, bed: Cluster, image: Callable[[str], Image], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Controllers, Server]]:
    """ftjob, installed in a namespace of its own, and the store that it works with."""
    namespace = f"ftjob-{uuid.uuid4().hex[:6]}"
    with store_in(bed, tmp_path_factory.mktemp("store")) as server:
        fill(server)
        worker = os.environ.get("FTJOB_TEST_WORKER", "worker-caffe-cpu")
        made = manifests(namespace, server, image("controller"), image(worker))
        yield install(bed, made, namespace, tmp_path_factory.mktemp("installed")), server
        bed.kubectl("delete", "namespace", namespace, "--wait=false")
        bed.kubectl("delete", "clusterrolebinding", f"ftjob-jobs-{namespace}")


@pytest.fixture
def user(installed: tuple[Controllers, Server], tmp_path: Path, cache: Path) -> User:
    """Somebody at a terminal, whose pictures are a dataset already."""
    controllers, server = installed
    there = User(controllers, server, tmp_path, cache)
    (tmp_path / "nodes.yaml").write_text(NODES, encoding="utf-8")
    there("data", "build", "s3://pictures", "s3://data/shades", "--size=32")
    return there


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's image."""
    busybox = ensure_tools() / "root" / "bin" / "busybox"
    return write_archive(busybox, tmp_path_factory.mktemp("image") / "stand-in.tar")


@pytest.fixture(scope="session")
def with_image(bed: Cluster, archive: Path) -> Cluster:
    """The cluster that all share, with the stand-in's image on its node."""
    bed.load_image(archive)
    return bed


@pytest.fixture
def controllers(
    with_image: Cluster, namespace: str, swift_server_here: Server, tmp_path: Path
) -> Iterator[Controllers]:
    """A namespace with everything installed, and no controller yet."""
    made = installed_in(with_image, namespace, swift_server_here, tmp_path)
    yield made
    made.end(signal.SIGKILL)


@pytest.fixture
def bed_cache(bed: Cluster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache that holds the bed's programs, instead of the empty one that tests have."""
    monkeypatch.setenv("FTJOB_CACHE", str(MACHINE_CACHE))
    return MACHINE_CACHE


@pytest.fixture
def namespace(cluster: AnyCluster) -> Iterator[str]:
    """A namespace of the test's own, with its default service account."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", name)
    while not cluster.kubectl("get", "secrets", "-n", name, "-oname", check=False):
        pass
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def given_cluster() -> AnyCluster:
    """Return the cluster of $KUBECONFIG, with the GPUs its nodes offer."""
    path = Path(os.environ.get("KUBECONFIG", Path.home() / ".kube" / "config"))
    busybox = os.environ.get("FTJOB_TEST_BUSYBOX", "busybox:stable")
    cluster = AnyCluster(path, dict(os.environ), gpus=0, busybox=busybox)
    nodes = cluster.get("nodes")["items"]
    gpus = sum(int(node["status"]["allocatable"].get(RESOURCE, 0)) for node in nodes)
    return replace(cluster, gpus=gpus)
