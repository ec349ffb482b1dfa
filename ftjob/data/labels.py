"""labels.txt: the name of a class in each line, in label order, as DIGITS and `ftjob data build` write it."""

import re
from pathlib import Path

from ftjob.data.listing import check_names
from ftjob.errors import BadDataError

LINE_END = re.compile(r"\r\n|\n|\r")


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names of a labels.txt, without a BOM, the blanks around them and empty lines at the end.

    Raises BadDataError for an empty line before a name, which would move the names after it to other labels,
    for a name that is no line of text, and for text that is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path}: cannot be read as text ({error}): save it as UTF-8") from error
    if "\0" in text:
        raise BadDataError(f"{path}: has bytes of 0 in it, which no text has: save it as UTF-8")
    names = [line.strip() for line in LINE_END.split(text)]
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
