"""Write the generated parts of README.md and docs/*.md, or with --check say which are out of date.

A part stands between `<!-- generated: NAME -->` and `<!-- /generated -->`; NAME is one of BLOCKS and what
it is to be called with.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from typer.testing import CliRunner

from ftjob.cli.app import app
from ftjob.errors.outcomes import BY_EXIT_CODE, Ending
from ftjob.net.zoo.published import PUBLISHED, PublishedWeights
from tools import clustertables, rooms
from tools.specfields import spec_fields

ROOT = Path(__file__).parents[1]
COLUMNS = 100

_BLOCK = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[^\n]+?) -->\n)(?P<body>.*?)(?P<end>^<!-- /generated -->$)",
    re.DOTALL | re.MULTILINE,
)


class DocsError(Exception):
    """One sentence: which block of which file cannot be written."""


def command_help(*verb: str) -> str:
    """Return what `ftjob VERB --help` prints, as a console block."""
    result = CliRunner().invoke(app, [*verb, "--help"], prog_name="ftjob", terminal_width=COLUMNS)
    if result.exit_code:
        raise DocsError(f"`{' '.join(['ftjob', *verb])} --help` fails: {result.output}")
    lines = "\n".join(line.rstrip() for line in result.output.strip().splitlines())
    return f"```console\n$ {' '.join(['ftjob', *verb])} --help\n{lines}\n```\n"


def exit_codes() -> str:
    """Return the table of exit codes, each with the reasons that a status shows with it."""
    head = ["| Code | Name | Reason | What happened |", "| ---: | --- | --- | --- |"]
    return "\n".join([*head, *map(_exit_code, BY_EXIT_CODE.values()), ""])


def _exit_code(ending: Ending) -> str:
    assert ending.exit_code is not None
    name = ending.exit_code.name.lower().replace("_", " ")
    reasons = ", ".join((ending.reason, *ending.narrower))
    return f"| {ending.exit_code.value} | {name} | {reasons} | {ending.meaning} |"


def quoted_file(path: str) -> str:
    """Return a file of the repository as a code block."""
    if not (ROOT / path).is_file():
        raise DocsError(f"there is no file {path} to show")
    text = (ROOT / path).read_text(encoding="utf-8").strip()
    return f"```{Path(path).suffix.removeprefix('.')}\n{text}\n```\n"


def published_weights() -> str:
    """Return the table of weights that `known:NAME` names."""
    head = [
        "| Name | Net | Published at | Digest | Mean (BGR), scale | Trained on | Licence | Digest from |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *map(_published, PUBLISHED), ""])


def _published(weights: PublishedWeights) -> str:
    net, file = weights.net, weights.file
    cells = [
        f"[`{weights.reference}`]({weights.page})",
        f"`{net.name}`",
        f"<{file.address}>",
        f"`#{file.algorithm}={file.digest}`",
        f"{', '.join(f'{value:g}' for value in net.mean)}; {net.scale:g}",
        weights.trained_on,
        weights.licence,
        weights.digest_by,
    ]
    return f"| {' | '.join(cells)} |"


BLOCKS: dict[str, Callable[..., str]] = {
    "help": command_help,
    "exit-codes": exit_codes,
    "file": quoted_file,
    "spec-fields": spec_fields,
    "retries": clustertables.retries,
    "waiting": clustertables.waiting,
    "controller-settings": clustertables.settings,
    "conditions": clustertables.conditions,
    "published-weights": published_weights,
    "rooms": rooms.rooms_table,
    "rooms-picture": rooms.rooms_picture,
}


def regenerate(text: str) -> str:
    """Return a page with its generated blocks written anew. Raises DocsError for a block nobody knows."""
    if text.count("<!-- generated:") != len(_BLOCK.findall(text)):
        raise DocsError(
            "a block that begins with <!-- generated: --> has no <!-- /generated --> in a line of its own"
        )
    return _BLOCK.sub(lambda match: f"{match['begin']}{_body(match['name'])}{match['end']}", text)


def _body(name: str) -> str:
    block, *arguments = name.split()
    if block not in BLOCKS:
        raise DocsError(f"there is no block {block}; there are {', '.join(BLOCKS)}")
    return BLOCKS[block](*arguments)


def pages() -> Iterator[Path]:
    """Yield the pages that may hold generated blocks."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").glob("*.md"))


def main(arguments: list[str]) -> int:
    """Write or check every page; return the exit code."""
    check = arguments == ["--check"]
    sentences = [sentence for page in pages() if (sentence := _write(page, check=check))]
    sys.stderr.writelines(f"{sentence}\n" for sentence in sentences)
    return 1 if sentences else 0


def _write(page: Path, *, check: bool) -> str:
    """Write or check one page; return what is wrong with it, or nothing."""
    name = page.relative_to(ROOT)
    text = page.read_text(encoding="utf-8")
    try:
        fresh = regenerate(text)
    except DocsError as error:
        return f"{name}: {error}"
    if check:
        return "" if fresh == text else f"{name} is out of date: run `make docs` and commit it"
    page.write_text(fresh, encoding="utf-8")
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
