"""Runs that have ended with a bundle, in a directory or in a bucket, without training anything."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ftjob.errors.outcomes import Reason
from ftjob.fs import files
from ftjob.runfolder.address import location_of
from ftjob.runfolder.layout import BundleFolder, RunFolder
from ftjob.runfolder.status import Attempt, State, Status, render
from ftjob.storage import open_store
from jobspec import dump_spec, parse_spec
from tests.report.folders import SEVEN, evaluation_of, plan_json

FIRST_WEIGHTS = "/weights/bvlc_googlenet.caffemodel"
SPEC = """\
name: {name}
base: {{net: googlenet, weights: {weights}}}
data: {{train: /faces, val_split: 0.25, crop: 224}}
output: {output}
"""


def a_run(
    output: str,
    run_id: str,
    name: str = "emotions",
    *,
    labels: Sequence[str] = SEVEN,
    right: float = 0.75,
    weights: str = FIRST_WEIGHTS,
    weights_from: str | None = None,
    weights_digest: str = "b" * 64,
    bundled: bool = True,
    caffemodel: bytes = b"",
    **status: Any,
) -> str:
    """Put a run's folder below an output, a path or a bucket's URI; return where it is."""
    location = location_of(output, name, run_id)
    with TemporaryDirectory() as scratch:
        folder = RunFolder(Path(scratch))
        spec = parse_spec(SPEC.format(name=name, weights=weights, output=output), "spec.yaml")
        base = spec.base.model_copy(update={"weights_from": weights_from})
        files.write_text(folder.spec, dump_spec(spec.model_copy(update={"base": base})))
        plan = plan_json(labels)
        plan["base"] |= {"weights": weights, "weights_digest": weights_digest}
        files.write_json(folder.plan, plan)
        files.write_json(folder.evaluation, evaluation_of(labels, right).to_json())
        written: dict[str, Any] = {
            "state": State.SUCCEEDED,
            "reason": Reason.COMPLETED,
            "attempts": (Attempt(1, "p2.xlarge", 0.9, 1.8e9, ftjob="0.1.0", image="faces/worker@sha256:1"),),
        }
        files.write_text(folder.status, render(Status(name, run_id, **{**written, **status})))
        if bundled:
            content = caffemodel or f"weights of {name}/{run_id}".encode()
            write_bundle(BundleFolder(folder.bundle), folder, content, labels)
        store = open_store(location)
        for path in sorted(path for path in folder.root.rglob("*") if path.is_file()):
            store.upload(path, folder.key(path))
    return location


def write_bundle(bundle: BundleFolder, folder: RunFolder, caffemodel: bytes, labels: Sequence[str]) -> None:
    """Write a bundle, whose manifest is right; nothing else in it is."""
    files.write_text(bundle.deploy, "deploy")
    bundle.weights.write_bytes(caffemodel)
    files.write_text(bundle.labels, "".join(f"{label}\n" for label in labels))
    files.write_text(bundle.preprocess, "{}")
    files.copy(folder.evaluation, bundle.evaluation)
    files.write_text(bundle.golden_scores, "{}")
    digests = {
        path.relative_to(bundle.root).as_posix(): files.sha256(path)
        for path in bundle.root.rglob("*")
        if path.is_file()
    }
    status = Status.parse(folder.status.read_bytes())
    head = {"name": status.name, "run_id": status.run_id, "accuracy": 0.75}
    files.write_json(bundle.manifest, {**head, "files": digests})


def digest_of_weights(location: str) -> str:
    """Return the sha256 of a run's bundled caffemodel."""
    manifest = json.loads(open_store(location).read("bundle/manifest.json"))
    return str(manifest["files"]["weights.caffemodel"])
