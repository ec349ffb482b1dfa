"""How a rank's end reaches the engine's parent: as the last line of the log, as the pipe may be blocked."""

import json

MARK = "the engine ends with a rank: "


def end_line(rank: int, size: int, name: str, message: str) -> str:
    """Return the line of the log; `name` is that of an error's class."""
    return f"{MARK}{json.dumps([name, f'rank {rank} of {size}: {message}'])}\n"


def read_end(log: str) -> tuple[str, str] | None:
    """Return the error's class and message of a log that ends with such a line, else None."""
    last = log.rstrip("\n").rpartition("\n")[2]
    if not last.startswith(MARK):
        return None
    name, message = json.loads(last.removeprefix(MARK))
    return name, message
