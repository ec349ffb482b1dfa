"""Numbers as people read them."""

import struct
import time
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

FLOAT32_DIGITS = 9
"""Enough decimal digits to distinguish any two float32."""


def duration(seconds: float | None) -> str:
    """Return hours, minutes and seconds: 1:02:03, or 2:03."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def brief(seconds: float) -> str:
    """Return a time in six letters: 0:50, 16:40 or 7h46."""
    minutes = int(seconds // 60)
    return duration(seconds) if seconds < 3600 else f"{minutes // 60}h{minutes % 60:02}"


def percent(share: float | None) -> str:
    """Return a share as 71.3 %."""
    return "–" if share is None else f"{share:.1%}"


def number(value: float | None, form: str = ".4g") -> str:
    """Return a number, or a dash where there is none."""
    return "–" if value is None else format(value, form)


def float32_text(value: float) -> str:
    """Return a float32 as a person writes it: the shortest decimal that parses to it.

    Protobuf returns 0.017 as 0.017000000923871994, the exact value of that float32.
    """
    for digits in range(1, FLOAT32_DIGITS + 1):
        for rounding in (ROUND_HALF_EVEN, ROUND_FLOOR, ROUND_CEILING):
            near = float(Context(prec=digits, rounding=rounding).create_decimal(Decimal(value)))
            if _float32(near) == _float32(value):
                return repr(near).removesuffix(".0")
    return repr(value)


def _float32(value: float) -> float:
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return value
    return rounded


def count(number: int) -> str:
    """Return a large number as 384, 9.5 k or 10.3 M."""
    for unit, size in (("M", 1_000_000), ("k", 1000)):
        if number >= size:
            return f"{number / size:.1f} {unit}" if number < 100 * size else f"{number / size:.0f} {unit}"
    return str(number)


def gib(size: int) -> str:
    """Return bytes as 11.2 GiB."""
    return f"{size / 2**30:.1f} GiB"


def dollars(usd: float) -> str:
    """Return an amount to the cent, or finer where it is less."""
    return f"${usd:.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"


def hours(seconds: float) -> str:
    """Return a time as budgets have it: 1.25 hours, or finer where it is less."""
    return f"{seconds / 3600:.2f} hours" if seconds >= 36 else f"{seconds / 3600:.4f} hours"


def hour_count(number_of_hours: float) -> str:
    """Return hours as specs have them: 1 hour, 1.5 hours."""
    return f"{number_of_hours:g} hour{'' if number_of_hours == 1 else 's'}"


def age(since: float | None) -> str:
    """Return the time since then in its largest unit: 5s, 3m, 2h, 4d."""
    if since is None:
        return "–"
    seconds = max(0.0, time.time() - since)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
