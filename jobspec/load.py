"""A spec's text to a JobSpec, or to an error with line, field and what to do."""

import os
import stat
from pathlib import Path

from pydantic import ValidationError

from jobspec.document import Document, read_document
from jobspec.explain import explain, shown
from jobspec.problems import Problem, SpecError
from jobspec.spec import JobSpec
from jobspec.sweeps.members import members, unknown_fields

MAX_BYTES = 256 * 1024


def load_spec(path: Path) -> JobSpec:
    """Read a spec from a YAML file. Raises SpecError if it cannot be read or is not a valid spec."""
    source = str(path)
    try:
        content = _content(path)
    except OSError as error:
        raise SpecError(source, [Problem("", _unreadable(error))]) from None
    if content is None:
        raise SpecError(source, [Problem("", "is a pipe or device, not a file; name the spec's YAML file")])
    if len(content) > MAX_BYTES:
        raise SpecError(
            source, [Problem("", f"has more than {MAX_BYTES} bytes, so it is not a spec; name the YAML file")]
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise SpecError(source, [Problem("", message, line)]) from None
    return parse_spec(text, source)


def parse_spec(text: str, source: str) -> JobSpec:
    """Read a spec from YAML text. Raises SpecError, whose lines begin with `source`, if it is not one."""
    document = read_document(text, source)
    if not isinstance(document.value, dict):
        raise SpecError(source, [_not_a_spec(document)])
    try:
        spec = JobSpec.model_validate(document.value)
    except ValidationError as error:
        raise SpecError(source, _all_problems(explain(error, document), unknown_fields(document))) from None
    members(spec, document, source)  # raises for a member that is no valid spec
    return spec


def _all_problems(of_values: list[Problem], of_names: list[Problem]) -> list[Problem]:
    """Return problems in the order of their lines; of a field whose name is wrong that one alone."""
    wrong = tuple(problem.field for problem in of_names)
    others = (problem for problem in of_values if not problem.field.startswith(wrong)) if wrong else of_values
    return sorted((*others, *of_names), key=lambda problem: (problem.line or 0, problem.column or 0))


def _content(path: Path) -> bytes | None:
    """Return a regular file's bytes, at most one more than a spec may have; None for anything else.

    It does not wait for a pipe that nobody writes to.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(MAX_BYTES + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else None


def _not_a_spec(document: Document) -> Problem:
    if document.value is None:
        return Problem(
            "", "the file is empty; a spec has at least name, base, data and output (see docs/spec.md)"
        )
    return Problem("", f"must be fields such as 'name: emotions', got {shown(document.value)}", 1)


def _unreadable(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist; name the spec's YAML file"
    if isinstance(error, IsADirectoryError):
        return "is a folder; name the spec's YAML file in it"
    return f"cannot be read ({error.strerror}); fix the path or its permissions"
