"""What a picture that somebody sends over the network must be, before a server decodes it."""

from ftjob.dataset.image.header import picture_size
from ftjob.dataset.image.pixels import UnreadableImageError

MOST_BYTES = 32 << 20
MOST_PIXELS = 50_000_000
"""A decoded picture then takes 150 MB at most, twice that while it is read."""
LONGEST = 50
"""Times the shorter side: enough for any panorama, and none of a pixel's width."""


class TooLargeError(Exception):
    """A picture that no server decodes; the text gives the reason."""


def check_upload(data: bytes) -> None:
    """Raise TooLargeError for a picture with too many bytes or pixels, UnreadableImageError for what is no
    picture, or is too narrow for one."""
    if len(data) > MOST_BYTES:
        raise TooLargeError(f"has {len(data):,} bytes, and at most {MOST_BYTES:,} are taken")
    width, height = picture_size(data)
    if width * height > MOST_PIXELS:
        raise TooLargeError(f"is {width}x{height}, and at most {MOST_PIXELS:,} pixels are decoded")
    if max(width, height) > LONGEST * min(width, height):
        raise UnreadableImageError(f"is {width}x{height}: no net sees anything in a strip, cut a piece out")
