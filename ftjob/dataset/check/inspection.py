"""What a dataset holds, from the manifest of the build that made it, else from every record."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ftjob.dataset.build_options import BuildOptions, DataProgress
from ftjob.dataset.check.remembered import contents_of
from ftjob.dataset.facts import Contents, DatasetFacts, Lmdb
from ftjob.dataset.folder import DATA_FILE, DatasetFolder
from ftjob.dataset.labels import read_labels
from ftjob.dataset.lmdb.pages import used_bytes
from ftjob.dataset.lmdb.read import opened
from ftjob.dataset.manifest import Manifest, read_manifest
from ftjob.errors import BadDataError
from ftjob.fs.digests import remembered_sha256


def inspect(lmdb: Path | Lmdb, progress: Callable[[DataProgress], None] = lambda _: None) -> DatasetFacts:
    """Return what an LMDB holds. labels.txt and manifest.json are looked for beside it and above it.

    A manifest for an LMDB of this size is trusted; without one every record is read, once. Raises
    BadDataError, which names the LMDB by its location, for one that cannot be read and for the first
    record that is no image or has other channels than the first.
    """
    named = Lmdb(lmdb, str(lmdb)) if isinstance(lmdb, Path) else lmdb
    with speaking_of(named):
        return replace(_inspect(named.path, progress), location=named.location)


@contextmanager
def speaking_of(lmdb: Lmdb) -> Iterator[None]:
    """Make errors inside the block name an LMDB by its location instead of its path."""
    try:
        yield
    except BadDataError as error:
        raise BadDataError(str(error).replace(str(lmdb.path), lmdb.location)) from error


def record_count(lmdb: Lmdb) -> int:
    """Return how many records an LMDB holds. Raises BadDataError where it cannot be read."""
    with speaking_of(lmdb), opened(lmdb.path, in_order=False) as env:
        return int(env.stat()["entries"])


def inspect_manifest(location: Path, size: int) -> DatasetFacts | None:
    """Return the facts in the manifest of an LMDB whose data is not here, only the files around it.

    None where there is no manifest, or it is of another LMDB than one whose data.mdb has `size` bytes. Raises
    BadDataError where it is no manifest.
    """
    manifest = _manifest_of(location, size)
    if manifest is None:
        return None
    options, counts = BuildOptions(**manifest.options), manifest.splits[location.name]
    return DatasetFacts(
        location=str(location),
        records=counts.records,
        channels=options.channels,
        height=options.height,
        width=options.width,
        histogram={label: count for label, count in enumerate(counts.histogram) if count},
        encoded=options.encoding != "raw",
        digest=counts.digest,
        labels=_labels_of(location),
        mean=manifest.mean,
        resize_mode=options.mode,
        face_crop=options.face_crop,
        size_bytes=size,
    )


def facts_of(lmdb: Lmdb, contents: Contents) -> DatasetFacts:
    """Return what was found in an LMDB together with what stands beside it. Raises BadDataError."""
    path = lmdb.path
    with speaking_of(lmdb):
        facts = inspect_manifest(path, _size(path)) or _of_contents(path, contents)
    return replace(facts, **vars(contents), location=lmdb.location, local=path)


def _inspect(path: Path, progress: Callable[[DataProgress], None]) -> DatasetFacts:
    records = record_count(Lmdb(path, str(path)))
    facts = inspect_manifest(path, _size(path))
    if facts is None or facts.records != records:
        facts = _of_contents(path, contents_of(path, _digest(path), progress))
    return replace(facts, local=path)


def _of_contents(path: Path, contents: Contents) -> DatasetFacts:
    return DatasetFacts(
        **vars(contents),
        location=str(path),
        digest=_digest(path),
        labels=_labels_of(path),
        mean=(),
        size_bytes=_size(path),
    )


def _digest(path: Path) -> str:
    """The sha256 (hex) of an LMDB's pages, without what was only mapped behind them (on Windows, 1 TB)."""
    return remembered_sha256(path / DATA_FILE, used_bytes(path))


def _size(path: Path) -> int:
    return (path / DATA_FILE).stat().st_size


def _labels_of(location: Path) -> tuple[str, ...]:
    for folder in (location, location.parent):
        path = DatasetFolder(folder).labels
        if path.is_file():
            return read_labels(path)
    return ()


def _manifest_of(location: Path, size: int) -> Manifest | None:
    """The manifest of the build that made an LMDB of so many bytes; None where there is none such."""
    path = DatasetFolder(location.parent).manifest
    if not path.is_file():
        return None
    manifest = read_manifest(path)
    counts = manifest.splits.get(location.name)
    return manifest if counts and counts.bytes == size else None
