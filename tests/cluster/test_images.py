"""The images, built from the Dockerfile and run as a cluster with Pod Security *restricted* runs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.bed import cuda
from tests.cluster.bed.cluster import Cluster, Manifest
from tests.cluster.bed.places import bed_dir
from tests.cluster.bed.shelf import Image
from tests.cluster.pods import RESTRICTED, a_pod, run_pod

pytestmark = pytest.mark.timeout(600, func_only=True)
"""So that they come early (tests/order.py), and other tests run while images are built."""

COMPILED = cuda.bundle(bed_dir()) is not None
"""Whether the CUDA worker has its Caffe; else a stand-in has the place of it."""
MEGABYTES = {
    "controller": 420,
    "worker-caffe-cpu": 1250,
    "worker-caffe-cuda": 1750 if COMPILED else 680,
    "worker-torch": 1550,
    "web": 870,
}
"""At most, unpacked."""
TRAIN = (Path(__file__).parent / "train_in_a_pod.py").read_text(encoding="utf-8")
VOLUMES = [{"name": "work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
MOUNTS = [{"name": "work", "mountPath": "/var/lib/ftjob"}, {"name": "tmp", "mountPath": "/tmp"}]


def restricted(name: str, image: Image, script: str, **container: Any) -> Manifest:
    """Return a pod of an image, restricted as far as Kubernetes allows."""
    container = {"securityContext": RESTRICTED, "volumeMounts": MOUNTS, **container}
    return a_pod(name, image.name, script, container=container, volumes=VOLUMES)


@pytest.fixture(params=MEGABYTES)
def each(request: pytest.FixtureRequest, image: Callable[[str], Image]) -> tuple[str, Image]:
    """Every target that is built here, and its image."""
    return request.param, image(request.param)


def test_the_images_are_small_and_labelled(each: tuple[str, Image]) -> None:
    """Their size is bounded; title, license and version are labels."""
    target, image = each
    labels = image.settings()["config"]["Labels"]
    print(f"{target}: {image.megabytes():.0f} MB")  # noqa: T201

    assert image.megabytes() < MEGABYTES[target]
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}" in labels


def test_the_worker_shares_the_controllers_layers(controller_image: Image, worker_image: Image) -> None:
    """All but the last, ftjob itself, so that a node and a registry hold them once."""
    controller, worker = (each.settings()["rootfs"]["diff_ids"] for each in (controller_image, worker_image))

    assert worker[: len(controller) - 1] == controller[:-1]


@pytest.mark.parametrize("each", ["worker-caffe-cuda", "worker-torch", "web"], indirect=True)
def test_an_image_differs_from_the_workers_in_one_layer(worker_image: Image, each: tuple[str, Image]) -> None:
    """That of its engine or extras; in labels; and in what NVIDIA's container runtime is asked for."""
    ours, other = worker_image.settings(), each[1].settings()
    layers = list(zip(ours["rootfs"]["diff_ids"], other["rootfs"]["diff_ids"], strict=True))
    labels = [settings["config"].pop("Labels").items() for settings in (ours, other)]
    variables = [set(settings["config"].pop("Env")) for settings in (ours, other)]

    assert [place for place, (first, second) in enumerate(layers) if first != second] == [len(layers) - 2]
    different = {name.removeprefix("org.opencontainers.image.") for name, _ in labels[0] ^ labels[1]}
    assert different == {"title", "description", "licenses"}
    asked = set() if each[0] == "web" else {"NVIDIA_DRIVER_CAPABILITIES=compute,utility"}
    assert variables[0] ^ variables[1] == asked
    assert ours["config"] == other["config"]


def test_the_entry_point_is_ftjob(bed: Cluster, each: tuple[str, Image], namespace: str) -> None:
    """A container gets words of the command line as its arguments, and runs as nobody special."""
    _, image = each
    pod = restricted("version", image, "", args=["--help"])
    del pod["spec"]["containers"][0]["command"]

    ended, log = run_pod(bed, namespace, pod)

    assert ended["exitCode"] == 0
    assert "Fine-tune Caffe image classifiers" in log


def test_nothing_in_the_images_helps_an_intruder(
    bed: Cluster, each: tuple[str, Image], namespace: str
) -> None:
    """No compiler, no program that gives its caller rights, no file of the root that could be written."""
    script = """
    id -u
    for each in cc gcc g++ clang ld as make pip uv; do command -v $each || true; done
    find / -xdev -type f -perm /6000 2>/dev/null || true
    find / -xdev -type f -writable -not -path '/var/lib/ftjob/*' -not -path '/tmp/*' 2>/dev/null || true
    """
    _, log = run_pod(bed, namespace, restricted("look", each[1], script))

    assert log == "1000\n"


@pytest.mark.parametrize(
    ("each", "engine"),
    [
        ("worker-caffe-cpu", "caffe"),
        pytest.param(
            "worker-caffe-cuda",
            "caffe",
            marks=pytest.mark.skipif(not COMPILED, reason="`make test-images` compiles its Caffe"),
        ),
        ("worker-torch", "torch"),
    ],
    indirect=["each"],
)
def test_a_worker_trains_with_its_engine(
    bed: Cluster, each: tuple[str, Image], engine: str, namespace: str
) -> None:
    """From pictures to a bundle that answers as it did in training, with its root file system read-only; on
    processors, where a worker for GPUs has none."""
    pod = restricted("train", each[1], "")
    pod["spec"]["containers"][0]["command"] = ["python3", "-c", TRAIN, engine]

    ended, log = run_pod(bed, namespace, pod)

    assert ended["exitCode"] == 0, log
    assert "Succeeded 20/20" in log
    assert "golden images answered the same" in log


@pytest.mark.skipif(not COMPILED, reason="`make test-images` compiles it")
def test_the_compiled_caffe_has_code_for_the_gpus_it_was_made_for(
    bed: Cluster, image: Callable[[str], Image], namespace: str
) -> None:
    """As cuobjdump found it in libcaffe.so; and without a driver it says so."""
    script = "ftjob engine list"
    _, log = run_pod(bed, namespace, restricted("list", image("worker-caffe-cuda"), script))

    [architecture], [ptx] = ([f"{each[:-1]}.{each[-1]}"] for each in (cuda.ARCH, cuda.PTX))
    assert f"processors; GPUs of compute capability {architecture}; newer by the PTX of {ptx}" in log
    assert "no NVIDIA driver answers" in log
