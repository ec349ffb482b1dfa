"""Locations: paths, and URIs in their parts."""

from dataclasses import dataclass

from ftjob.errors import StorageError
from jobspec.grammar import GrammarError, key_problem, parse_uri
from jobspec.pinned import PinnedFile, parse_pinned
from jobspec.problems import one_line


@dataclass(frozen=True)
class StoreUri:
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


def parse_store_uri(location: str) -> StoreUri:
    """Return a URI in its parts; its characters mean themselves, nothing is decoded.

    Raises StorageError where it names no bucket or no store that ftjob knows: before any client is made,
    since what stands in a bucket's place becomes a part of the address that signed requests are sent to.
    """
    try:
        return StoreUri(*parse_uri(location))
    except GrammarError as error:
        shown = one_line(location) if "@" not in location else one_line(location.partition("://")[0] + "://")
        raise StorageError(f"{shown}: {error.problem}: {error.remedy}") from None


def parse_pinned_file(location: str) -> PinnedFile:
    """Return the address and the digest of a file on the web. Raises StorageError where it lacks either."""
    try:
        return parse_pinned(location)
    except GrammarError as error:
        raise StorageError(f"{location.partition('://')[0]}://…: {error.problem}: {error.remedy}") from None


def check_key(key: str, location: str) -> None:
    """Raise StorageError for a key that is no plain relative path: some stores would read another in it."""
    if problem := key_problem(key):
        raise StorageError(f"{location}: the key '{one_line(key)}' {problem}: rename it")
