"""The bug report for an error in ftjob itself: where it ran, the command line, the traceback."""

import os
import platform
import re
import shlex
import sys
import time
import traceback
from importlib.metadata import PackageNotFoundError, version

from ftjob.errors import StorageError
from ftjob.fs import files
from ftjob.fs.paths import cache_dir
from jobspec.text import visible_lines

_USER = re.compile(r"(?<=://)(?:.*:.*|[^/]*)@|^(?!run:|alias:|.*://).*:.*@", re.DOTALL)
_SIGNED = re.compile(r"([?&](?:X-Amz-[A-Za-z-]+|Signature|sig|token)=)[^&\s'\"]+", re.IGNORECASE)


def bug_report(error: Exception) -> str:
    """Return the text to print for an unexpected error. The traceback is in the file named on the last
    line, or follows if no file can be written."""
    where = f"ftjob {_version()}, Python {platform.python_version()}, {platform.platform()}"
    command = shlex.join(["ftjob", *map(without_credentials, sys.argv[1:])])
    facts = visible_lines(f"{where}\ncommand: {command}\n")
    trace = visible_lines(_hide_arguments("".join(traceback.format_exception(error))))
    begin = f"unexpected error ({type(error).__name__}): please report these lines"
    try:
        path = cache_dir() / "errors" / time.strftime(f"%Y%m%dT%H%M%SZ-{os.getpid()}.log", time.gmtime())
        files.write_text(path, f"{facts}{trace}")
    except StorageError:
        return f"{begin}\n{facts}{trace}"
    return f"{begin} and the file\n{facts}traceback: {visible_lines(str(path))}\n"


def without_credentials(text: str) -> str:
    """Return a command-line word with `***` for a URI's user, password and signature."""
    return _SIGNED.sub(r"\1***", _USER.sub("***@", text))


def _hide_arguments(trace: str) -> str:
    """Return a traceback without credentials in the command line's words or in other URIs."""
    for word in sys.argv[1:]:
        trace = trace.replace(word, without_credentials(word)) if word else trace
    return "\n".join(
        re.sub(r"\w+://\S+", lambda uri: without_credentials(uri[0]), line) for line in trace.split("\n")
    )


def _version() -> str:
    try:
        return version("ftjob")
    except PackageNotFoundError:  # run from its source tree
        return "(not installed)"
