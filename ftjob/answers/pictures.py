"""Finds the pictures that a user names: files, folders, URIs of a store and http(s) addresses."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus

import urllib3

from ftjob.dataset.source.stored import READERS, Objects, place_of
from ftjob.dataset.source.tree import LARGEST, Folder, Tree, is_image_name
from ftjob.errors import BadDataError, StorageError
from ftjob.storage import local_path
from ftjob.storage.cache import parent_store

WEB = ("http://", "https://")
CONNECT_SECONDS, READ_SECONDS = 10.0, 30.0
PIECE = 1 << 16
"""Bytes of an answer that are read at once."""


class MissingPictureError(Exception):
    """A picture whose bytes cannot be had; the text gives the reason."""


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


@cache
def _web() -> urllib3.PoolManager:
    again = urllib3.Retry(total=4, redirect=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    return urllib3.PoolManager(
        maxsize=READERS, retries=again, timeout=urllib3.Timeout(CONNECT_SECONDS, READ_SECONDS)
    )


def _fetch(address: str) -> bytes:
    """Fetch a picture from the web, and never more than LARGEST bytes."""
    try:
        with _web().request("GET", address, preload_content=False) as answer:
            if answer.status != HTTPStatus.OK:
                raise MissingPictureError(
                    f"the server answers {answer.status} {answer.reason or ''}".rstrip()
                )
            data = bytearray()
            for piece in answer.stream(PIECE):
                data += piece
                if len(data) > LARGEST:
                    raise MissingPictureError(f"has more than {LARGEST:,} bytes")
    except urllib3.exceptions.HTTPError as error:
        raise MissingPictureError(f"cannot be fetched ({_reason(error)})") from None
    return bytes(data)


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Return what went wrong in a few words: of an error of the last attempt, that one."""
    inner = getattr(error, "reason", None)
    text = str(inner or error)
    return text.rpartition(": ")[2][:200]
