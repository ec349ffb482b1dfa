"""Print a software bill of materials, CycloneDX 1.6 in JSON: `python -m tools.sbom [BUNDLE...]`.

It lists what the locks name, each with its hashes, and the Debian packages of bundles of Caffe: of folders
that are given (an image has its own in /opt/engines/caffe), else of the one that is installed here.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ftjob.engine.caffe.debian import PACKAGES
from ftjob.engine.caffe.installed import record_path

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "tools/uv.txt", "tools/torch.txt")
Component = dict[str, Any]


def bill(locks: list[str], packages: list[str]) -> dict[str, Any]:
    """Return the bill of some lock files and some lists of Debian packages, given as their texts."""
    found = [component for text in locks for component in pypi(text)]
    found += [component for text in packages for component in debian(text)]
    by_reference = {component["bom-ref"]: component for component in found}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "ftjob", "bom-ref": "ftjob"}},
        "components": [by_reference[reference] for reference in sorted(by_reference)],
    }


def pypi(lock: str) -> Iterator[Component]:
    """Yield what a lock file with hashes names."""
    for entry in re.sub(r"\\\n", " ", lock).splitlines():
        found = re.match(r"([\w.-]+)(?:\[[\w,.-]+\])?==([\w.+!-]+)", entry)
        if found:
            hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)
            name, version = found.groups()
            yield _component(name, version, f"pkg:pypi/{name.lower()}@{quote(version)}", hashes)


def debian(packages: str) -> Iterator[Component]:
    """Yield what a bundle's list of packages names."""
    for line in packages.splitlines():
        file, digest = line.split()
        name, version, architecture = unquote(file.removesuffix(".deb")).split("_")
        reference = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}"
        yield _component(name, version, reference, [digest])


def _component(name: str, version: str, reference: str, hashes: list[str]) -> Component:
    return {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": reference,
        "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
    }


def main() -> None:
    """Print the bill; name on stderr each bundle that has no list."""
    bundles = [Path(each) for each in sys.argv[1:]] or [record_path().parent]
    lists = [bundle / PACKAGES for bundle in bundles]
    for missing in (path for path in lists if not path.is_file()):
        sys.stderr.write(f"{missing}: is not there; the bundle of Caffe is an older one, make it again\n")
    texts = [path.read_text(encoding="utf-8") for path in lists if path.is_file()]
    locks = [(ROOT / lock).read_text(encoding="utf-8") for lock in LOCKS]
    json.dump(bill(locks, texts), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
