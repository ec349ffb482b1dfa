"""One JSON object a line on stderr."""

import json
import sys
import threading
import time
from typing import Any

_LOCK = threading.Lock()


def log(message: str, **fields: Any) -> None:
    """Write a line: what happened, and of which object."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    line = json.dumps({"time": stamp, "message": message, **fields}, default=str)
    with _LOCK:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
