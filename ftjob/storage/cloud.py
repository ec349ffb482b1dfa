"""A bucket's folder as a store: S3, Google Cloud Storage, Azure."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ftjob.errors import StorageError
from ftjob.fs.documents import UnreadableError, check_size
from ftjob.storage.bucket import Bucket
from ftjob.storage.download import download
from ftjob.storage.location import StoreUri, check_key
from ftjob.storage.retry import ask
from ftjob.storage.store import Entry, MissingError, OnTransfer, ignore
from ftjob.storage.upload import abort_uploads, upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore import ObjectMeta

    from ftjob.storage.bucket import Client, Opened

T = TypeVar("T")

CREATOR = "ftjob-creator"
"""The attribute that identifies the call of `create` that wrote an object."""


@dataclass(frozen=True)
class ObjectHead:
    """What a store gives of an object before its bytes."""

    entry: Entry
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class CloudStore:
    """The objects below a prefix of a bucket."""

    bucket: Bucket
    uri: StoreUri

    @property
    def location(self) -> str:
        """The URI that keys count from."""
        return str(self.uri)

    def name(self, key: str) -> str:
        """Return the object's whole name in its bucket."""
        check_key(key, self.location)
        return f"{self.uri.prefix}/{key}".lstrip("/")

    def ask(self, key: str, doing: str, request: "Callable[[Client], T]") -> T:
        """Make a request about a key, with patience."""
        return self.ask_opened(key, doing, lambda opened: request(opened.client))

    def ask_opened(self, key: str, doing: str, request: "Callable[[Opened], T]") -> T:
        """Make a request about a key that may need boto3's client, with patience."""
        uri = f"{self.location}/{key}" if key else self.location
        return ask(self.bucket, uri, doing, request)

    def read(self, key: str, *, largest: int | None = None) -> bytes:
        """Return an object's bytes."""
        name = self.name(key)

        def read(client: "Client") -> bytes:
            answer = client.get(name)  # with the size, and not yet the bytes
            if largest is not None:
                check_size(answer.meta["size"], largest)
            return bytes(answer.bytes())

        try:
            return self.ask(key, "reading it", read)
        except UnreadableError as error:
            raise StorageError(f"{self.location}/{key}: {error}: fix or remove it") from None

    def write(self, key: str, data: bytes) -> None:
        """Put an object in place of what was there."""
        self.put(key, data, {})

    def put(self, key: str, data: bytes, attributes: dict[str, str]) -> None:
        """Put an object with attributes in place of what was there."""
        name = self.name(key)
        self.ask(
            key,
            "writing it",
            lambda client: client.put(name, data, attributes=attributes, use_multipart=False),
        )

    def create(self, key: str, data: bytes) -> bool:
        """Write an object where there is none.

        When an answer is lost and the request repeated, the attribute shows that the object is ours.
        """
        from obstore.exceptions import AlreadyExistsError

        name, creator = self.name(key), uuid.uuid4().hex

        def create(client: "Client") -> bool:
            try:
                client.put(name, data, mode="create", attributes={CREATOR: creator})
            except AlreadyExistsError as conflict:
                try:
                    return client.get(name, options={"head": True}).attributes.get(CREATOR) == creator
                except FileNotFoundError:  # another writer was met, who has not written it either
                    raise conflict from None
            return True

        return self.ask(key, "writing it", create)

    def stat(self, key: str) -> Entry | None:
        """Return an object's size, ETag and time."""
        found = self.head(key)
        return found.entry if found else None

    def head(self, key: str) -> ObjectHead | None:
        """Return an object's entry and attributes, None where it is not there."""
        name = self.name(key)
        try:
            found = self.ask(key, "reading it", lambda client: client.get(name, options={"head": True}))
            return ObjectHead(self.entry(found.meta), dict(found.attributes))
        except MissingError:
            return None
        except StorageError:
            self.first_byte(key)  # the answer to HEAD has no body; the one to GET explains the error
            raise

    def first_byte(self, key: str) -> bytes:
        """Read one byte, for the error that the store gives where that fails."""
        name = self.name(key)
        return self.ask(key, "reading it", lambda client: bytes(client.get_range(name, start=0, length=1)))

    def list(self, prefix: str = "") -> list[Entry]:
        """Return every object below a folder."""
        below = self.name(prefix.strip("/")) if prefix else self.uri.prefix
        found = self.ask(
            prefix, "listing it", lambda client: client.list(below or None, chunk_size=1000).collect()
        )
        return sorted((self.entry(each) for each in found), key=lambda each: each.key)

    def folders(self) -> tuple[str, ...]:
        """Return the names of the folders directly below, as the store groups its keys."""
        below = self.uri.prefix or None
        found = self.ask("", "listing it", lambda client: client.list_with_delimiter(below))
        return tuple(sorted(each.rstrip("/").rpartition("/")[2] for each in found["common_prefixes"]))

    def entry(self, meta: "ObjectMeta") -> Entry:
        """Return the entry of an object, its key relative to this store."""
        key = meta["path"].removeprefix(self.uri.prefix).lstrip("/")
        # HEAD gives whole seconds only: a listing must give the same entry for the same object.
        modified = meta["last_modified"].replace(microsecond=0).timestamp()
        return Entry(key, meta["size"], meta["e_tag"], modified)

    def download(
        self, key: str, path: Path, *, sha256: str | None = None, progress: OnTransfer = ignore
    ) -> None:
        """Copy an object to a file, several ranges of it at a time."""
        download(self, key, path, sha256, progress)

    def upload(self, path: Path, key: str, *, progress: OnTransfer = ignore) -> Entry:
        """Copy a file to an object, several parts of it at a time."""
        return upload(self, path, key, progress)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; missing ones are skipped."""
        names = [self.name(key) for key in keys]
        if names:
            self.ask("", "deleting", lambda client: client.delete(names))

    def abort_uploads(self, prefix: str = "") -> int:
        """Remove the parts that killed uploads left below a folder."""
        below = self.name(prefix.strip("/")) if prefix else self.uri.prefix
        return abort_uploads(self.bucket, f"{below}/" if below else "")

    def child(self, prefix: str) -> "CloudStore":
        """Return the store of a folder below."""
        return CloudStore(
            self.bucket, StoreUri(self.uri.scheme, self.uri.bucket, self.name(prefix.strip("/")))
        )
