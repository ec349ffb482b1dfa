"""The file that a spec's field names, wherever it lies; errors name the field."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftjob.errors import BadDataError, BadNetError, StorageError
from ftjob.storage.cache import fetch_file
from ftjob.storage.store import MissingError, OnTransfer, ignore


@contextmanager
def named(field: str, mistake: type[BadNetError | BadDataError]) -> Iterator[None]:
    """Make errors inside the block begin with a spec's field; what is missing becomes `mistake`."""
    try:
        yield
    except (MissingError, mistake) as error:
        raise mistake(f"{field}: {error}") from error
    except StorageError as error:
        raise type(error)(f"{field}: {error}") from error


def fetch_input(
    location: str,
    field: str,
    mistake: type[BadNetError | BadDataError],
    progress: OnTransfer = ignore,
    largest: int | None = None,
) -> Path:
    """Return the file that a field names as a path on this machine; a path as it is.

    Raises `mistake` where a URI leads nowhere, or to more bytes than `largest`, StorageError where it cannot
    be read; both name the field.
    """

    def check_size(size: int) -> None:
        if largest is not None and size > largest:
            raise mistake(f"{location}: has {size:,} bytes, and at most {largest:,} are read")

    with named(field, mistake):
        return fetch_file(location, progress, check_size)
