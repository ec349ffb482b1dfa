"""What Caffe's last words mean: the log of a process that ended, turned into one sentence."""

import re
import signal

from ftjob.errors import BadDataError, BadNetError, EngineError, FtjobError, StorageError

def explain(log: str, returncode: int) -> FtjobError:
    return EngineError(f"{returncode} {log[-3000:]}")
