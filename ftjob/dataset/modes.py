"""The ways a picture is brought to the stored size, by DIGITS' names."""

from typing import Literal, get_args

from ftjob.errors import BadSpecError

Mode = Literal["squash", "crop", "fill", "half-crop"]
MODES: tuple[Mode, ...] = get_args(Mode)


def resize_mode(text: str) -> Mode:
    """Return a mode by its name. Raises BadSpecError."""
    if text not in MODES:
        raise BadSpecError(f"mode: {text!r} is none of {', '.join(MODES)}")
    return text
