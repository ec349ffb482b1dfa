"""The GPU that a worker computes on."""

from ftjob.engine.nvml import Device, find_driver
from ftjob.errors import EngineError
from ftjob.nodes.profiles import Node


def gpu_for(node: Node, *, in_cluster: bool) -> Device | None:
    """Return the GPU to compute on, where the node has one. Raises EngineError where a pod lacks it.

    On a user's own machine a profile with a GPU only provides price and speed.
    """
    if not node.gpus:
        return None
    driver = find_driver()
    if driver and driver.devices:
        return driver.devices[0]
    if in_cluster:
        found = f"the driver {driver.version} shows none" if driver else "no driver answers"
        raise EngineError(
            f"resources.node: {node.name} has a GPU ({node.gpu}), and in this pod {found}: see that the "
            "node's driver and device plugin work (`nvidia-smi` on the node)"
        )
    return None
