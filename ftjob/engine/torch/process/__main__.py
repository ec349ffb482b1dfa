"""Where PyTorch's process begins: `python -m ftjob.engine.torch.process REQUESTS REPLIES PARENT`.

Two inherited pipe ends and the process id to die with; ftjob/engine/process/wire.py has what is said there.
"""

import sys

from ftjob.engine.process import serving
from ftjob.engine.torch.process.server import Server, told

if __name__ == "__main__":
    serving.serve(Server, sys.argv[1:], told)
