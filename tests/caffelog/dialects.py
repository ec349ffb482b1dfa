"""A log of Caffe's as other programs would have written it, and as it looks after what people do with logs.

Each function takes the whole text of a log that glog has written, or of one of the others, and gives it anew.
"""

import json
import re
from collections.abc import Callable

Rewrite = Callable[[str], str]
STAMP = re.compile(r"^([IWEF])(\d{4}) ([\d:.]+) +(\d+) (\S+?):(\d+)\] ", re.MULTILINE)
LEVELS = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "FATAL"}


def stamped(template: str) -> Rewrite:
    """Stamps of another form: {level} {day} {time} {thread} {file} {line}."""

    def stamp(match: re.Match[str]) -> str:
        level, day, time, thread, file, line = match.groups()
        return template.format(
            level=level, name=LEVELS[level], day=day, time=time, thread=thread, file=file, line=line
        )

    return lambda text: STAMP.sub(stamp, text)


def prefixed(prefix: Callable[[int], str]) -> Rewrite:
    """Something in front of each line, by its number."""
    return lambda text: "".join(f"{prefix(at)}{line}\n" for at, line in enumerate(text.splitlines()))


def on_android(tag: str) -> Rewrite:
    """Every line with the tag of the program, those too that go on with a message."""

    def rewrite(text: str) -> str:
        found = re.search(r"^F", text, re.MULTILINE)
        end = found.start() if found else len(text)
        begun, ended = (stamped("{file}:{line} ")(part) for part in (text[:end], text[end:]))
        return prefixed(lambda at: tag.format("I"))(begun) + prefixed(lambda at: tag.format("F"))(ended)

    return rewrite


def of_nvidia(text: str) -> str:
    """How its fork displays iterations, and how it ends."""
    text = re.sub(
        r"(Iteration \d+) \(\S+ iter/s, \S+s/(\d+) iters\), ",
        r"\1 (8.5 iter/s, 4.7s/\2 iter), 1.2/10ep, ",
        text,
    )
    return re.sub(r"(caffe\.cpp:\d+\] Optimization Done)\.", r"\1 in 1m 3s", text)


def of_windows(text: str) -> str:
    """NaN and infinity as C++ printed them there until 2015."""
    text = re.sub(r"= nan\b", "= 1.#QNAN", text)
    return re.sub(r"= -nan\b", "= -1.#IND", re.sub(r"= (-?)inf\b", r"= \g<1>1.#INF", text))


def in_colour(text: str) -> str:
    """A stamp in one colour and text in another, as terminals and Jupyter keep them."""
    return "".join(f"\x1b[32m{line[:12]}\x1b[0m{line[12:]}\x1b[K\n" for line in text.splitlines())


def as_records(text: str) -> str:
    """Docker's files of records."""
    return "".join(
        json.dumps({"log": f"{line}\n", "stream": "stderr", "time": f"2026-11-28T12:00:{at % 60:02}.5Z"})
        + "\n"
        for at, line in enumerate(text.splitlines())
    )


def in_a_notebook(text: str) -> str:
    """What a cell of Jupyter's has printed."""
    lines = [f"{line}\n" for line in text.splitlines()]
    cell = {"cell_type": "code", "source": ["!caffe train"], "outputs": [{"name": "stderr", "text": lines}]}
    return json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5}, indent=1)


def of_two_processes(text: str) -> str:
    """Two that train together and say the same, line by line."""
    return "".join(f"[0] {line}\n[1] {line}\n" for line in text.splitlines())


FAILED = """\
I0110 08:00:00.000000  4242 solver.cpp:279] Solving tiny
F0110 08:00:05.000000  4242 syncedmem.cpp:56] Check failed: error == cudaSuccess (2 vs. 0)  out of memory
*** Check failure stack trace: ***
"""
"""A training that ran out of memory, to which another log was appended."""

STAMPS: dict[str, Rewrite] = {
    "glog": str,
    "glog with a year": stamped("{level}2026{day} {time} {thread} {file}:{line}] "),
    "glog without a prefix": stamped(""),
    "glog, shortened by hand": stamped("{level}{day} {file}:{line}] "),
    "miniglog": stamped("{file}:{line} "),
    "mini-caffe's": stamped("[12:51:31] src/{file}:{line}: "),
    "miniglog of caffe-mobile": stamped("1508138445  {name}: src/caffe/{file} : line {line} : "),
    "Android's log": on_android("{}/native  (  731): "),
    "Android's log with times": on_android("11-28 12:51:31.440  731  744 {} native  : "),
}
WORDS: dict[str, Rewrite] = {"Caffe": str, "NVIDIA's": of_nvidia, "Windows": of_windows}
CARRIERS: dict[str, Rewrite] = {
    "nothing": str,
    "kubectl --timestamps": prefixed(lambda at: f"2026-11-28T12:51:{at % 60:02}.{at * 1234567 % 10**9:09}Z "),
    "kubectl, whole seconds": prefixed(
        lambda at: "2026-11-28T12:51:31Z " if at % 3 else "2026-11-28T12:51:31.5Z "
    ),
    "kubectl --prefix": prefixed(lambda at: "[pod/train-x7k2p/caffe] "),
    "docker compose": prefixed(lambda at: "trainer-1  | "),
    "srun -l": prefixed(lambda at: "0: "),
    "mpirun --tag-output": prefixed(lambda at: "[1,0]<stderr>:"),
    "SkyPilot": prefixed(lambda at: "(task, pid=2400) "),
    "ts": prefixed(lambda at: f"Nov 28 12:51:{at % 60:02} "),
    "journald": prefixed(lambda at: f"Nov 28 12:51:{at % 60:02} node7 caffe[{2400}]: "),
    "Jenkins": prefixed(lambda at: f"[2026-11-28T12:51:31.{at % 1000:03}Z] "),
    "logging": prefixed(lambda at: f"2026-11-28 12:51:31,{at % 1000:03} INFO root: "),
    "grep -n": prefixed(lambda at: f"{at + 1}:"),
    "cat -n": prefixed(lambda at: f"{at + 1:6}\t"),
    "an e-mail": prefixed(lambda at: "> "),
    "colours": in_colour,
    "Docker's records": as_records,
    "a notebook": in_a_notebook,
    "two processes": of_two_processes,
}
FILES: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 of another order": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without its beginning": lambda text: text.encode("utf-16-le"),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "after a crash": lambda text: b"\0" * 4096 + text.encode() + b"\0" * 512,
}
