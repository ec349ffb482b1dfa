"""Specs as the API takes them: read, or the path of one."""

from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.errors import BadSpecError

if TYPE_CHECKING:
    from jobspec.spec import JobSpec


def load(spec: "JobSpec | Path | str") -> "tuple[JobSpec, Path]":
    """Return a spec, and the folder from which its relative paths count. Raises BadSpecError."""
    from jobspec import JobSpec, SpecError, load_spec

    if isinstance(spec, JobSpec):
        return spec, Path.cwd()
    path = Path(spec)
    try:
        return load_spec(path), path.absolute().parent
    except SpecError as error:
        raise BadSpecError(str(error)) from error
