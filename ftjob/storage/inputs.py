"""What a spec's field names, wherever it lies; errors say the field."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftjob.errors import BadDataError, BadNetError, StorageError
from ftjob.storage.cache import fetch_file
from ftjob.storage.store import MissingError, Progress, ignore


@contextmanager
def named(field: str, mistake: type[BadNetError | BadDataError]) -> Iterator[None]:
    """Put a spec's field before what is said inside the block; what is missing becomes `mistake`."""
    try:
        yield
    except (MissingError, mistake) as error:
        raise mistake(f"{field}: {error}") from error
    except StorageError as error:
        raise type(error)(f"{field}: {error}") from error


def fetch_input(
    location: str, field: str, mistake: type[BadNetError | BadDataError], progress: Progress = ignore
) -> Path:
    """Return the file that a field names as a path on this machine; a path as it is.

    Raises `mistake` where a URI leads nowhere, StorageError where it cannot be read; both name the field.
    """
    with named(field, mistake):
        return fetch_file(location, progress)
