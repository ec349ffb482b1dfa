"""The two images every cluster starts with, made of one static busybox, as docker archives."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

from tests.cluster.bed.settings import BUSYBOX, PAUSE

FOLDERS = ("bin", "etc", "proc", "sys", "dev", "root", "var")
USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"


def write_archives(busybox: Path, folder: Path) -> list[Path]:
    """Write the pause container's image, which sleeps, and busybox' own."""
    layer = _layer(busybox)
    pause, shell = folder / "pause.tar", folder / "busybox.tar"
    _write(pause, PAUSE, layer, ["/bin/sleep", "2000000000"])
    _write(shell, BUSYBOX, layer, ["/bin/sh"])
    return [pause, shell]


def _layer(busybox: Path) -> bytes:
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for folder in FOLDERS:
            _add(layer, folder, kind=tarfile.DIRTYPE)
        _add(layer, "tmp", kind=tarfile.DIRTYPE, mode=0o1777)
        _add(layer, "bin/busybox", busybox.read_bytes())
        for applet in set(applets) - {"busybox"}:
            _add(layer, f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox")
        _add(layer, "etc/passwd", USERS.encode(), mode=0o644)
    return buffer.getvalue()


def _write(path: Path, name: str, layer: bytes, command: list[str]) -> None:
    digest = hashlib.sha256(layer).hexdigest()
    settings = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": command, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as image:
        _add(image, "config.json", json.dumps(settings).encode())
        _add(image, "layer.tar", layer)
        _add(image, "manifest.json", json.dumps(manifest).encode())


def _add(
    archive: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o755,
    link: str = "",
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname, member.size = kind, mode, link, len(content)
    archive.addfile(member, io.BytesIO(content))
