"""Builds datasets into a store: on this machine first, then uploaded; manifest.json makes them whole."""

import contextlib
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ftjob.dataset.build.build import build
from ftjob.dataset.build.lock import locked
from ftjob.dataset.build.planning import BuildPlaces, like, plan_work
from ftjob.dataset.build.publish import settle
from ftjob.dataset.build.transfers import as_progress
from ftjob.dataset.build_options import BuildOptions, DataProgress
from ftjob.dataset.check.remote import UPLOADING
from ftjob.dataset.folder import DATA_FILE, SPLITS, DatasetFolder
from ftjob.dataset.manifest import Manifest, read_manifest
from ftjob.dataset.source.stored import Objects, objects_at, place_of
from ftjob.errors import BadDataError
from ftjob.fs import files
from ftjob.fs.paths import cache_dir
from ftjob.storage import Store, Transfer, local_path, open_store
from ftjob.storage.cache import fetch_entries

OnProgress = Callable[[DataProgress], None]
NAMES = DatasetFolder(Path())
PROBE = ".probe"
SMALL = (NAMES.labels.name, NAMES.mean.name, NAMES.sources.name)
LARGE = tuple(f"{split}/{DATA_FILE}" for split in SPLITS)


def build_at(
    source: str,
    out: str,
    options: BuildOptions,
    *,
    val: str | None = None,
    progress: OnProgress = lambda _: None,
) -> Manifest:
    """Build OUT from images as `build` does; all three may be paths or URIs.

    An OUT in a store is made in the cache first, where an interrupted build or upload resumes; of a whole one
    the records that stay are fetched. Raises BadDataError and StorageError.
    """
    images, val_images = place_of(source), place_of(val) if val else None
    if local_path(out):
        return build(images, Path(out), options, val=val_images, progress=progress)
    store = open_store(out)
    if isinstance(images, Objects) and f"{store.location}/".startswith(f"{images}/"):
        raise BadDataError(f"{out}: lies inside {source}: give an OUT beside it")
    work = DatasetFolder(cache_dir() / "builds" / hashlib.sha256(store.location.encode()).hexdigest()[:16])
    with files.explained(work.root), locked(work.root.with_suffix(".lock"), wait=False, what=out):
        settle(work)
        if not work.is_whole:
            _remove_splits(work)
        there = objects_at(store)
        before = _manifest_of(there)
        sources = BuildPlaces(images, val_images, work.root)
        if before is not None and like(before, options):
            fetched = _fetch(there, SMALL, progress)
            if plan_work(sources, options, fetched / NAMES.sources.name).digest == before.plan:
                return before
            _take_over(there, work, progress)
        elif before is None:
            _refuse_foreign(there)
        _refuse_read_only(store)
        made = build(images, work.root, options, val=val_images, progress=progress)
        _upload(work, store, made, progress)
        shutil.rmtree(work.root)
    return made


def _manifest_of(there: Objects) -> Manifest | None:
    """The manifest of a whole OUT; None where there is none, or its upload has not ended."""
    if NAMES.manifest.name not in there.entries or UPLOADING in there.entries:
        return None
    folder = fetch_entries(there.store, [there.entries[NAMES.manifest.name]])
    with contextlib.suppress(BadDataError):
        return read_manifest(folder / NAMES.manifest.name)
    return None


def _refuse_foreign(there: Objects) -> None:
    for name in LARGE:
        if name in there.entries and not {UPLOADING, NAMES.manifest.name} & there.entries.keys():
            raise BadDataError(
                f"{there}/{name}: is there already and not built by ftjob: give another OUT, or remove it"
            )


def _fetch(there: Objects, names: tuple[str, ...], progress: OnProgress) -> Path:
    entries = [there.entries[name] for name in names if name in there.entries]
    return fetch_entries(there.store, entries, as_progress(progress))


def _take_over(there: Objects, work: DatasetFolder, progress: OnProgress) -> None:
    """Copy the store's dataset into the work folder unless it is there; a build begun there stays."""
    names = (*SMALL, *LARGE, NAMES.manifest.name)
    fetched = _fetch(there, names, progress)
    if work.is_whole and read_manifest(work.manifest) == read_manifest(fetched / NAMES.manifest.name):
        return
    work.manifest.unlink(missing_ok=True)
    _remove_splits(work)
    for name in names:
        if (fetched / name).is_file():
            _take(fetched / name, work.root / name)


def _remove_splits(work: DatasetFolder) -> None:
    for split in SPLITS:
        shutil.rmtree(work.split(split), ignore_errors=True)


def _take(source: Path, target: Path) -> None:
    """Link a file that is never changed in place; copy it where that fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        files.copy(source, target)


def _refuse_read_only(store: Store) -> None:
    """Raise StorageError where nothing can be written: now, not after an hour of building."""
    store.write(PROBE, b"")
    store.delete([PROBE])


def _upload(work: DatasetFolder, store: Store, made: Manifest, progress: OnProgress) -> None:
    """Replace the dataset in the store."""
    splits = [f"{split}/{DATA_FILE}" for split in made.splits]
    sizes = {name: (work.root / name).stat().st_size for name in (*SMALL, *splits)}
    report, before = as_progress(progress), 0
    store.abort_uploads()
    # No reader may take a mixture of two datasets for a whole one: the manifest goes first and comes last.
    store.write(UPLOADING, b"")
    store.delete([NAMES.manifest.name, *(set(LARGE) - set(splits))])
    for name in sizes:

        def report_part(transfer: Transfer, before: int = before) -> None:
            report(Transfer(store.location, before + transfer.done, sum(sizes.values())))

        store.upload(work.root / name, name, progress=report_part)
        before += sizes[name]
    store.write(NAMES.manifest.name, work.manifest.read_bytes())
    store.delete([UPLOADING])
