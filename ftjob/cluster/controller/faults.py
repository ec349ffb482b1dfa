"""Tells one object's errors from those that end the process."""

EXITS = (SystemExit, KeyboardInterrupt, GeneratorExit)
"""Are raised again. Other BaseExceptions are not: a panic in a Rust library is one."""
LONGEST = 1000


def described(error: BaseException) -> str:
    """Return an error in one line; an API server's with its response."""
    body = getattr(error, "body", None)
    return f"{error!r} {body or ''}".strip()[:LONGEST]
