"""Finds the pictures that a user names: files, folders, URIs of a store and http(s) addresses."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from urllib3.exceptions import HTTPError

from ftjob.concurrency.retry import patiently
from ftjob.dataset.source.stored import Objects, place_of
from ftjob.dataset.source.tree import LARGEST, Folder, Tree, is_image_name
from ftjob.errors import BadDataError, StorageError
from ftjob.storage import local_path
from ftjob.storage.cache import parent_store
from ftjob.storage.web.response import get

WEB = ("http://", "https://")
PATIENCE_SECONDS = 20.0
"""How long a server may be away or busy."""
PIECE = 1 << 16
"""Bytes of an answer that are read at once."""


class MissingPictureError(Exception):
    """A picture whose bytes cannot be had; the text gives the reason."""


class _BusyError(Exception):
    """What may go away by itself."""


@dataclass(frozen=True)
class NamedPicture:
    """A picture whose bytes have not been read yet."""

    name: str
    """As its user named it; of one in a folder, the folder and its path there."""
    folder: str | None
    """The folder that it lies in, right below one that the user named: perhaps the name of its class."""
    read: Callable[[], bytes]
    """Returns its bytes; threads may call it. Raises MissingPictureError."""


def find_pictures(names: Iterable[str]) -> Iterator[NamedPicture]:
    """Yield the pictures that paths, URIs and addresses mean, in order; of folders, every image below them.

    Raises BadDataError for a folder without images, StorageError for a store that cannot be listed. A single
    picture that is not there is found all the same, and cannot be read: the others are worth an answer.
    """
    for name in names:
        if name.startswith(WEB):
            yield NamedPicture(name, None, partial(_fetch, name))
            continue
        place = place_of(name)
        if isinstance(place, Objects):
            tree: Tree | None = place if place.entries else None
        else:
            tree = Folder(place) if place.is_dir() else None
        if tree is None:
            yield NamedPicture(name, None, partial(_read_single, name))
        else:
            yield from _below(tree, name)


def _below(tree: Tree, name: str) -> Iterator[NamedPicture]:
    found = [path for path, _ in tree.files("") if is_image_name(path)]
    if not found:
        raise BadDataError(f"{name}: has no images: give image files, or a folder that has some")
    for path in found:
        folder, slash, _ = path.partition("/")
        yield NamedPicture(
            f"{name.rstrip('/')}/{path}", folder if slash else None, partial(_read, tree, path)
        )


def _read(tree: Tree, path: str) -> bytes:
    try:
        return tree.read(path)
    except OSError as error:
        raise MissingPictureError(f"cannot be read ({error.strerror})") from None
    except StorageError as error:
        raise MissingPictureError(str(error)) from None


def _read_single(name: str) -> bytes:
    """Read a file, or an object of a store."""
    path = local_path(name)
    if path is not None:
        return _read(Folder(path.parent), path.name)
    try:
        store, key = parent_store(name)
        return store.read(key, largest=LARGEST)
    except StorageError as error:
        raise MissingPictureError(str(error)) from None


def _fetch(address: str) -> bytes:
    """Fetch a picture from the web, never more than LARGEST bytes; a busy server is asked again."""
    try:
        return patiently(partial(_body, address), PATIENCE_SECONDS, transient=_BusyError)
    except _BusyError as error:
        raise MissingPictureError(str(error)) from None


def _body(address: str) -> bytes:
    try:
        with get(address, {}, PATIENCE_SECONDS) as answer:
            if answer.status != HTTPStatus.OK:
                busy = answer.status >= 500 or answer.status == HTTPStatus.TOO_MANY_REQUESTS
                kind = _BusyError if busy else MissingPictureError
                raise kind(f"the server answers {answer.status} {answer.reason or ''}".rstrip())
            data = bytearray()
            for piece in answer.stream(PIECE):
                data += piece
                if len(data) > LARGEST:
                    raise MissingPictureError(f"has more than {LARGEST:,} bytes")
    except StorageError as error:  # of a redirect
        raise MissingPictureError(str(error).removeprefix(f"{address}: ")) from None
    except (HTTPError, ValueError) as error:  # ValueError: of an address that is none
        raise _BusyError(f"cannot be fetched ({str(error).rpartition(': ')[2][:200]})") from None
    return bytes(data)
