"""The controller's log, which other programs read: one JSON object a line."""

import json
import re
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging
from ftjob.cluster.controller.serving.logs import log, write_log

write_log()
log("100 % of it\\nis here", job="team-a/emotions", path=logging)
logging.getLogger("urllib3").warning("Retrying (%s)", "Retry")
logging.getLogger("urllib3").info("nobody reads this")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("kubernetes").exception("it broke")
"""


def test_every_line_is_an_object() -> None:
    """The controller's own have what they are given, a library's warnings say whose they are."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    ours, warning, error = map(json.loads, done.stderr.splitlines())

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ours.pop("time"))
    assert ours.pop("path").startswith("<module 'logging'")
    assert ours == {"message": "100 % of it\nis here", "job": "team-a/emotions"}
    assert (warning["message"], warning["logger"], warning["level"]) == (
        "Retrying (Retry)",
        "urllib3",
        "WARNING",
    )
    assert error["message"] == "it broke"
    assert error["error"].endswith("ZeroDivisionError: division by zero")
