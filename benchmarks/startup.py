"""What the command line costs before it does anything, beside importing the library it is written with.

Whole processes, in turn, several rounds; the figure is how many times ftjob fits into three imports of
typer (median over the rounds): 1 or more is the aim. $ROUNDS sets the rounds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ftjob.client.registry import remember
from ftjob.concurrency import processors
from ftjob.fs import files
from ftjob.runfolder.address import location_of
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status, render

ROUNDS = int(os.environ.get("ROUNDS", "9"))
ALLOWED = 3


def main() -> None:
    """Time `--help` and `status` against `import typer`; print a table and, last, one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FTJOB_CACHE"] = folder
        location = location_of(folder, "emotions", "1f3b9c02aa")
        run = RunFolder(Path(location))
        files.write_text(run.spec, "")
        files.write_text(run.status, render(Status("emotions", "1f3b9c02aa", State.SUCCEEDED)))
        remember(location)
        commands = {
            "import typer": [sys.executable, "-c", "import typer"],
            "ftjob --help": [sys.executable, "-m", "ftjob", "--help"],
            "ftjob status": [sys.executable, "-m", "ftjob", "status", "emotions"],
        }
        rounds = [{name: seconds(command) for name, command in commands.items()} for _ in range(ROUNDS + 1)][
            1:
        ]
    figures = {name: statistics.median(each[name] for each in rounds) for name in commands}
    for name, median in figures.items():
        print(f"{name:<14}{median * 1000:7.0f} ms")
    ratios = {
        f"ratio_{name.split()[1].strip('-')}": round(
            statistics.median(ALLOWED * each["import typer"] / each[name] for each in rounds), 3
        )
        for name in list(commands)[1:]
    }
    print(json.dumps({"cores": processors.share(), "rounds": ROUNDS, **ratios}))


def seconds(command: list[str]) -> float:
    """Return how long a command takes, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
