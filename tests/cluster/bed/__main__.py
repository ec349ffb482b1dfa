"""The bed by hand: python -m tests.cluster.bed build | up | load | caffe-cuda | exec | kubeconfig | down."""

import argparse
import json
import os
import sys

from tests.cluster.bed.build import ensure_tools, print_progress
from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.cuda import compile_bundle
from tests.cluster.bed.images import build_image, open_store
from tests.cluster.bed.leftovers import clean, sessions_dir
from tests.cluster.bed.places import Addresses, tools_dir
from tests.cluster.bed.session import GPUS, down, up


def main() -> None:
    """Do what is asked, to the cluster of the given name."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.bed")
    parser.add_argument("--name", default="hand", help="which cluster, where there are several")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="build the programs, once per machine")
    verbs.add_parser("up", help="bring the cluster up; it stays until `down`")
    verbs.add_parser("down", help="take it down, and remove what dead sessions left")
    verbs.add_parser("kubeconfig", help="print the path of the kubeconfig")
    load = verbs.add_parser("load", help="build an image and give it to the node; print its name")
    load.add_argument("target", help="of the Dockerfile, such as controller")
    verbs.add_parser("caffe-cuda", help="compile Caffe with CUDA, once; print its folder")
    run = verbs.add_parser("exec", help="run a command in the cluster's network, with KUBECONFIG set")
    run.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    match chosen.verb:
        case "build":
            ensure_tools()
        case "up":
            print_progress(f"up; export KUBECONFIG={up(chosen.name).kubeconfig}")
        case "down":
            down(chosen.name)
            clean()
        case "kubeconfig":
            sys.stdout.write(f"{find(chosen.name).kubeconfig}\n")
        case "load":
            image = build_image(chosen.target, open_store())
            find(chosen.name).pull_image(image)
            sys.stdout.write(f"{image.name}\n")
        case "caffe-cuda":
            sys.stdout.write(f"{compile_bundle(open_store())}\n")
        case "exec":
            cluster = find(chosen.name)
            environment = {**cluster.environment, "KUBECONFIG": str(cluster.kubeconfig)}
            os.execvpe("nsenter", cluster.in_namespace(*chosen.command), environment)


def find(name: str) -> Cluster:
    """Return the cluster of this name that is up."""
    folder = sessions_dir() / name
    if not (folder / "ready").exists():
        sys.exit(f"no cluster {name!r} is up: python -m tests.cluster.bed --name {name} up")
    slot = json.loads((folder / "session.json").read_text())["slot"]
    return Cluster.of_session(folder, tools_dir(), Addresses(slot), GPUS)


if __name__ == "__main__":
    main()
