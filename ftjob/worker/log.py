"""The lines of an attempt's log."""

import sys
import time
import traceback

from jobspec.text import plain

PROGRESS_SECONDS = 5.0
"""Between two lines about one transfer, or one replay."""


def log(line: str) -> None:
    """Write one line to the attempt's log, which the launcher connected to stderr."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {plain(line)}\n")
    sys.stderr.flush()


def log_traceback() -> None:
    """Write where the error that is being handled came from."""
    for line in traceback.format_exc().splitlines():
        log(line)
