"""The GPU that a worker has, through NVIDIA's management library, which comes with the driver."""

import pynvml


class Gpu:
    """The first GPU that this process may use."""

    index = 0

    def busy(self) -> bool:
        """Return whether it computed anything in the last moments; a driver that cannot say is no verdict."""
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(self.index)
            return bool(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu > 0)
        except pynvml.NVMLError:
            return True


def find_gpu() -> Gpu | None:
    """Return the GPU that is here; None where there is no driver or no device."""
    try:
        pynvml.nvmlInit()
        return Gpu() if pynvml.nvmlDeviceGetCount() else None
    except pynvml.NVMLError:
        return None
