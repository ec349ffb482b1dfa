"""Laws of text where it leaves: whatever names and messages are, what is shown is visible and ours."""

import csv
import io
import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import RenderableType

from ftjob.cli import app as cli
from ftjob.cli.options import Screen, print_error, print_json, write
from ftjob.cli.view import cost as costs
from ftjob.cli.view import nodes as profiles
from ftjob.cli.view import runs
from ftjob.errors import BadSpecError, StorageError
from ftjob.fs.documents import parse_strictly
from ftjob.fs.paths import cache_dir, config_dir, expanded
from ftjob.nodes.profiles import get_node
from ftjob.report.ci.comment import render_comment
from ftjob.report.compare.comparison import compare
from ftjob.report.facts import Facts
from ftjob.report.page import render_page
from ftjob.runfolder.charges import Bill, charges, of_status
from ftjob.runfolder.records import metrics
from ftjob.runfolder.records.plan import PlanDocument
from ftjob.runfolder.records.predictions import Evaluated, predictions_of
from ftjob.runfolder.status import State, Status
from jobspec.text import LONGEST, plain, plain_lines, visible
from tests.report.folders import FIRST, SECOND, evaluation_of, plan_json
from tests.report.pages import Page

UNKNOWN = "caf\u00e9\x1b[31m".encode()
FORMS_OF_MARKUP = r"from rich\.text|import rich|from_markup|from_ansi|markup=True|Console\("
FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
HOSTILE = [
    "\x1b]0;owned\x07",
    "\x1b[2J",
    "[red]x[/]",
    "[/]",
    "[link=http://x]y[/link]",
    ":smile:",
    "\u202eexe.gpj",
    "a\u2066b\u2069",
    "a\u200bb\ufeff",
    "\r",
    "\x85",
    "\u2028",
    "\x00",
    "\ud800",
    "\U000e0041",
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "</title></pre>",
    "{{ 7*7 }}",
    "a|b",
    "``|",
    "@everyone #1",
    "[x](http://x)",
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "$x_{$",
]
TEXTS = st.text(min_size=1, max_size=40) | st.lists(st.sampled_from(HOSTILE), min_size=1).map("".join)


def hidden(text: str, breaks: str = "\n\t") -> set[str]:
    """Return the characters of a text that cannot be seen, but for line feeds and tabs."""
    return {letter for letter in text if unicodedata.category(letter) in FORBIDDEN and letter not in breaks}


def status_of(text: str) -> Status:
    """Return a status of a run in which every text is that one."""
    attempts = tuple(replace(each, node=text, reason=text) for each in (FIRST, SECOND))
    return Status(
        text, text, State.FAILED, text, text, text, 2, 40, 100, attempts=attempts, exit_code=4, ended=1.8e9
    )


def facts_of(text: str) -> Facts:
    """Return a run's facts in which every name and message is that text."""
    status = status_of(text)
    names = [f"{text}{label}" for label in range(7)]
    read = parse_strictly(PlanDocument, json.dumps(plan_json([""] * 7)).encode())
    plan = replace(
        read,
        base=replace(read.base, net=text, weights=text, notes=(text,)),
        node=replace(read.node, name=text, gpu=text),
        engine=replace(read.engine, name=text, why=text),
        labels=tuple(names),
        transfer=tuple(replace(row, layer=text, type=text, remark=text) for row in read.transfer),
    )
    tests = (
        metrics.TestLine(
            iteration=10, accuracy=0.5, top5=None, loss=1.0, heads={text: 0.5}, images=7, seconds=1.0
        ),
    )
    bill = Bill(tuple(charges(status, of_status(status))))
    evaluation = evaluation_of(names)
    keys = (f"{place}{text}" for place in range(evaluation.images))
    predictions = {each.key: each for each in predictions_of(evaluation, keys)}
    evaluated = Evaluated(evaluation, predictions)
    return Facts(status, bill, text, None, plan, evaluated, None, (), tests)


def screen(view: RenderableType, width: int = 80) -> str:
    """Return what the command line shows of it on a terminal of that width."""
    console = Screen()
    console.width = width
    with console.capture() as capture:
        console.print(view)
    return capture.get()


@given(st.text(), st.integers(3, 50))
def test_plain_text_is_one_visible_line_and_never_longer(text: str, longest: int):
    """And text that can be seen, and is short, is as it was."""
    assert not hidden(plain(text, longest), breaks="")
    assert len(plain(text, longest)) <= longest
    assert not hidden(plain_lines(text))
    if not hidden(text, breaks="") and text.isprintable():
        assert visible(text) == text


def test_escapes_are_those_of_python_and_the_middle_is_left_out():
    """A long sentence keeps the file that it begins with, and what to do, at its end."""
    assert visible("a\x1b[1m\u202e\n\U000e0041é日") == r"a\x1b[1m\u202e\n\U000e0041é日"
    sentence = plain(f"spec.yaml: {'x' * 1_400_000}: remove it")
    assert len(sentence) == LONGEST
    assert sentence.startswith("spec.yaml: xxx")
    assert sentence.endswith("x: remove it")


VIEWS: dict[str, Callable[[str], RenderableType]] = {
    "ls": lambda text: runs.runs_table([status_of(text)]),
    "status": lambda text: runs.status_view(status_of(text)),
    "line": lambda text: runs.line(status_of(text)),
    "submitted": lambda text: runs.submitted(status_of(text), text, started=True),
    "cost": lambda text: costs.cost_table(facts_of(text).bill),
    "unknown": lambda text: costs.unknown(Bill((), unknown=(text,))),
    "nodes": lambda text: profiles.nodes_table(
        [get_node("p2.xlarge").model_copy(update={"name": text, "gpu": text})]
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
@given(text=TEXTS)
def test_what_a_terminal_shows_is_visible_and_no_markup(view: str, text: str):
    """On a wide terminal each character of a name is there as it is written, brackets and colons too."""
    shown = screen(VIEWS[view](text), 20_000)
    assert not hidden(shown)
    for line in visible(text).split("\\n"):
        assert line.replace("\\t", "").strip() in shown.replace("\\t", "").replace("\t", "") or "\t" in text
    assert not hidden(screen(VIEWS[view](text), 20))


@pytest.mark.slow
@given(TEXTS)
def test_the_page_has_only_our_elements(text: str):
    """Whatever the names are: the same elements and links as with plain ones, and nothing hidden."""
    page, ours = Page(render_page(facts_of(text))), Page(render_page(facts_of("name")))
    assert page.tags == ours.tags
    assert page.resources == ours.resources
    assert not hidden(page.source)


@given(TEXTS)
def test_the_comment_is_a_table_of_ours_and_code(text: str):
    """Rows have as many cells; outside of code there is no letter of the names."""
    facts = facts_of(text)
    comment = render_comment(facts, compare([facts, facts]))
    assert not hidden(comment, breaks="\n")
    rows = [line for line in comment.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", comment)
    ours = render_comment(facts_of("name"), compare([facts_of("name"), facts_of("name")]))
    assert outside == re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", ours)


@given(TEXTS)
def test_csv_reads_back_and_computes_nothing(text: str):
    """A row for each of the bill's; no text begins as a formula does; a name is what was written."""
    bill = facts_of(text).bill
    rows = list(csv.DictReader(io.StringIO(costs.cost_csv(bill), newline="")))
    assert len(rows) == len(bill.rows)
    for row in rows:
        assert row["name"].removeprefix("'") == visible(text).removeprefix("'")
        assert not row["name"].startswith(("=", "+", "-", "@"))
        assert not any(hidden(cell, breaks="") for cell in row.values())


@given(TEXTS)
def test_json_is_exact_data_in_ascii(text: str):
    """Programs read back what was there, and a terminal sees nothing but ASCII."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        print_json({text: text})
    assert json.loads(out.getvalue()) == {text: text}
    assert out.getvalue().isascii()
    assert not hidden(out.getvalue())


@given(st.text())
def test_errors_and_logs_hide_nothing(text: str):
    """An error has at most forty lines of a thousand characters; a log's lines and tabs stay."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        write(text)
        print_error(text * 60)
    assert not hidden(out.getvalue())
    assert not hidden(err.getvalue(), breaks="\n")
    assert err.getvalue().count("\n") <= 41
    assert all(len(line) <= LONGEST for line in err.getvalue().split("\n"))


def test_rich_is_asked_by_nobody_for_markup_or_its_own_text():
    """Views take cli.view.markup, consoles are cli.options.console's: both show what comes from outside."""
    folder = Path(cli.__file__).parent
    for path in folder.rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        if path.name not in ("markup.py", "options.py"):
            assert not re.search(
                r"from rich\.text|import rich|from_markup|from_ansi|markup=True|Console\(", code
            ), path


def ftjob(*words: str | bytes, folder: Path, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    own = {name: value for name, value in os.environ.items() if name != "HOME"} | environment
    command = [sys.executable, "-m", "ftjob", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, env=own)


ASCII = {
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "ascii",
}
DUMB = {"TERM": "dumb", "COLUMNS": "20"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["plan", "--help"], 0),
        (["nodes"], 0),
        (["ls"], 0),
        (["plan", UNKNOWN], 2),
    ],
)
def test_it_works_in_ascii_without_a_home_on_a_dumb_terminal(
    tmp_path: Path, words: list[str | bytes], code: int
):
    """On a dumb, narrow terminal too: the table's exit codes, and nothing but ASCII."""
    done = ftjob(*words, folder=tmp_path, **ASCII, **DUMB)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert (done.stdout + done.stderr).isascii() or "--help" in words
    assert b"\x1b" not in done.stdout + done.stderr


def test_a_user_whom_the_machine_does_not_know_has_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In a container of any uid, without HOME: a folder that nobody else may write; another's is refused."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "FTJOB_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = tmp_path / f"ftjob-{os.getuid()}"
    assert cache_dir() == config_dir() == own
    assert own.stat().st_mode & 0o077 == 0

    with pytest.raises(BadSpecError, match="~ is no home that is known here"):
        expanded("~/spec.yaml")
    own.chmod(0o777)
    with pytest.raises(StorageError, match="others may write to it"):
        cache_dir()


@pytest.mark.slow
@pytest.mark.parametrize("words", [["nodes"], ["schema"], ["ls", "-o", "json"]])
def test_a_reader_who_goes_ends_it_in_silence(tmp_path: Path, words: list[str]):
    """As `| head -0` does: the exit code of SIGPIPE, and not a word."""
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "ftjob", *words]
    done = subprocess.run(command, cwd=tmp_path, stdout=written, stderr=subprocess.PIPE, check=False)
    os.close(written)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_drawing_is_xml_whatever_the_names_are():
    """What XML has no characters for is escaped before it is drawn."""
    from ftjob.drawing.svg import text as drawn

    for text in HOSTILE:
        [found] = ElementTree.fromstring(f"<svg>{drawn(0, 0, text, 10)}</svg>").itertext()
        assert found == visible(text)
