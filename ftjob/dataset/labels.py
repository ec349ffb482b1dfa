"""labels.txt: the name of a class in each line, in label order, as DIGITS and `ftjob data build` write it.

A name that is written is read back as it is, by this reader and by any that splits lines otherwise: what it
may be is checked on both ways.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ftjob.errors import BadDataError
from ftjob.fs import documents, files
from jobspec.problems import one_line

LINE_END = re.compile(r"\r\n|\n|\r")
BLANKS = " \t"
LONGEST_NAME = 255
"""Characters of a name."""
LARGEST = 64 * 2**20
"""Bytes of a labels.txt that are read."""


def name_problem(name: str) -> str | None:
    """Return why a class may not be called that; None where it may."""
    if not name:
        return "is empty"
    if not name.isprintable():  # line ends of all kinds, controls, half characters, what turns text round
        return "contains an invisible character"
    if name != name.strip():
        return "begins or ends with a blank"
    if len(name) > LONGEST_NAME:
        return f"has more than {LONGEST_NAME} characters"
    return None


def check_names(source: str, names: Sequence[str]) -> None:
    """Raise BadDataError for a class name that would not be read back from labels.txt as it is."""
    for name in names:
        if problem := name_problem(name):
            raise BadDataError(f"{source}: the class name '{one_line(name)}' {problem}: rename it")


def write_labels(path: Path, names: Sequence[str]) -> None:
    """Write a labels.txt, whole or not at all. Raises BadDataError as `check_names` does, StorageError."""
    check_names(str(path), names)
    files.write_text(path, "".join(f"{name}\n" for name in names))


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names of a labels.txt, without a BOM, the blanks around them and empty lines at the end.

    Raises BadDataError for an empty line before a name, which would move the names after it to other labels,
    for a name that no class may have, and for what is no text in UTF-8.
    """
    try:
        text = documents.read_bytes(path, LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path}: cannot be read as text ({error}): save it as UTF-8") from error
    except documents.UnreadableError as error:
        raise BadDataError(f"{path}: {error}: give one class name per line") from error
    except OSError as error:
        raise BadDataError(f"{path}: cannot be read ({error.strerror}): fix the path") from error
    if "\0" in text:
        raise BadDataError(f"{path}: has bytes of 0 in it, which no text has: save it as UTF-8")
    names = [line.strip(BLANKS) for line in LINE_END.split(text)]
    while names and not names[-1]:
        names.pop()
    if "" in names:
        line = names.index("") + 1
        raise BadDataError(
            f"{path}: line {line} is empty, and the names after it would be those of other labels: remove "
            f"the line, or name class {line - 1} in it"
        )
    check_names(str(path), names)
    return tuple(names)
