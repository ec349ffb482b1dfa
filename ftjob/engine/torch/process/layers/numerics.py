"""What a net computes with: the type of its products, and how its maps lie in memory."""

from dataclasses import dataclass

import torch

from ftjob.errors import BadSpecError
from ftjob.net.precision import Capability, Precision, refusal

DTYPES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Numerics:
    """How products are computed; params, losses and the solver are float32 whatever it is."""

    dtype: torch.dtype = torch.float32
    layout: torch.memory_format = torch.preserve_format
    """Of maps (images, channels, height, width): GPUs multiply fastest where the channels lie together."""

    @property
    def half(self) -> bool:
        """Whether they have two bytes."""
        return self.dtype in DTYPES.values()

    @property
    def plain(self) -> bool:
        """Whether tensors are taken as they are."""
        return self == FP32


FP32 = Numerics()


def settle(precision: Precision, device: torch.device) -> Numerics:
    """Return the numerics of a precision on a device, and set PyTorch's switches for it.

    Raises BadSpecError where the device lacks it.
    """
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else "this run"
    capability: Capability | None = torch.cuda.get_device_capability(device) if on_gpu else None
    if problem := refusal(precision, capability, name):
        raise BadSpecError(problem)
    # Unasked, PyTorch rounds convolutions to TF32, and adds parts of products in two bytes.
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    layout = torch.channels_last if on_gpu and precision != "fp32" else torch.preserve_format
    return Numerics(DTYPES.get(precision, torch.float32), layout)
