"""Errors that are one object's trouble: anything but what ends the process."""

EXITS = (SystemExit, KeyboardInterrupt, GeneratorExit)
"""Are passed on. Any other BaseException is not: a panic of a library in Rust derives from it."""
LONGEST = 1000


def described(error: BaseException) -> str:
    """Return an error in one line; the API server's with what it says."""
    body = getattr(error, "body", None)
    return f"{error!r} {body or ''}".strip()[:LONGEST]
