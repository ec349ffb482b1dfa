"""The matrix peak of a device: the most operations per second of a large product, by precision."""

import time

import torch  # noqa: TID253

from benchmarks.gpu.setting import Figures, Setting
from ftjob.net.precision import Precision

SIDE, SMOKE_SIDE = 8192, 512
TOGETHER = 10
"""Products between two looks at the clock."""
DTYPES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


def measure_peak(setting: Setting) -> Figures:
    """Multiply two square matrices in each precision; the fastest ten in a row count."""
    return {"peak_teraflops": {each: round(_peak(setting, each), 4) for each in setting.precisions}}


def _peak(setting: Setting, precision: Precision) -> float:
    device = torch_device(setting)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    side = SMOKE_SIDE if setting.smoke else SIDE
    left, right = (
        torch.randn(side, side, device=device).to(DTYPES.get(precision, torch.float32)) for _ in "ab"
    )
    fastest, until = float("inf"), time.perf_counter() + setting.seconds / 3
    out = left @ right
    while fastest == float("inf") or time.perf_counter() < until:
        synchronize(device)
        begin = time.perf_counter()
        for _ in range(TOGETHER):
            torch.mm(left, right, out=out)
        synchronize(device)
        fastest = min(fastest, time.perf_counter() - begin)
    return float(TOGETHER * 2 * side**3 / fastest / 1e12)


def torch_device(setting: Setting) -> torch.device:
    """Return PyTorch's name of the setting's device."""
    return torch.device("cpu") if setting.gpu is None else torch.device("cuda", setting.gpu)


def synchronize(device: torch.device) -> None:
    """Wait for what was begun on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
