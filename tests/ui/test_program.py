"""`ftjob ui` as users start it: the address it prints, what it refuses, and how it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
from typer.testing import CliRunner

from ftjob.cli.app import app
from ftjob.cli.web import page
from ftjob.errors import BadSpecError
from ftjob.runfolder.layout import RunFolder
from tests.ui.served import SILENT_SECONDS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "ui.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```console\n\$ ftjob (ui[^\n]*)\n([^\n]+)\n```", DOCUMENT)
SERVED = [each for each in EXAMPLES if each[1].startswith("http")]
REFUSED = [each for each in EXAMPLES if each not in SERVED]
PYTHON = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


@contextmanager
def started(options: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start it on a free port, without a browser; give the process and the address that it prints."""
    command = [sys.executable, "-m", "ftjob", *options, "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_page_shows_both_kinds_of_examples() -> None:
    """Served and refused."""
    assert [printed.startswith("http") for _, printed in EXAMPLES] == [True, True, False, True]
    assert len(PYTHON) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("command", "printed"), SERVED)
def test_examples_print_what_the_page_shows(cache: Path, command: str, printed: str) -> None:
    """An address of this form, which answers."""
    with started(command.split()) as (_, address):
        form = re.escape(printed).replace("8265", r"\d+").replace("…", r"[\w-]{32}")
        assert re.fullmatch(form, address), address
        answer = urllib3.request("GET", address.replace("0.0.0.0", "127.0.0.1"), timeout=SILENT_SECONDS)
        assert answer.status == 200


@pytest.mark.parametrize(
    ("command", "printed"), [each for each in EXAMPLES if not each[1].startswith("http")]
)
def test_examples_are_refused_as_the_page_shows(command: str, printed: str) -> None:
    """In this sentence."""
    result = CliRunner().invoke(app, [*command.split(), "--no-browser"])

    assert isinstance(result.exception, BadSpecError)
    assert str(result.exception) == printed


def test_the_python_shown_runs() -> None:
    """It makes an app."""
    made: dict[str, object] = {}
    exec(PYTHON[0], made)
    assert callable(made["app"])


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to install it."""
    monkeypatch.setattr(page, "NEEDED", ("starlette", "no_such_module"))

    result = CliRunner().invoke(app, ["ui"])

    assert str(result.exception) == (
        "no_such_module is not installed for this Python: install ftjob with its extra [ui]: "
        "`pip install 'ftjob[ui]'`"
    )


def test_a_port_in_use_is_named() -> None:
    """In one sentence."""
    with page_listening() as port:
        result = CliRunner().invoke(app, ["ui", "--no-browser", "--port", str(port)])

    assert f"--port {port}: cannot listen there" in str(result.exception)


@contextmanager
def page_listening() -> Iterator[int]:
    """Have a port in use; give its number."""
    from ftjob.web.server import listen

    with listen("127.0.0.1", 0) as listening:
        yield listening.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_though_a_page_is_followed(emotions: RunFolder, number: signal.Signals) -> None:
    """Ctrl-C is no error, and no browser holds it up."""
    with started(["ui"]) as (process, address), urllib3.PoolManager() as client:
        home = address.partition("?")[0]
        followed = client.request("GET", f"{home}runs.events", preload_content=False, timeout=SILENT_SECONDS)
        assert followed.status == 200
        assert next(followed.stream(100))
        begin = time.monotonic()
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=SILENT_SECONDS)
        assert time.monotonic() - begin < 20
        assert "Traceback" not in errors
        assert process.returncode in (0, 130, -signal.SIGTERM, -signal.SIGINT)
