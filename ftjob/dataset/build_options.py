"""Options and progress of a dataset's build: plain values."""

from dataclasses import dataclass, field

from ftjob.dataset.modes import Mode, resize_mode
from ftjob.errors import BadSpecError

ENCODINGS = ("raw", "png", "jpg")
DEFAULT_ALLOWED = 0.01


@dataclass(frozen=True)
class BuildOptions:
    """What becomes of the images. The same options and the same images make the same records."""

    height: int = 256
    width: int = 256
    mode: Mode = "squash"
    color: bool = True
    """BGR, as Caffe reads; otherwise grey, one channel."""
    encoding: str = "raw"
    """raw pixels, png, or jpg (quality 95, as convert_imageset writes it)."""
    val_split: float | None = None
    """The share of every class that goes to val, where no val is given."""
    seed: int = 1
    """Decides the order of the records and which images go to val."""
    allow_unreadable: float = DEFAULT_ALLOWED
    """The share of the images that may be left out because they cannot be read."""
    face_crop: bool = field(default=False, repr=False)
    """Whether each image becomes its largest face; where it does, digests say so beside the repr."""

    def __post_init__(self) -> None:
        resize_mode(self.mode)
        if self.encoding not in ENCODINGS:
            raise BadSpecError(f"encoding: {self.encoding!r} is none of {', '.join(ENCODINGS)}")
        if min(self.height, self.width) < 1:
            raise BadSpecError(f"size: {self.width}x{self.height} is no size: give at least 1x1 pixels")
        if self.val_split is not None and not 0 < self.val_split < 1:
            raise BadSpecError(f"val_split: {self.val_split} is no share: give a number between 0 and 1")
        if not 0 <= self.allow_unreadable <= 1:
            raise BadSpecError(f"allow_unreadable: {self.allow_unreadable} is no share: give 0 to 1")

    @property
    def channels(self) -> int:
        return 3 if self.color else 1


@dataclass(frozen=True)
class DataProgress:
    """How far a build is, or the transfer of what it needs."""

    done: int
    total: int
    """Images, over train and val; bytes of a transfer."""
    per_second: float
    eta_seconds: float | None
    unreadable: int
    transfer: str = ""
    """The URI whose bytes are on their way; empty where images are counted."""
    spared_seconds: float = 0.0
    """What the transfer would have taken, had the bytes not been here already."""

    def __str__(self) -> str:
        left = "" if self.eta_seconds is None else f", {self.eta_seconds:.0f} s left"
        if self.spared_seconds:
            return f"{self.transfer}: is here already, which spares {self.spared_seconds:.1f} s"
        if self.transfer:
            done, total, speed = (number / 1e6 for number in (self.done, self.total, self.per_second))
            return f"{self.transfer}: {done:.1f} of {total:.1f} MB, {speed:.0f} MB/s{left}"
        bad = f", {self.unreadable} unreadable" if self.unreadable else ""
        return f"{self.done}/{self.total} images, {self.per_second:.0f}/s{left}{bad}"
