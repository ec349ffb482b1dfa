"""The engines of a machine, for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ftjob.cli.view.markup import Text

if TYPE_CHECKING:
    from ftjob.engine.inventory import Inventory


def engine_lines(found: "Inventory") -> Iterator[Text]:
    """Yield `ftjob engine list`: a line for each engine, one for the driver and one for each GPU."""
    if found.caffe:
        gpus = f"processors; GPUs of {found.caffe.gpu.described}" if found.caffe.gpu else "processors"
        where = "unpacked by ftjob" if found.caffe.origin == "bundle" else str(found.caffe.python)
        yield Text(f"caffe   {found.caffe.version} ({where}): {gpus}")
    else:
        yield Text("caffe   not installed: `ftjob engine install caffe`", "dim")
    if found.torch:
        yield Text(f"torch   {found.torch}")
    else:
        yield Text("torch   not installed: `ftjob engine install torch`", "dim")
    if not found.driver:
        yield Text("driver  no NVIDIA driver answers", "dim")
        return
    yield Text(f"driver  {found.driver.title}")
    for device in found.driver.devices:
        code, problem = found.caffe_on(device)
        caffe = f": Caffe runs its {code}" if code else f": not with Caffe: {problem}" if problem else ""
        yield Text(f"gpu {device.index}   {device.title}{caffe}")
