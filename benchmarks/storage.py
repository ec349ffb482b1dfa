"""How fast a run's files go to and from S3, beside s5cmd and boto3's TransferManager.

All three use one Ceph on this machine, in turn, ROUNDS times, the order changing from round to round: an
LMDB of 600 MB and a caffemodel of 500 MB down, a snapshot of 1 GB (two files) up, 2,000 objects of 4 KB up.
Ours checks what it downloads against the CRC64NVME that its uploads keep, the others do not; of s5cmd the
start of its process is counted.

A ratio is that of each one's fastest round, since whatever else the machine does only ever slows a round
down. The seconds of processor time that a client took stand beside it: server and client share the machine's
cores, so that a server which takes most of them leaves little between the clients.

$ROUNDS sets the rounds. 6 GB of disk are used and cleared away.
"""

import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftjob.concurrency import processors
from ftjob.fs.paths import cache_dir
from ftjob.storage import Store, open_store
from tests.storage.ceph_cluster import ACCESS_KEY, SECRET_KEY, Cluster
from tests.storage.ceph_packages import unpacked

ROUNDS = int(os.environ.get("ROUNDS", "3"))
FOLDER = Path(".cache/bench/storage").absolute()
MB = 1_000_000
SMALL = 2000
THREADS = 16
"""That ours writes small objects from; boto3's has 10 and s5cmd 256 by themselves."""


@dataclass(frozen=True)
class Cost:
    """What one transfer took."""

    seconds: float
    processor: float
    """Seconds of processor time of the client."""


@dataclass(frozen=True)
class Task:
    """Something to be transferred, by each of the tools."""

    name: str
    amount: float
    """In MB, or objects."""
    unit: str
    tools: dict[str, Callable[[], object]]


def main() -> None:
    """Run everything; print every round and the figures."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        sources = make_sources(FOLDER / "sources")
        with ceph(FOLDER / "ceph") as cluster:
            print(json.dumps(measured(cluster, tasks(sources))))
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


def measured(cluster: Cluster, todo: list[Task]) -> dict[str, Any]:
    """Run all tasks in rounds and return the figures."""
    costs: dict[str, dict[str, list[Cost]]] = {task.name: {tool: [] for tool in task.tools} for task in todo}
    for number in range(ROUNDS):
        for task in todo:
            for tool in rotated(list(task.tools), number):
                cost = timed(task.tools[tool])
                costs[task.name][tool].append(cost)
                speed = f"{task.amount / cost.seconds:7.0f} {task.unit}/s"
                print(f"{task.name:<10}{tool:<8}{speed}, {cost.processor:5.2f} s of processor", flush=True)
                clear(cluster)
    figures: dict[str, Any] = {"cores": processors.share(), "rounds": ROUNDS}
    for other in ("s5cmd", "boto3"):
        ratios = {name: best(tools[other]) / best(tools["ftjob"]) for name, tools in costs.items()}
        figures[f"ratio_{other}"] = round(min(ratios.values()), 3)
        figures |= {f"ratio_{other}_{name}": round(ratio, 3) for name, ratio in ratios.items()}
    for task in todo:
        tools = costs[task.name]
        figures[f"{task.name}_{task.unit}_per_s"] = {
            tool: round(task.amount / best(found)) for tool, found in tools.items()
        }
        figures[f"{task.name}_processor_s"] = {
            tool: round(min(cost.processor for cost in found), 2) for tool, found in tools.items()
        }
    return figures


def best(costs: list[Cost]) -> float:
    """Return the seconds of the fastest."""
    return min(cost.seconds for cost in costs)


def rotated(names: list[str], by: int) -> list[str]:
    """Return the names beginning elsewhere."""
    by %= len(names)
    return names[by:] + names[:by]


def tasks(sources: Path) -> list[Task]:
    """Return what is transferred and how each tool does it."""
    store = open_store("s3://bench")
    lmdb, model, snapshot, metrics = (
        sources / name for name in ("lmdb", "weights.caffemodel", "snapshot", "metrics")
    )
    for path in [*files_of(lmdb), model]:
        store.upload(path, path.relative_to(sources).as_posix())
    down, texts = FOLDER / "down", [(path.name, path.read_bytes()) for path in files_of(metrics)]
    boto3 = Boto3()
    return [
        Task("lmdb", 600, "mb", {
            "ftjob": lambda: download(store.child("lmdb"), ["data.mdb", "lock.mdb"], down),
            "s5cmd": lambda: s5cmd("cp", "s3://bench/lmdb/*", f"{down}/"),
            "boto3": lambda: boto3.download(["lmdb/data.mdb", "lmdb/lock.mdb"], down),
        }),
        Task("model", 500, "mb", {
            "ftjob": lambda: download(store, ["weights.caffemodel"], down),
            "s5cmd": lambda: s5cmd("cp", "s3://bench/weights.caffemodel", f"{down}/"),
            "boto3": lambda: boto3.download(["weights.caffemodel"], down),
        }),
        Task("snapshot", 1000, "mb", {
            "ftjob": lambda: upload(store.child("up"), files_of(snapshot)),
            "s5cmd": lambda: s5cmd("cp", f"{snapshot}/", "s3://bench/up/"),
            "boto3": lambda: boto3.upload(files_of(snapshot), "up"),
        }),
        Task("metrics", SMALL, "objects", {
            "ftjob": lambda: write(store.child("up"), texts),
            "s5cmd": lambda: s5cmd("cp", f"{metrics}/", "s3://bench/up/"),
            "boto3": lambda: boto3.upload(files_of(metrics), "up"),
        }),
    ]  # fmt: skip


def download(store: Store, keys: list[str], folder: Path) -> None:
    """Fetch files, as a worker does that begins."""
    for key in keys:
        store.download(key, folder / key)


def upload(store: Store, paths: list[Path]) -> None:
    """Send a snapshot's two files side by side."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: store.upload(path, path.name), paths))


def write(store: Store, texts: list[tuple[str, bytes]]) -> None:
    """Write many small objects from several threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda text: store.write(*text), texts))


def s5cmd(*words: str) -> None:
    """Run s5cmd to its end."""
    program = Path(sys.executable).with_name("s5cmd")
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    subprocess.run([program, "--log", "error", "--endpoint-url", endpoint, *words], check=True)


class Boto3:
    """boto3's TransferManager with the settings it has by itself."""

    def __init__(self) -> None:
        import boto3

        self.client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")

    def manager(self) -> Any:
        from boto3.s3.transfer import TransferConfig, create_transfer_manager

        return create_transfer_manager(self.client, TransferConfig())

    def download(self, keys: list[str], folder: Path) -> None:
        with self.manager() as manager:
            folder.mkdir(parents=True, exist_ok=True)
            waiting = [manager.download("bench", key, str(folder / Path(key).name)) for key in keys]
            for each in waiting:
                each.result()

    def upload(self, paths: list[Path], prefix: str) -> None:
        with self.manager() as manager:
            waiting = [manager.upload(str(path), "bench", f"{prefix}/{path.name}") for path in paths]
            for each in waiting:
                each.result()


def timed(work: Callable[[], object]) -> Cost:
    """Do something with nothing left to be written to disk from before."""
    os.sync()
    before, began = processor(), time.perf_counter()
    work()
    return Cost(time.perf_counter() - began, processor() - before)


def processor() -> float:
    """Return the processor time of this process and of its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def clear(cluster: Cluster) -> None:
    """Remove what was transferred, on both sides; Ceph keeps deleted data until it collects garbage."""
    shutil.rmtree(FOLDER / "down", ignore_errors=True)
    store = open_store("s3://bench/up")
    store.delete([entry.key for entry in store.list()])
    cluster.call("radosgw-admin", "-n", "client.rgw", "gc", "process", "--include-all")


def make_sources(folder: Path) -> Path:
    """Write the files that are transferred; random, so that nothing is saved by compression."""
    for name in ("lmdb", "snapshot", "metrics"):
        (folder / name).mkdir(parents=True)
    fill(folder / "lmdb" / "data.mdb", 600)
    (folder / "lmdb" / "lock.mdb").write_bytes(bytes(8192))
    fill(folder / "weights.caffemodel", 500)
    for suffix in ("caffemodel", "solverstate"):
        (folder / "snapshot" / f"iter_4000.{suffix}").hardlink_to(folder / "weights.caffemodel")
    for number in range(SMALL):
        (folder / "metrics" / f"{number:05}.jsonl").write_bytes(os.urandom(4096))
    return folder


def fill(path: Path, megabytes: int) -> None:
    """Write random bytes."""
    with path.open("wb") as file:
        for _ in range(megabytes // 10):
            file.write(os.urandom(10 * MB))


def files_of(folder: Path) -> list[Path]:
    """Return a folder's files, by name."""
    return sorted(folder.iterdir())


@contextmanager
def ceph(folder: Path) -> Iterator[Cluster]:
    """Keep a Ceph up, point the environment at it, and make a bucket."""
    folder.mkdir(parents=True)
    with (folder / "users").open("ab") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        command = [sys.executable, "-m", "tests.storage.ceph_cluster", str(folder), str(cache_dir())]
        with subprocess.Popen(command) as process:
            try:
                while not (folder / "server.json").exists():
                    if process.poll() is not None:
                        raise SystemExit("Ceph did not start")
                    time.sleep(0.1)
                cluster = Cluster(
                    folder,
                    unpacked(cache_dir()),
                    json.loads((folder / "server.json").read_text())["port"],
                )
                os.environ |= {
                    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{cluster.port}",
                    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                }
                Boto3().client.create_bucket(Bucket="bench")
                yield cluster
            finally:
                fcntl.flock(users, fcntl.LOCK_UN)


if __name__ == "__main__":
    main()
