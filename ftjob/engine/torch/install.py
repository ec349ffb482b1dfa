"""`ftjob engine install torch`: PyTorch into the environment that ftjob runs in, by pip."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from ftjob.engine.torch.installed import has_torch
from ftjob.errors import EngineError

REQUIREMENT = "torch>=2.6"
"""As the extra `torch` of ftjob's own package has it."""


def install_torch(index: str | None = None) -> str:
    """Install PyTorch unless it is installed, and return its version.

    `index` is a package index with builds for one kind of machine; without it pip uses its own
    configuration. Raises EngineError where there is no pip, or it fails.
    """
    if not has_torch():
        command = [*_pip(), "install", REQUIREMENT, *(["--index-url", index] if index else [])]
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
            raise EngineError(
                f"pip could not install PyTorch (see its output above): fix that, or run "
                f"`{' '.join(command)}` with options of your own"
            )
    done = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.__version__)"],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise EngineError(f"PyTorch does not import: {done.stderr.strip().splitlines()[-1]}: install it anew")
    return done.stdout.strip()


def _pip() -> list[str]:
    """The pip of this environment, or else the system's, run for this Python."""
    system = shutil.which("python3", path=os.defpath) or "python3"
    for command in ([sys.executable, "-m", "pip"], [system, "-m", "pip", "--python", sys.executable]):
        if _works(command):
            return command
    raise EngineError(
        f"there is no pip for {sys.executable}: install {REQUIREMENT} with what made this environment, such "
        f"as `uv pip install '{REQUIREMENT}'`"
    )


def _works(command: Sequence[str]) -> bool:
    try:
        return not subprocess.run([*command, "--version"], check=False, capture_output=True).returncode
    except OSError:
        return False
