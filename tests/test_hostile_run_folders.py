"""Whatever lies in a run's folder: an exit code of the table, one sentence, ten seconds, nothing outside."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftjob.client import local_run as run
from ftjob.errors import ExitCode
from ftjob.runfolder.layout import RunFolder
from tests.hostile_runs import KINDS, VERBS, changed, documents, ended, finished, places, put, tree

pytestmark = pytest.mark.slow

CODES = {int(code) for code in ExitCode}
VALUES = [
    None,
    True,
    -1,
    -1e6,
    0,
    0.5,
    2**31,
    2**63,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "text",
    "\ud800",
    "\x1b[31m\n\0\u202e",
    "../../../etc/passwd",
    "a" * 100_000,
    [],
    {},
    [[[[[[]]]]]],
    json.loads("[" * 40 + "]" * 40),
    {"a": 1},
    list(range(20)),
]
LOUD = "status RUN", "wait RUN", "watch RUN", "cost RUN -o json", "report RUN --format md"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker comes for these runs."""
    monkeypatch.setattr(run, "START_SECONDS", 0.1)


@pytest.fixture
def sound(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[RunFolder, RunFolder]]:
    """Two finished runs; what is written beside them goes into a folder of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return finished(tmp_path), finished(tmp_path, "faces")


def check(verb: str, folder: RunFolder, other: RunFolder, root: Path) -> None:
    """Hold a verb to the law."""
    before = tree(root / "runs")
    shutil.rmtree(root / "here" / "bundle", ignore_errors=True)
    found = ended(verb, str(folder.root), str(other.root))
    assert found.code in CODES, found
    assert "Traceback" not in found.out + found.err
    assert len(found.err) < 2000, found.err[:300]
    assert tree(root / "runs") == before, "it wrote into the run's folder"
    assert {path.name for path in root.iterdir()} <= {"here", "runs", "emotions", "faces"}
    if verb == "ls -o json":
        names = {each["name"]: each["state"] for each in json.loads(found.out)}
        assert names["faces"] == "Succeeded", "one bad run hides another"
    if verb == "cost":
        assert "faces/" in found.out, "one bad run hides another"


def combinations() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What all verbs read with all of them, the rest with a sixth of them in turn."""
    for number, (name, kind) in enumerate(product(documents(RunFolder(Path("a/b")), Path()), KINDS)):
        if "log" in name and kind == "10 GB of zeros":
            continue  # printed as it comes
        if name in ("net", "solver") and kind == "objects":
            continue  # how prototxts are read is ftjob.net's law
        if name == "acceptance" and kind not in ("a pipe", "brackets", "an object"):
            continue  # read as predictions are
        yield name, kind, VERBS if name == "status" else VERBS[number % 6 :: 6]


@pytest.mark.parametrize(("name", "kind", "verbs"), list(combinations()))
def test_anything_in_a_documents_place(
    sound: tuple[RunFolder, RunFolder],
    tmp_path: Path,
    cache: Path,
    name: str,
    kind: str,
    verbs: Iterable[str],
) -> None:
    """Pipes, sockets, devices, loops, folders, ten gigabytes, a hundred thousand brackets: verbs end."""
    folder, other = sound
    put(kind, documents(folder, cache)[name])
    for verb in verbs:
        check(verb, folder, other, tmp_path)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_any_field_may_be_wrong(
    sound: tuple[RunFolder, RunFolder], tmp_path: Path, cache: Path, data: st.DataObject
) -> None:
    """A field that is gone, of another type, out of range, no number, very long or deep."""
    folder, other = sound
    name = data.draw(
        st.sampled_from(
            ["status", "plan", "evaluation", "predictions", "acceptance", "train", "tests", "note", "lock"]
        )
    )
    path = documents(folder, cache)[name]
    text = path.read_text()
    lines = text.splitlines(keepends=True) if path.suffix == ".jsonl" else [text]
    index = data.draw(st.integers(0, len(lines) - 1))
    value: Any = {"whole": json.loads(lines[index] or "{}")}
    at = data.draw(st.sampled_from(list(places(value))[1:]))
    if data.draw(st.booleans()):
        new = data.draw(st.sampled_from(VALUES))
        changed(value, at, lambda inner, key: inner.__setitem__(key, new))
    else:
        changed(value, at, lambda inner, key: inner.pop(key))
    made = json.dumps(value["whole"]) + "\n" if "whole" in value else ""
    cut = data.draw(st.just(len(made)) | st.integers(0, len(made)))
    try:
        path.write_text("".join([*lines[:index], made[:cut], *lines[index + 1 :]]))
        for verb in data.draw(st.lists(st.sampled_from(VERBS), min_size=3, max_size=3, unique=True)):
            check(verb, folder, other, tmp_path)
    finally:
        path.write_text(text)


@pytest.mark.parametrize("verb", LOUD)
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"usd": -1e6}, "usd"),
        ({"usd": 1e308}, "usd"),
        ({"usd": float("nan")}, "NaN"),
        ({"seconds": -1}, "seconds"),
        ({"iteration": -1}, "iteration"),
        ({"state": "Resting"}, "state"),
        ({"attempts": ["text"]}, "attempts.0"),
        ({"attempts": "text"}, "attempts"),
        ({"submitted": 1e300}, "submitted"),
        ({"best_accuracy": 1.5}, "best_accuracy"),
    ],
)
def test_what_is_out_of_range_is_named(
    sound: tuple[RunFolder, RunFolder], verb: str, change: dict[str, Any], field: str
) -> None:
    """The file, the field, what to do; exit code 5."""
    folder, other = sound
    status = json.loads(folder.status.read_text())
    folder.status.write_text(json.dumps({**status, **change}))

    found = ended(verb, str(folder.root), str(other.root))

    words = found.out + found.err
    assert "status.json: " in words
    assert field in words
    assert "fix or remove it" in words
    assert found.code == (ExitCode.DONE if verb.startswith("cost") else ExitCode.STORAGE)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("evaluation", lambda data: data["confusion"].pop(), "confusion has not one row and one column"),
        ("evaluation", lambda data: data["confusion"][0].pop(), "confusion has not one row and one column"),
        ("evaluation", lambda data: data["confusion"][0].__setitem__(0, -1), "confusion"),
        ("evaluation", lambda data: data["classes"][0].update(label=1), "classes are not numbered from 0"),
        ("evaluation", lambda data: data.update(accuracy=7), "accuracy: "),
        ("plan", lambda data: data["transfer"][0].update(parameters="many"), "transfer.0.parameters: "),
        ("plan", lambda data: data.pop("val"), "val: "),
    ],
)
def test_what_a_report_is_made_from_holds_together(
    sound: tuple[RunFolder, RunFolder], cache: Path, name: str, change: Callable[[Any], object], words: str
) -> None:
    """What does not is named, before anything is drawn from it."""
    folder, other = sound
    path = documents(folder, cache)[name]
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))

    found = ended("report RUN --to page.html", str(folder.root), str(other.root))

    assert found.code == ExitCode.STORAGE
    assert f"{path.name}: " in found.err
    assert words in found.err
    assert not Path("page.html").exists()


def test_a_bad_run_is_named_where_all_are_listed(sound: tuple[RunFolder, RunFolder]) -> None:
    """`ls` and `cost` show the others, and a line on the one."""
    folder, other = sound
    folder.status.write_text("{")

    for verb in ("ls", "cost"):
        found = ended(verb, str(folder.root), str(other.root))
        assert found.code == 0
        assert "faces" in found.out
        assert "status.json: is no JSON (line 1): fix or remove it" in found.err
    assert "Unreachable" in ended("ls", str(folder.root), str(other.root)).out


def test_logs_are_streamed(sound: tuple[RunFolder, RunFolder]) -> None:
    """Characters that end in the next piece are whole, and what is no text does not end it."""
    folder, other = sound
    text = "ü" * 2**20
    folder.log(1).write_bytes(b"x" + text.encode() + b"\xff\n")

    assert ended("logs RUN", str(folder.root), str(other.root)).out.startswith("x" + text + "\ufffd\n")


@pytest.mark.parametrize("words", ["status RUN", "ls", "cost", "report RUN", "logs RUN"])
@pytest.mark.parametrize("name", ["status", "train", "plan", "evaluation", "log", "spec"])
def test_memory_does_not_follow_a_files_size(
    sound: tuple[RunFolder, RunFolder], cache: Path, words: str, name: str
) -> None:
    """600 MB of a document are not read; a log is printed as it comes, here 20 MB of it."""
    folder, _ = sound
    path = documents(folder, cache)[name]
    path.unlink()
    with path.open("wb") as file:
        file.write(b'{"state": "')
        file.truncate((20 if (words, name) == ("logs RUN", "log") else 600) * 2**20)
    script = (
        "import re, sys\n"
        "from ftjob.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    memory = open('/proc/self/status').read()\n"
        "    sys.stderr.write(re.search(r'VmHWM:\\s+(\\d+)', memory)[1])\n"
    )
    command = [sys.executable, "-c", script, *words.replace("RUN", str(folder.root)).split()]
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ, timeout=60
    )

    assert "Traceback" not in done.stderr
    assert int(done.stderr.rsplit("\n")[-1]) < 300_000, "kilobytes"
