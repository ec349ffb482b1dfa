"""A worker that trains nothing: it ends when and as its run's name says, and obeys SIGTERM.

It answers GET /status while it lives, with an iteration for each second, and leaves a report at its end.

Asked to plan, it refuses for the store (NAME begins with later-) or for the data (never-), or makes a plan.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path

IMAGE = "test.local/ftjob/stand-in:1"
SCRIPT = r"""#!/bin/sh
# worker s3://bucket/NAME/RUN --attempt K, where NAME is anything-aCODE-bCODE-sSECONDS[-more]: the first
# attempt ends with the first code, later ones with the second; 137: it takes all the memory there is.
leave() { echo "$1" >/dev/termination-log; }
refuse() { leave "{\"trouble\": {\"reason\": \"$1\", \"message\": \"data.train: $2\", \"passing\": $3}}"; }
if [ "$1" = --plan ]; then
    case $(sed -n 's/^name: //p' "$3") in
        later-*) refuse StorageUnreachable 's3://later: there is no bucket later' true; exit 5;;
        never-*) refuse BadData 's3://data/train: no image has label 1' false; exit 4;;
    esac
    leave '{"plan": {"runId": "1f3b9c02aa"}}'
    exit 0
fi
end() { # NAME-heard serves its end for a while, as workers do
    echo snapshot
    leave "{\"attempt\": $1, \"exit_code\": 10}"
    case $name in *-heard) cp /dev/termination-log /tmp/new; mv /tmp/new /tmp/status; sleep 6;; esac
    exit 10
}
trap 'end $3' TERM
name=$(echo "$1" | cut -d/ -f4)
code=${name##*-a}; code=${code%%-*}
if [ "$3" -gt 1 ]; then code=${name##*-b}; code=${code%%-*}; fi
left=${name##*-s}; left=${left%%-*}
begun=0
httpd -f -p 8081 -h /tmp &
if [ "$code" = 137 ]; then exec tail /dev/zero; fi
echo "attempt $3 of $name: $left s, then $code"
while [ "$left" -gt 0 ]; do
    echo "{\"attempt\": $3, \"iteration\": $begun, \"max_iter\": 7}" >/tmp/new && mv /tmp/new /tmp/status
    if [ "$begun" -lt 7 ]; then begun=$((begun + 1)); fi
    sleep 1 & wait $!; left=$((left - 1)); echo "$left s left"
done
leave "{\"attempt\": $3, \"iteration\": 7, \"max_iter\": 7, \"accuracy\": 0.5, \"exit_code\": $code}"
exit "$code"
"""


def write_archive(busybox: Path, path: Path) -> Path:
    """Write the stand-in's image as a docker archive, from a static busybox."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        for folder in ("bin", "tmp", "work", "proc", "sys", "dev", "etc"):
            _add(files, folder, kind=tarfile.DIRTYPE)
        _add(files, "bin/busybox", busybox.read_bytes())
        for applet in ("sh", "sleep", "cut", "echo", "tail", "sed", "mv", "cp", "httpd"):
            _add(files, f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox")
        _add(files, "bin/worker", SCRIPT.encode())
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    settings = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/bin/sh", "-c", 'shift; . /bin/worker "$@"', "sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as image:
        _add(image, "config.json", json.dumps(settings).encode())
        _add(image, "layer.tar", layer.getvalue())
        _add(image, "manifest.json", json.dumps(manifest).encode())
    return path


def _add(
    archive: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname, member.size = kind, 0o755, link, len(content)
    archive.addfile(member, io.BytesIO(content))
