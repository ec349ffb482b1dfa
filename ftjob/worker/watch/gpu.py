"""The GPUs that a worker computes on."""

from ftjob.engine.nvml import Device, find_driver
from ftjob.errors import EngineError
from ftjob.nodes.profiles import Node


def gpus_for(node: Node, wanted: int = 1, *, in_cluster: bool) -> tuple[Device, ...]:
    """Return the GPUs to compute on, where the node has any. Raises EngineError where a pod lacks them.

    On a user's own machine a profile with GPUs only provides price and speed: there may be fewer.
    """
    if not node.gpus:
        return ()
    driver = find_driver()
    devices = driver.devices[:wanted] if driver else ()
    if in_cluster and len(devices) < wanted:
        found = (
            f"the driver {driver.version} shows {len(devices) or 'none'}" if driver else "no driver answers"
        )
        has = f"has a GPU ({node.gpu})" if wanted == 1 else f"is to have {wanted} GPUs ({node.gpu})"
        raise EngineError(
            f"resources.node: {node.name} {has}, and in this pod {found}: see that the "
            "node's driver and device plugin work (`nvidia-smi` on the node)"
        )
    return devices
