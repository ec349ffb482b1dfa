"""What a user sees of a fault in ftjob itself: all that a bug report needs, and no credential."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from ftjob.cli.bugreport import without_credentials
from ftjob.errors import ExitCode

pytestmark = pytest.mark.slow  # each test starts ftjob

BROKEN_LS = """
import ftjob.cli.app, ftjob.__main__ as program
def broken(*_, **__): raise {error}
ftjob.cli.runs.api.list_statuses = broken
program.main()
"""
URI = "s3://alice:pa:ss@runs/emotions"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("FTJOB_CACHE", str(folder))
    return folder


def broken_ls(*words: str, error: str = "ZeroDivisionError('seven')") -> "subprocess.CompletedProcess[str]":
    """`ftjob ls` with a fault in it."""
    command = [sys.executable, "-c", BROKEN_LS.format(error=error), "ls", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_fault_is_ready_to_be_reported(cache: Path) -> None:
    """Version, Python, platform, command line and the traceback's file, which repeats them; exit code 1."""
    done = broken_ls("-o", "json")

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    [report] = (cache / "errors").iterdir()
    text = report.read_text(encoding="utf-8")
    for part in (
        f"ftjob {version('ftjob')}, Python {platform.python_version()}, {platform.platform()}",
        "ftjob ls -o json",
    ):
        assert part in done.stderr
        assert part in text
    assert done.stderr.rstrip().endswith(str(report))
    assert text.rstrip().endswith("ZeroDivisionError: seven")


def test_without_a_cache_the_traceback_is_printed(cache: Path) -> None:
    """Whole, though it is longer than what an error may print."""
    cache.write_text("no folder")
    done = broken_ls(error="ExceptionGroup('many', [ValueError(str(number)) for number in range(99)])")

    assert done.returncode == 1
    for part in (version("ftjob"), platform.platform(), "ftjob ls", "Traceback", "sub-exceptions", "line 3"):
        assert part in done.stderr
    assert str(cache) not in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("blocked", [False, True])
def test_no_credential_is_shown(cache: Path, blocked: bool) -> None:
    """Neither where a command line holds one, nor where the traceback repeats it."""
    if blocked:
        cache.write_text("no folder")
    done = broken_ls(URI, error=f"KeyError({URI!r})")

    texts = [done.stderr, *(each.read_text() for each in cache.glob("errors/*"))]
    assert len(texts) == 1 + (not blocked)
    for text in texts:
        assert "runs/emotions" in text
        assert "pa:ss" not in text
        assert "alice" not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://alice:secret@runs/a", "s3://***@runs/a"),
        ("--output=s3://alice:p@ss/word@runs/a", "--output=s3://***@runs/a"),
        ("az://token@runs/a", "az://***@runs/a"),
        ("alice:secret@runs/a", "***@runs/a"),
        (
            "s3://runs/a?versionId=1&X-Amz-Signature=ab%2Fc&x=1",
            "s3://runs/a?versionId=1&X-Amz-Signature=***&x=1",
        ),
        ("gs://runs/a?sig=abc", "gs://runs/a?sig=***"),
        ("run:emotions@400", "run:emotions@400"),
        ("alias:faces@7", "alias:faces@7"),
        ("alias:s3://runs/models/faces@7", "alias:s3://runs/models/faces@7"),
        ("s3://runs/a", "s3://runs/a"),
        ("emotions/1f3b9c02aa", "emotions/1f3b9c02aa"),
    ],
)
def test_what_is_a_credential(text: str, shown: str) -> None:
    """Names, passwords and tokens before a host, and signatures; no run's snapshot."""
    assert without_credentials(text) == shown


def test_a_fault_of_text_that_is_no_unicode_is_kept(cache: Path) -> None:
    """A lone surrogate, as names of files have it, is written as its escape."""
    done = broken_ls(error=r"KeyError('\udcff')")

    assert done.returncode == 1
    [report] = (cache / "errors").iterdir()
    assert r"\udcff" in report.read_text(encoding="utf-8")


def test_ctrl_c_is_no_fault(cache: Path) -> None:
    """130, without a word."""
    done = broken_ls(error="KeyboardInterrupt")

    assert (done.returncode, done.stderr) == (130, "")
    assert not cache.exists()


def test_a_closed_output_is_no_fault(cache: Path) -> None:
    """141, as of programs that SIGPIPE ends."""
    done = broken_ls(error="BrokenPipeError")

    assert (done.returncode, done.stderr) == (141, "")
    assert not cache.exists()


@pytest.mark.parametrize("words", [["nodes"], ["ls", "-o", "json"], ["--help"], ["schema"]])
def test_an_output_on_a_full_disk_is_no_fault(words: list[str], cache: Path) -> None:
    """5, with a sentence: nothing in ftjob is broken."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "ftjob", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.stderr == "the output cannot be written (No space left on device): free space where it goes\n"
    assert done.returncode == 5
    assert not (cache / "errors").exists()


def test_an_error_that_cannot_be_printed_keeps_its_exit_code(cache: Path) -> None:
    """A script that sends stderr to a full disk still sees what happened."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "ftjob", "plan", "nothing.yaml"]
        done = subprocess.run(command, stderr=full, check=False)

    assert done.returncode == 2


def test_a_limit_on_processes_is_no_fault_of_ftjobs(cache: Path) -> None:
    """A sentence with the remedy, and the exit code of an engine that lacks threads."""
    done = broken_ls(error='RuntimeError("can\'t start new thread")')

    assert done.returncode == ExitCode.ENGINE_CRASHED
    assert done.stderr.startswith("no more processes and threads can be started here: raise the limit")
    assert not (cache / "errors").exists()
