"""Write the generated manifests of k8s/base, or with --check name those that are out of date."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ftjob.cluster.resource.crd import definition
from ftjob.nodes.profiles import BUILT_IN

ROOT = Path(__file__).parents[1]
HEADING = "# Made by `make k8s`; change {source} instead.\n"


class _Dumper(yaml.SafeDumper):
    """Blocks without anchors; texts of several lines as they stand."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def generated() -> dict[str, str]:
    """Return the text of every generated manifest, by its path."""
    profiles = files("ftjob.nodes").joinpath(BUILT_IN).read_text(encoding="utf-8")
    nodes = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "ftjob-nodes", "labels": {"app.kubernetes.io/name": "ftjob"}},
        "data": {BUILT_IN: profiles},
    }
    return {
        "k8s/base/crd.yaml": _render(definition(), "jobspec/spec.py and ftjob/cluster/resource/status.py"),
        "k8s/base/nodes.yaml": _render(nodes, "ftjob/nodes/nodes.yaml, or patch it in an overlay"),
    }


def _render(manifest: dict[str, Any], source: str) -> str:
    text = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return HEADING.format(source=source) + text


def main(arguments: list[str]) -> int:
    """Write or check every manifest; return the exit code."""
    old = [name for name, text in generated().items() if not _is(ROOT / name, text)]
    if arguments == ["--check"]:
        sys.stderr.writelines(f"{name} is out of date: run `make k8s` and commit it\n" for name in old)
        return 1 if old else 0
    for name in old:
        (ROOT / name).write_text(generated()[name], encoding="utf-8")
    return 0


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
