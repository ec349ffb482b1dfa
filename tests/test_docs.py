"""The documentation says what the program does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from typer.core import TyperGroup

from ftjob.cli.app import app
from jobspec import SpecError, parse_spec
from tools import docs
from tools.screenshots import LARGEST, PICTURES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SPEC_PAGE = (ROOT / "docs" / "spec.md").read_text(encoding="utf-8")
REFUSED = re.findall(r"```yaml\n([^`]+)```\n\n```text\n([^`]+)```", SPEC_PAGE)


def test_the_generated_parts_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """Command help, exit codes and spec fields are as the program has them; `make docs` writes them."""
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_out_of_date_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check changes nothing and says which page; without it the page is written."""
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- generated: exit-codes -->\nold\n<!-- /generated -->\nb\n", encoding="utf-8")

    assert docs.main(["--check"]) == 1
    assert capsys.readouterr().err == "README.md is out of date: run `make docs` and commit it\n"
    assert (docs.main([]), docs.main(["--check"])) == (0, 0)
    assert re.fullmatch(
        r"a\n<!-- gen.*\| 0 \| done .*\n<!-- /generated -->\nb\n", page.read_text(), re.DOTALL
    )


def test_every_verb_has_its_help_shown() -> None:
    """In docs/cli.md, those below a group and none that is hidden."""
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    wanted = set(verbs(command))

    shown = set(re.findall(r"<!-- generated: help (.+) -->", (docs.ROOT / "docs/cli.md").read_text()))
    assert shown == wanted


def verbs(group: TyperGroup) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from (f"{name} {verb}" for verb in verbs(command))
        elif not command.hidden:
            yield name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<!-- generated: nothing -->\n<!-- /generated -->", "there is no block nothing; there are help"),
        ("<!-- generated: help -->\n", "has no <!-- /generated -->"),
        ("<!-- generated: file nothing -->\n<!-- /generated -->", "there is no file nothing to show"),
        ("<!-- generated: help nothing -->\n<!-- /generated -->", "`ftjob nothing --help` fails"),
    ],
)
def test_a_block_that_cannot_be_written_is_reported(text: str, sentence: str) -> None:
    """Misspelt, never closed, of a verb that is not there."""
    with pytest.raises(docs.DocsError, match=re.escape(sentence)):
        docs.regenerate(text)


@pytest.mark.parametrize(("spec", "message"), REFUSED)
def test_every_error_shown_is_what_is_printed(spec: str, message: str) -> None:
    """The examples of docs/spec.md, word for word."""
    with pytest.raises(SpecError) as caught:
        parse_spec(spec, "spec.yaml")
    assert str(caught.value) == message.rstrip("\n")


def test_the_page_has_errors_to_show() -> None:
    """The pattern that finds them still does."""
    assert len(REFUSED) >= 7


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_spec_shown_whole_can_be_read(page: Path) -> None:
    """A YAML block with name, base, data and output is a spec that works, but for those shown as wrong."""
    wrong = {spec for spec, _ in REFUSED}
    for block in re.findall(r"```yaml\n([^`]+)```", page.read_text(encoding="utf-8")):
        if block not in wrong and {"name", "base", "data", "output"} <= set(yaml.safe_load(block)):
            parse_spec(block, page.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files that are linked are there."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


SHOWN = r'"([^"]*pictures/[^"]+\.png)"'


def test_every_picture_is_shown_and_small() -> None:
    """`make screenshots` makes them; none lies there unseen, none is missing."""
    shown = {
        (page.parent / name).resolve()
        for page in PAGES
        for name in re.findall(SHOWN, page.read_text(encoding="utf-8"))
    }
    there = set(PICTURES.iterdir())

    assert shown == there
    assert {path.name: path.stat().st_size for path in there if path.stat().st_size > LARGEST} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_has_words_and_is_light_or_dark(page: Path) -> None:
    """For those who do not see it, and for those who read in the dark."""
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(
        r'<picture>\n<source media="\(prefers-color-scheme: dark\)" srcset="(.+)-dark.png">\n'
        r'<img src="(.+)-light.png" alt="[^"]{20,}">\n</picture>',
        text,
    )

    assert [dark for dark, light in pictures if dark != light] == []
    assert len(re.findall(SHOWN, text)) == 2 * len(pictures)
