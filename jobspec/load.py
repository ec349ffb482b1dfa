"""A spec's text to a JobSpec, or to an error that says line, field and what to do."""

from pathlib import Path

from pydantic import ValidationError

from jobspec.document import Document, read_document
from jobspec.explain import explain, shown
from jobspec.problems import Problem, SpecError
from jobspec.spec import JobSpec

MAX_BYTES = 256 * 1024


def load_spec(path: Path) -> JobSpec:
    """Read a spec from a YAML file. Raises SpecError where it cannot be read or is not a whole spec."""
    source = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(source, [Problem("", _unreadable(error))]) from None
    if len(content) > MAX_BYTES:
        raise SpecError(
            source, [Problem("", f"has more than {MAX_BYTES} bytes, so it is no spec; name the YAML file")]
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise SpecError(source, [Problem("", message, line)]) from None
    return parse_spec(text, source)


def parse_spec(text: str, source: str) -> JobSpec:
    """Read a spec from YAML text. Raises SpecError, whose lines begin with `source`, where it is not one."""
    document = read_document(text, source)
    if not isinstance(document.value, dict):
        raise SpecError(source, [_not_a_spec(document)])
    try:
        return JobSpec.model_validate(document.value)
    except ValidationError as error:
        raise SpecError(source, explain(error, document)) from None


def _not_a_spec(document: Document) -> Problem:
    if document.value is None:
        return Problem(
            "", "the file is empty; a spec has at least name, base, data and output (see docs/spec.md)"
        )
    return Problem("", f"must be fields such as 'name: emotions', got {shown(document.value)}", 1)


def _unreadable(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file; name the spec's YAML file"
    if isinstance(error, IsADirectoryError):
        return "is a folder; name the spec's YAML file in it"
    return f"cannot be read ({error.strerror}); mend the path or its permissions"
