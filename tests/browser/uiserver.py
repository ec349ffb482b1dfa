"""`ftjob ui` as its users start it, in a process that can be stopped and started again."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.storage.processes import die_with_parent


@dataclass
class UiServer:
    """The server of a folder, which paths in its forms count from."""

    folder: Path
    link: str = ""
    """The address with the token, as the terminal prints it."""
    _process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The address of the page of all runs, without a slash at its end."""
        return self.link.partition("/?")[0]

    def start(self) -> str:
        """Start it, where it was before, and return the address with the token."""
        port = self.address.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "ftjob", "ui", "--no-browser", "--port", port]
        self._process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent
        )
        assert self._process.stdout
        self.link = self._process.stdout.readline().strip()
        assert self.link.startswith("http://127.0.0.1:"), "`ftjob ui` prints its address"
        return self.link

    def kill(self) -> None:
        """Take it away at once."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.communicate()
