"""The GPU that a worker has, through NVIDIA's management library, which comes with the driver."""

import pynvml

from ftjob.errors import EngineError
from ftjob.nodes.profiles import Node


class Gpu:
    """The first GPU that this process may use."""

    index = 0

    def busy(self) -> bool:
        """Return whether it computed anything lately; True where the driver does not answer."""
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(self.index)
            return bool(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu > 0)
        except pynvml.NVMLError:
            return True


def find_gpu() -> Gpu | None:
    """Return this machine's GPU; None without a driver or a device."""
    try:
        pynvml.nvmlInit()
        return Gpu() if pynvml.nvmlDeviceGetCount() else None
    except pynvml.NVMLError:
        return None


def gpu_for(node: Node, *, in_cluster: bool) -> Gpu | None:
    """Return the GPU to compute on, where the node has one. Raises EngineError where a pod lacks it.

    On a user's own machine a profile with a GPU only provides price and speed.
    """
    gpu = find_gpu() if node.gpus else None
    if node.gpus and gpu is None and in_cluster:
        raise EngineError(
            f"resources.node: {node.name} has a GPU ({node.gpu}), and none shows in this pod: see that the "
            "node's driver and device plugin work (`nvidia-smi` on the node)"
        )
    return gpu
