"""What is fuzzed: kinds of files, how each is changed, and the verbs that read it."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.binaries import BINARYPROTO, CAFFEMODEL, IMAGE, LMDB
from tests.fuzz.documents import BINARY, JSON, TEXT, YAML, Mutation, json_fields
from tests.fuzz.objects import VERB
from tests.fuzz.places import PLACES, TREE

Change = Callable[[Path, Random], None]
"""Changes the file at a path."""
RUN = "runs/little/*"
PLAN: tuple[tuple[str, ...], ...] = (
    ("plan", "spec.yaml"),
    ("plan", "spec.yaml", "-o", "json"),
    ("plan", "spec.yaml", "--layers"),
)


def written(mutation: Mutation) -> Change:
    """Make a change of a mutation of bytes; what is no regular file any more stays as it is."""

    def change(path: Path, rng: Random) -> None:
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**26:
            with contextlib.suppress(RecursionError):  # odd values of an earlier edit, too deep to be changed
                path.write_bytes(mutation(path.read_bytes(), rng))

    change.__name__ = mutation.__name__
    return change


def changes(mutations: Sequence[Mutation], places: Sequence[Change] = PLACES) -> tuple[Change, ...]:
    """Changes of content, and for one in five another thing in the file's place."""
    content = [written(mutation) for mutation in mutations]
    often = -(-4 * len(places) // len(content))
    return (*content * often, *places)


@dataclass(frozen=True)
class Kind:
    """Files that one change suits, and the verbs that read them."""

    files: tuple[str, ...]
    """Patterns, below the folder of good files."""
    changes: tuple[Change, ...]
    verbs: tuple[tuple[str, ...], ...]
    weight: int = 2
    """How often it is drawn, beside the others."""
    writes: tuple[str, ...] = ()
    """What its verbs may write, beside world.WRITABLE."""
    held: str = ""
    """A file, by its pattern, whose lock somebody else holds."""


def content_of(path: str) -> tuple[Mutation, ...]:
    """Return the mutations that suit a file, by its name."""
    for end, mutations in _BY_NAME.items():
        if path.endswith(end):
            return mutations
    return BINARY


_BY_NAME: dict[str, tuple[Mutation, ...]] = {
    "data.mdb": LMDB,
    ".json": JSON,
    ".jsonl": JSON,
    ".yaml": YAML,
    ".prototxt": TEXT,
    ".txt": TEXT,
    ".csv": TEXT,
    ".log": TEXT,
    ".html": TEXT,
    ".binaryproto": BINARYPROTO,
    ".caffemodel": CAFFEMODEL,
    ".png": IMAGE,
    ".jpg": IMAGE,
    ".bmp": IMAGE,
}

KINDS: dict[str, Kind] = {
    "spec": Kind(
        ("spec.yaml",),
        changes(YAML),
        (*PLAN, ("data", "check", "spec.yaml"), ("submit", "spec.yaml", "--local", "--dry-run")),
        3,
    ),
    "spec of images": Kind(("images.yaml",), changes(YAML), (("plan", "images.yaml"),), 1),
    "train_val": Kind(
        ("net.prototxt",),
        changes(TEXT),
        (
            *PLAN,
            ("plan", "spec.yaml", "--svg", "out/net.svg"),
            ("plan", "spec.yaml", "--prototxt", "out/net"),
            ("init", "--net", "net.prototxt", "--data", "dataset", "out/new.yaml"),
        ),
        4,
    ),
    "deploy": Kind(
        ("deploy.prototxt",),
        changes(TEXT),
        (("init", "--net", "deploy.prototxt", "--data", "dataset", "out/new.yaml"),),
    ),
    "solver": Kind(
        ("solver.prototxt",),
        changes(TEXT),
        (("init", "--net", "solver.prototxt", "--data", "dataset", "out/new.yaml"),),
        1,
    ),
    "caffemodel": Kind(("net.caffemodel",), changes(CAFFEMODEL), PLAN, 3),
    "mean": Kind(("mean.binaryproto",), changes(BINARYPROTO), PLAN, 2),
    "lmdb": Kind(
        ("dataset/train/data.mdb", "dataset/val/data.mdb"),
        changes(LMDB),
        (
            ("plan", "spec.yaml"),
            ("data", "check", "dataset/train", "--val", "dataset/val"),
            ("data", "check", "dataset", "-o", "json"),
            ("data", "check", "dataset", "--sheet", "out/sheet"),
        ),
        4,
        ("dataset",),
    ),
    "dataset": Kind(
        ("dataset/*.*", "dataset/.lock"),
        (),
        (
            ("plan", "spec.yaml"),
            ("data", "check", "dataset"),
            ("data", "build", "images", "dataset", "--size", "16", "--val-split", "0.34"),
        ),
        2,
        ("dataset",),
    ),
    "images": Kind(
        ("images/*/*",),
        changes(IMAGE, TREE),
        (
            ("data", "build", "images", "out/new", "--size", "16", "--allow-unreadable", "0.5"),
            ("data", "build", "images", "out/new", "--allow-unreadable", "0.5", "-o", "json"),
            ("plan", "images.yaml"),
            ("init", "--net", "lenet", "--data", "images", "out/new.yaml"),
        ),
        4,
    ),
    "list": Kind(
        ("list.txt", "list.csv"),
        changes(TEXT),
        (("data", "build", "{file}", "out/new", "--size", "16"),),
        3,
    ),
    "run": Kind(
        (
            f"{RUN}/*.*",
            f"{RUN}/*.*",
            f"{RUN}/metrics/*",
            f"{RUN}/snapshots/*.json",
            f"{RUN}/net/*",
            f"{RUN}/logs/*",
        ),
        (),
        (
            ("status", "{run}"),
            ("status", "little", "-o", "json"),
            ("ls",),
            ("ls", "-o", "json"),
            ("cost", "{run}", "--attempts"),
            ("cost", "-o", "csv"),
            ("report", "{run}", "--to", "out/report.html"),
            ("report", "{run}", "--format", "md", "--to", "-"),
            ("report", "{run}", "-o", "json", "--to", "out/report.html", "--against", "{run}"),
            ("logs", "{run}"),
            ("wait", "{run}", "--timeout", "1"),
            ("watch", "{run}"),
            ("get", "{run}", "out/bundle"),
            ("plan", "--explain", "{run}"),
            ("cancel", "{run}"),
            ("cancel", "{run}", "--now"),
            ("submit", "spec.yaml", "--local", "--dry-run"),
        ),
        8,
        ("runs",),
    ),
    "lock": Kind(
        (f"{RUN}/worker.lock",),
        changes(TEXT),
        (("status", "{run}"), ("ls",), ("cancel", "{run}"), ("cancel", "{run}", "--now")),
        1,
        ("runs",),
        held=f"{RUN}/worker.lock",
    ),
    "note": Kind(
        ("cache/runs/*/*", "cache/digests/*", "cache/contents/*"),
        changes(JSON),
        (("ls",), ("cost",), ("status", "little"), ("plan", "spec.yaml")),
        1,
    ),
    "bundle": Kind(
        ("bundle/*.*", "bundle/golden/*"), (), (("verify", "bundle"), ("verify", "bundle", "-o", "json")), 4
    ),
    "log": Kind(
        ("caffe.log",),
        changes(TEXT),
        (("plan", "--explain", "caffe.log"), ("plan", "--explain", "caffe.log", "-o", "json")),
    ),
    "nodes": Kind(
        ("nodes/nodes.yaml",), changes(YAML), (("nodes",), ("nodes", "-o", "json"), ("plan", "spec.yaml"))
    ),
    "prices": Kind(
        ("cache/prices/*", "nodes/nodes.yaml"),
        (),
        (
            ("nodes", "--live", "--region", "us-east-1"),
            ("nodes", "--live", "--region", "us-east-1", "--write"),
        ),
        1,
        ("nodes",),
    ),
    "settings": Kind(
        ("controller-config.yaml",), changes(YAML), (("controller", "--config", "controller-config.yaml"),)
    ),
    "object": Kind(("object.json",), (written(json_fields),), ((VERB, "object.json"),), 4),
}


def changes_of(kind: Kind, file: str) -> tuple[Change, ...]:
    """Return the changes of a file of a kind."""
    return kind.changes or changes(content_of(file))
