"""The folders of ftjob's cache and configuration."""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path, user_config_path

from ftjob.errors import BadSpecError, StorageError


def cache_dir() -> Path:
    """Return the cache folder: $FTJOB_CACHE, or ftjob's folder in the user's cache. It need not exist yet."""
    override = os.environ.get("FTJOB_CACHE")
    return Path(override) if override else _own_folder(user_cache_path)


def config_dir() -> Path:
    """Return the folder of the user's configuration. It need not exist yet."""
    return _own_folder(user_config_path)


def expanded(path: str) -> Path:
    """Return a path with the home that its `~` stands for. Raises BadSpecError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise BadSpecError(f"{path}: ~ is no home that is known here: write the whole path") from error


def _own_folder(find: Callable[[str], Path]) -> Path:
    """Return the user's folder that `find` gives, or without a home (no HOME, an unknown uid) one of his own
    among the temporary files. Raises StorageError where others may write to that."""
    try:
        found = find("ftjob")
    except RuntimeError:  # of later versions of platformdirs; earlier ones return a path that begins with ~
        return _folder_of_uid()
    return found if found.is_absolute() else _folder_of_uid()


def _folder_of_uid() -> Path:
    folder = Path(tempfile.gettempdir(), f"ftjob-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made ({error.strerror}): set HOME or FTJOB_CACHE") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StorageError(f"{folder}: others may write to it: set HOME to a folder of your own")
    return folder
