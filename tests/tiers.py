"""What a test needs beyond `make setup`: a marker for each thing, without which there is no way to it.

`make check` runs the tests that need none of these. A fixture that brings a thing asks for `needs_THING`,
which marks all tests that use it; what needs one without a fixture, a parameter, test or module, is marked
where it is written.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

NEEDS = {
    "caffe": "real Caffe (`make engine`)",
    "torch": "PyTorch (`make torch`)",
    "store": "an S3 server: Swift, or Ceph from Debian's packages",
    "cluster": "a Kubernetes on this machine, or its kubectl",
    "browser": "Chromium from Debian's packages (`make test-browser`)",
    "mlflow": "an MLflow server (`make mlflow`)",
    "root": "root, to mount a disk that fills or may not be written",
}
WITHOUT_TORCH = Path(__file__).with_name("without_torch")


def mark_by_fixtures(item: pytest.Item) -> None:
    """Give a test the markers of what its fixtures bring."""
    for need in NEEDS:
        if f"needs_{need}" in getattr(item, "fixturenames", ()):
            item.add_marker(need)


def needs_of(item: pytest.Item) -> frozenset[str]:
    """Return what a test's markers ask for."""
    return frozenset(need for need in NEEDS if item.get_closest_marker(need))


def hide_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have PyTorch be missing, here and in the programs that a test starts."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setenv("PYTHONPATH", str(WITHOUT_TORCH), prepend=os.pathsep)


class Guard:
    """Fails a test that starts a program whose marker it lacks, whatever way it found to it."""

    def __init__(self, machine_cache: Path) -> None:
        """The machine's cache is where Caffe, Ceph and Kubernetes are installed."""
        self._allowed = frozenset(NEEDS)
        self._signs = {
            "caffe": (str(machine_cache / "engines"), str((machine_cache / "engines").resolve())),
            "torch": ("ftjob.engine.torch.process",),
            "store": ("tests.storage.swift_server", "tests.storage.ceph_cluster"),
            "cluster": (f"{machine_cache / 'testbed'}/", "tests.cluster.bed", "kubectl"),
            "browser": ("firefox", "chromium", "google-chrome", "/playwright/driver/"),
            "mlflow": (".cache/mlflow",),
            "root": ("mount", "umount", "unshare"),
        }

    def admit(self, needs: Iterable[str]) -> None:
        """Admit these programs, and no others, from now on."""
        self._allowed = frozenset(needs)

    def watch(self, event: str, arguments: tuple[object, ...]) -> None:
        """See a program start: a hook of sys.addaudithook."""
        if event != "subprocess.Popen":
            return
        program, words = arguments[:2]
        listed = [program, *words] if isinstance(words, list | tuple) else [program, words]
        command = [os.fsdecode(word) for word in listed if isinstance(word, str | bytes | os.PathLike)]
        for need in NEEDS.keys() - self._allowed:
            if any(_shows(sign, command) for sign in self._signs[need]):
                pytest.fail(f"it starts {' '.join(command)} and lacks the marker `{need}` (tests/tiers.py)")


def _shows(sign: str, command: list[str]) -> bool:
    """Return whether a command is that program, or names that module or folder."""
    if "/" in sign or "." in sign:
        return any(sign in word for word in command)
    return Path(command[0]).name == sign
