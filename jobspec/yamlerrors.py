"""PyYAML's parser errors, reworded for the author of the file."""

import re

import yaml

from jobspec.problems import Problem

# What the parser found wrong, as a pattern, and the sentence for it. First match counts.
_SENTENCES = [
    (r"found character '\\t'", "a tab cannot indent; use spaces"),
    (r"found character '(.+)' that", "text that begins with {0} must be quoted"),
    (
        r"mapping values are not allowed",
        "this ':' is not allowed here; align the line with its neighbours, and quote text that has a colon",
    ),
    (r"could not find expected ':'", "the line above has no ':'; write it as 'field: value'"),
    (r"found unexpected end of stream", "the quote that opens here is never closed; close it"),
    (r"expected ',' or '(.)', but got '<stream end>'", "the file ends before the closing {0}; add it"),
    (r"expected ',' or '(.)', but got", "a ',' or the closing {0} is missing before this"),
    (
        r"expected <block end>, but found '(?:-|\?|:)'",
        "this line's indentation matches no other line; align it with its neighbours",
    ),
    (
        r"expected <block end>, but found '<scalar>'",
        "this text is not part of any field; align the line with its neighbours, "
        "and quote text that has quotes",
    ),
    (
        r"expected the node content, but found '(.+)'",
        "a value is missing before this {0}; add it or remove the {0}",
    ),
    (r"expected chomping", "after | or > the text begins on the next line; move it there"),
    (r"expected alphabetic", "& and * need a name right after them; quote text that begins with one"),
    (
        r"found undefined alias '(.+)'",
        "*{0} has no anchor; write &{0} before the value it refers to, further up",
    ),
    (
        r"found duplicate anchor|second occurrence",
        "there is an anchor of this name further up; give each its own name",
    ),
    (r"but found another document", "a second document begins here; a spec is one document: remove the ---"),
    (r"expected '<document start>'", "nothing may follow the end of the document; remove it"),
    (r"unknown escape character '(.+)'", "\\{0} means nothing between double quotes; use single quotes"),
    (r"expected escape sequence", "this escape is incomplete; use single quotes for text with backslashes"),
]
# For these, the place where they begin helps more than where the parser gave up.
_FROM_THE_BEGINNING = ("found unexpected end of stream",)


def explain_yaml_error(error: yaml.MarkedYAMLError) -> Problem:
    """Turn a parser's error into one sentence with its line and column."""
    found = error.problem or "it cannot be read"
    begins = error.context_mark if found in _FROM_THE_BEGINNING else None
    mark = begins or error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    return Problem("", _sentence(found), line, column)


def _sentence(found: str) -> str:
    for pattern, sentence in _SENTENCES:
        match = re.search(pattern, found)
        if match:
            return sentence.format(*match.groups())
    return f"is not YAML: {found}"
