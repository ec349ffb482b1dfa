"""What plain PyTorch makes of a net: no data to read, and the best means that it has for speed."""

import time
from collections.abc import Callable

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from benchmarks.gpu.matmul import DTYPES, synchronize, torch_device
from benchmarks.gpu.plainnets import PLAIN, PlainNet, loss_of
from benchmarks.gpu.setting import CLASSES, Figures, Setting
from benchmarks.overhead import Case

TOGETHER = 5
"""Updates between two looks at the clock, which wait for the device."""


def train_plain(setting: Setting, case: Case, *, compiled: bool) -> Figures:
    """Time whole updates on images that lie on the device already; `compiled`: by torch.compile."""
    case, device = setting.fitted(case), torch_device(setting)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # fp32 is ftjob's
    update = updating(case, CLASSES, device, DTYPES.get(setting.precision), compiled=compiled)
    speed = case.batch_size * _per_second(update, device, setting)
    kind = "compiled" if compiled else "eager"
    return {f"images_per_second_plain_{kind}_{case.name}": round(speed, 2)}


def updating(
    case: Case, classes: int, device: torch.device, dtype: torch.dtype | None, *, compiled: bool
) -> Callable[[], None]:
    """Return what makes one update: channels-last, autocast to the type, SGD in one kernel; `compiled`:
    forward and backward by torch.compile, at the first update."""
    net = PLAIN[case.net](classes).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4, fused=True)
    images = torch.randn(case.batch_size, case.channels, case.crop, case.crop, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(classes, (case.batch_size,), device=device)

    def forward(net: PlainNet, images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            return loss_of(net, net(images), labels)

    loss_in_precision: Callable[..., Tensor] = torch.compile(forward) if compiled else forward

    def update() -> None:
        loss_in_precision(net, images, labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update


def _per_second(update: Callable[[], None], device: torch.device, setting: Setting) -> float:
    """Return how often something is done in a second, the first times left out."""
    for _ in range(setting.warming):
        update()
    synchronize(device)
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < setting.seconds:
        for _ in range(1 if setting.smoke else TOGETHER):
            update()
            done += 1
        synchronize(device)
    return done / (time.perf_counter() - begin)
