"""What is easily got wrong is written once: locks, protobuf's wire format, threads, waiting."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.sources import nodes_of

ROOT = Path(__file__).parents[2]
THREADS = {
    "ftjob/worker/tracking/follower.py": "waits for a server or a disk that hangs, and no longer than it may",
    "ftjob/concurrency/periodic.py": "calls a function every so many seconds",
    "ftjob/engine/torch/process/parallel/launch.py": "waits for the end of a process",
    "ftjob/worker/transfer/snapshot_upload.py": "waits for snapshots, not for time",
    "ftjob/worker/pod/statusport.py": "waits for clients",
    "ftjob/cluster/controller/worker_reports.py": "runs an event loop",
    "ftjob/cluster/controller/workqueue/workers.py": "wait for the queue",
    "ftjob/cluster/controller/run.py": "listens while the main thread keeps the Lease",
    "ftjob/cluster/controller/cache/informer.py": "waits for the API server",
    "ftjob/cluster/controller/serving/web.py": "waits for clients",
    "ftjob/serve/batching.py": "waits for pictures, and keeps a net that belongs to its thread",
    "ftjob/ui/work/jobs.py": "does what a page asked for, once, and keeps what it failed with",
}
"""Where threads are begun, and why that is no call every so many seconds."""
SLEEPS = {
    "ftjob/cluster/controller/cache/informer.py": "a watch never ends: its pauses have no deadline",
    "ftjob/client/cluster_run.py": "looks at a run until it has ended",
    "ftjob/client/sweeping/sweep_driver.py": "looks at a sweep's members until they have ended",
    "ftjob/engine/caffe/apt.py": "looks at a program that shows how far it is",
    "ftjob/runfolder/store.py": "looks whether a lease changes",
    "ftjob/client/local_run.py": "looks at a run until it has ended",
    "ftjob/models/history.py": "looks whether another writer replaced a record",
    "ftjob/runfolder/lease.py": "looks whether a lease changes",
    "ftjob/runfolder/lock.py": "looks whether a lock's text changes",
}
"""Where something waits by sleeping, and why that is no request made again while it is refused."""


@cache
def product() -> dict[str, list[ast.AST]]:
    """The syntax of every module of the product that a person wrote, by its path."""
    paths = [path for package in ("ftjob", "jobspec") for path in (ROOT / package).rglob("*.py")]
    return {
        str(path.relative_to(ROOT)): nodes_of(path) for path in paths if not path.name.endswith("_pb2.py")
    }


def where(holds: Callable[[ast.AST], bool]) -> set[str]:
    """The modules with a node of which something holds."""
    return {name for name, nodes in product().items() if any(map(holds, nodes))}


def calls(function: str) -> Callable[[ast.AST], bool]:
    """Whether a node is a call of a function, by its module's name or its own."""
    module, _, own = function.rpartition(".")

    def holds(node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Name(name)):
                return name == own
            case ast.Call(func=ast.Attribute(ast.Name(of), name)):
                return (of, name) == (module, own)
        return False

    return holds


def imports(module: str) -> Callable[[ast.AST], bool]:
    """Whether a node imports a module, or something from it."""

    def holds(node: ast.AST) -> bool:
        if isinstance(node, ast.ImportFrom):
            return node.module == module
        return isinstance(node, ast.Import) and module in [alias.name for alias in node.names]

    return holds


def is_seven_bits(node: ast.AST) -> bool:
    """Whether a node takes the lowest seven bits of something, as who reads or writes a varint does."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.BitAnd):
        return False
    return any(isinstance(side, ast.Constant) and side.value == 0x7F for side in (node.left, node.right))


def test_locks_between_processes_are_taken_in_one_module() -> None:
    """So that none follows a link, or is forgotten when its holder ends."""
    assert where(imports("fcntl")) == {"ftjob/fs/flock.py"}


def test_varints_are_read_and_written_in_one_module() -> None:
    """Where what is cut off or too long is refused."""
    assert where(is_seven_bits) == {"ftjob/protowire.py"}


def test_threads_are_begun_where_a_reason_is_given() -> None:
    """All else that is done again and again is a Periodic, whose failures are not lost."""
    assert where(calls("threading.Thread")) == set(THREADS)


def test_sleeps_have_a_reason() -> None:
    """A request that is made again while it is refused is made by `patiently`."""
    assert where(calls("time.sleep")) == set(SLEEPS)


def test_requests_are_made_again_by_tenacity_in_two_modules() -> None:
    """One for any request, one for a store's, which knows what cannot be helped by asking again."""
    assert where(imports("tenacity")) == {"ftjob/concurrency/retry.py", "ftjob/storage/retry.py"}


def test_a_mean_image_is_read_and_written_in_one_module() -> None:
    """Of the others that know Caffe's BlobProto, all have to do with weights."""
    weights = {"filekinds", "nvidia", "snapshots", "weights"}

    knowing = where(lambda node: isinstance(node, ast.alias) and node.name == "BlobProto")
    assert {name for name in knowing if Path(name).stem not in weights} == {"ftjob/dataset/mean_image.py"}
