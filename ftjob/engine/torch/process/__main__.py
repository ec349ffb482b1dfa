"""Where PyTorch's process begins: `python -m ftjob.engine.torch.process REQUESTS REPLIES PARENT`.

Two inherited pipe ends and the process id to die with; ftjob/engine/process/wire.py has the protocol.
"""

import gc
import sys
from typing import TYPE_CHECKING

from ftjob.concurrency.malloc import keep_freed_memory
from ftjob.engine.process import serving

if TYPE_CHECKING:
    from ftjob.engine.torch.process.server import TorchServer


def load() -> "TorchServer":
    """Load PyTorch. Raises ImportError where it cannot be imported.

    The modules' objects live to the end, so the garbage collector skips them: now, later, when the process
    ends, and in the forks that write snapshots.
    """
    gc.disable()
    from ftjob.engine.torch.process.server import TorchServer

    gc.freeze()
    gc.enable()
    return TorchServer()


if __name__ == "__main__":
    keep_freed_memory()
    serving.serve(load, sys.argv[1:])
