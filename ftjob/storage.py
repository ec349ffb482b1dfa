"""Places: what a spec names (a path, a URI, a run) turned into a path that can be read."""

from pathlib import Path

from ftjob.errors import BadSpecError


def is_remote(location: str) -> bool:
    """Return whether a location is a URI rather than a path."""
    return "://" in location


def local_path(location: str, field: str, relative_to: Path) -> Path:
    """Return the path a location names; a relative one counts from the spec's folder.

    Raises BadSpecError, naming the field, where it is a URI: this version reads and writes directories only.
    """
    if is_remote(location):
        raise BadSpecError(
            f"{field}: {location} is a URI, and this version of ftjob reads and writes directories only: "
            "copy it to a directory and give its path"
        )
    return (relative_to / Path(location).expanduser()).absolute()
