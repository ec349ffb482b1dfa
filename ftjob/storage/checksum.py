"""The checksum that a store keeps of an object, against which a download is checked.

A CRC that the processor has instructions for takes a thirtieth of a SHA-256's time. The CRCs of ranges are
combined, so that ranges may arrive in any order.
"""

import base64
import binascii
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

    from ftjob.storage.bucket import Opened
    from ftjob.storage.cloud import CloudStore, ObjectHead

MARK = "crc64nvme"
"""The attribute that keeps an upload's CRC64NVME in base64, as S3 writes it: few stores compute their own."""
PIECE = 1 << 18
"""Bytes that are read and summed at once: they stay in the processor's cache."""


@dataclass(frozen=True)
class Algorithm:
    """A kind of CRC."""

    name: str
    """S3's."""
    width: int
    """In bytes."""
    extend: Callable[[memoryview, int], int]
    """Returns the CRC of what had a CRC and of the bytes behind it."""
    combine: Callable[[int, int, int], int]
    """Returns the CRC of two stretches of bytes from the CRCs of both and the length of the second."""

    def text(self, value: int) -> str:
        """Return a CRC as S3 writes it."""
        return base64.b64encode(value.to_bytes(self.width, "big")).decode()


@dataclass(frozen=True)
class Checksum:
    """The CRC of a whole object."""

    algorithm: Algorithm
    value: int


def algorithms() -> tuple[Algorithm, ...]:
    """Return the kinds of CRC that S3 keeps, the preferred one first."""
    from awscrt import checksums  # here, because it is slow to import

    return (
        Algorithm("CRC64NVME", 8, checksums.crc64nvme, checksums.combine_crc64nvme),
        Algorithm("CRC32C", 4, checksums.crc32c, checksums.combine_crc32c),
        Algorithm("CRC32", 4, checksums.crc32, checksums.combine_crc32),
    )


def crc32c(data: bytes) -> int:
    """Return the CRC32C of bytes."""
    from awscrt import checksums

    return int(checksums.crc32c(data))


def mark(fd: int, size: int) -> dict[str, str]:
    """Return the attribute that goes with the first `size` bytes of an open file."""
    crc64nvme, value, done = algorithms()[0], 0, 0
    buffer = memoryview(bytearray(min(PIECE, size)))
    while done < size and (count := os.preadv(fd, [buffer[: size - done]], done)):
        value = crc64nvme.extend(buffer[:count], value)
        done += count
    return {MARK: crc64nvme.text(value)}


def kept_checksum(store: "CloudStore", found: "ObjectHead") -> Checksum | None:
    """Return the checksum that an upload of ftjob's or the store itself has kept of an object, None without.

    Raises StorageError where the store cannot be asked.
    """
    if marked := read(algorithms()[0], found.attributes.get(MARK)):
        return marked
    key = found.entry.key

    def ask(opened: "Opened") -> "HeadObjectOutputTypeDef | None":
        if opened.boto3 is None:
            return None  # obstore shows no other store's
        return opened.boto3().head_object(
            Bucket=store.uri.bucket, Key=store.name(key), ChecksumMode="ENABLED"
        )

    answer = store.ask_opened(key, "reading it", ask)
    if answer is None or answer.get("ETag") != found.entry.etag or answer.get("ChecksumType") == "COMPOSITE":
        return None  # a composite one is the CRC of the CRCs of parts whose sizes are not known
    fields: dict[str, object] = {**answer}
    kept = (read(each, fields.get(f"Checksum{each.name}")) for each in algorithms())
    return next(filter(None, kept), None)


def read(algorithm: Algorithm, text: object) -> Checksum | None:
    """Return a checksum that S3 or an upload wrote, None where it is none."""
    try:
        data = base64.b64decode(str(text), validate=True)
    except binascii.Error:  # such as the "-5" behind a CRC of five parts' CRCs
        return None
    return Checksum(algorithm, int.from_bytes(data, "big")) if len(data) == algorithm.width else None
