"""`ftjob ui` and `ftjob serve` as their users start them, in processes that can be killed and begun again."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.storage.processes import die_with_parent


@dataclass
class PageServer:
    """A verb of ftjob that serves pages, in the folder that paths in their forms count from."""

    folder: Path
    verb: tuple[str, ...] = ("ui", "--no-browser")
    link: str = ""
    """The address that the terminal prints; of `ftjob ui` with its token."""
    _process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The address without a token, and without a slash at its end."""
        return self.link.partition("/?")[0].rstrip("/")

    def start(self) -> str:
        """Start it, where it was before, and return the address that it prints."""
        port = self.address.rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ftjob", *self.verb, "--port", port],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )
        assert self._process.stdout
        self.link = self._process.stdout.readline().strip()
        assert self.link.startswith("http://127.0.0.1:"), f"`ftjob {self.verb[0]}` prints its address"
        return self.link

    def kill(self) -> None:
        """Take it away at once."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.communicate()
