"""Times as Kubernetes writes them (RFC 3339, UTC) and as ftjob counts them (seconds since 1970)."""

from datetime import UTC, datetime


def parse_time(text: str | None) -> float | None:
    """Return the seconds since 1970 of a time such as 2026-01-31T12:00:00Z; None for none."""
    return datetime.fromisoformat(text).timestamp() if text else None


def render_time(seconds: float) -> str:
    """Return a time as Kubernetes has it, cut to whole seconds."""
    return f"{datetime.fromtimestamp(int(seconds), UTC).isoformat()[:19]}Z"
