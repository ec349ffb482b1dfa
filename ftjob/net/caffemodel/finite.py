"""Whether a caffemodel's numbers are finite, without NumPy: importing it would take longer than looking."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ftjob.net.caffemodel.weights import BlobWeights, LayerWeights

AT_ONCE = 1 << 18
"""Numbers that are looked at together."""
INFINITE = 2.0**128 - 2.0**103
"""The least number that becomes infinite in Caffe's single precision."""
_HARMLESS = {
    4: bytes(byte for byte in range(256) if byte % 128 < 0x7F),
    8: bytes(byte for byte in range(256) if byte % 128 < 0x47),
}
"""By the bytes of a number, what the highest of them is in numbers below 2^126 and 2^113: sign and exponent
(IEEE 754)."""


def broken_layers(path: Path, layers: Iterable[LayerWeights]) -> list[str]:
    """Return the layers with a number that is NaN or infinite in Caffe's single precision.

    The file is read piece by piece: to map it would hold all of it in memory.
    """
    with path.open("rb") as file:
        return [layer.name for layer in layers if not all(_is_finite(file, blob) for blob in layer.blobs)]


def _is_finite(file: BinaryIO, blob: BlobWeights) -> bool:
    size = 8 if blob.double else 4
    for start, end in blob.pieces:
        file.seek(start)
        for at in range(start, end, AT_ONCE * size):
            content = file.read(min(AT_ONCE * size, end - at))
            large = content[size - 1 :: size].translate(None, _HARMLESS[size])
            if large and not all(abs(value) < INFINITE for value in _values(content, size)):
                return False
    return True


def _values(content: bytes, size: int) -> "memoryview[float]":
    """The whole numbers among some bytes, on a little-endian machine as all that Caffe runs on."""
    return memoryview(content[: len(content) // size * size]).cast("d" if size == 8 else "f")
