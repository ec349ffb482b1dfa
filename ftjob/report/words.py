"""Differences and moments as reports write them."""

from datetime import UTC, datetime

from ftjob.formatting import dollars

MINUS = "\N{MINUS SIGN}"


def points(share: float) -> str:
    """Return a difference of shares as +1.2 points."""
    return f"{100 * share:+.1f} points".replace("-", MINUS)


def span(interval: tuple[float, float] | None) -> str:
    """Return an interval of shares as 70.1 to 78.3%."""
    if interval is None:
        return "–"
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}%"


def points_span(interval: tuple[float, float] | None) -> str:
    """Return an interval of differences of shares as +0.3 to +2.3 points."""
    if interval is None:
        return "–"
    low, high = interval
    return f"{100 * low:+.1f} to {100 * high:+.1f} points".replace("-", MINUS)


def fine(usd: float) -> str:
    """Return dollars in a table whose rows are to add up."""
    return f"${usd:,.4f}" if usd else dollars(usd)


def difference(usd: float) -> str:
    """Return a difference of dollars as +$0.20."""
    return f"{MINUS if usd < 0 else '+'}{dollars(abs(usd))}"


def when(seconds: float | None) -> str:
    """Return a time, in seconds since 1970, to the minute."""
    return "–" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
