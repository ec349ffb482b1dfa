"""Places: what a URI names, in its parts."""

from dataclasses import dataclass

from ftjob.errors import StorageError

SCHEMES = ("s3", "gs", "az")
"""Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage."""


@dataclass(frozen=True)
class Place:
    """A URI in its parts: `scheme://bucket/prefix`."""

    scheme: str
    bucket: str
    prefix: str
    """Without slashes at its ends; empty for the whole bucket."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


def is_remote(location: str) -> bool:
    """Return whether a location is a URI rather than a path."""
    return "://" in location


def parse_place(location: str) -> Place:
    """Take a URI apart; its characters mean themselves, nothing is decoded.

    Raises StorageError where it names no bucket or no store that ftjob knows.
    """
    scheme, _, rest = location.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme not in SCHEMES:
        raise StorageError(
            f"{location}: there is no store {scheme}://: use s3://, gs://, az:// or a directory"
        )
    if not bucket:
        raise StorageError(f"{location}: names no bucket: write {scheme}://BUCKET/PREFIX")
    prefix = prefix.strip("/")
    if prefix:
        check_key(prefix, location)
    return Place(scheme, bucket, prefix)


def check_key(key: str, location: str) -> None:
    """Refuse a key that is not a plain relative path: some stores would take it for another.

    Raises StorageError, naming the key.
    """
    if any(part in ("", ".", "..") for part in key.split("/")) or not key.isprintable():
        raise StorageError(
            f"{location}: the key {key!r} has an empty, dotted or unprintable part: name it otherwise"
        )
