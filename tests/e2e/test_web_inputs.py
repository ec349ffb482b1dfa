"""A run from the web is the run from disk, and needs its server once."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.jobs import Job
from tests.storage.webserver import file, serve

pytestmark = pytest.mark.caffe


def test_a_run_from_the_web_is_the_run_from_disk(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Net, weights and mean by address and digest: the connection breaks, the server goes, the run ends well
    under the id that it has from paths. Its spec has the addresses, and another digest is refused."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    job.ftjob("data", "build", "train", "here", "--val", "val", "--size", "32", "--grey")
    job.submit()
    weights = job.run().bundle / "weights.caffemodel"
    kept = {
        "net.prototxt": (job.folder / "net.prototxt").read_bytes(),
        "weights.caffemodel": weights.read_bytes(),
        "mean.binaryproto": (job.folder / "here" / "mean.binaryproto").read_bytes(),
    }
    with serve() as site:
        site.answers |= {f"/{name}": file(data) for name, data in kept.items()}
        size = len(kept["weights.caffemodel"])
        site.script["/weights.caffemodel"] = [file(kept["weights.caffemodel"], cut=size // 2)]

        def address(name: str) -> str:
            return f"{site.address}/{name}#sha256={hashlib.sha256(kept[name]).hexdigest()}"

        remote = spec(address("net.prototxt"), address("weights.caffemodel"), address("mean.binaryproto"))
        job.write(**remote)
        planned = job.ftjob("plan", "spec.yaml", "-o", "json").json()
        assert site.ranges.count(f"bytes={size // 2}-") == 1
        asked = len(site.asked)
    assert job.submit().json()["state"] == "Succeeded"
    [folder] = (job.folder / "tuned" / "tuned").iterdir()
    assert (asked, folder.name) == (4, planned["run_id"])
    assert yaml.safe_load((folder / "spec.yaml").read_text())["base"] == remote["base"]

    job.write(**spec("net.prototxt", str(weights), str(job.folder / "here" / "mean.binaryproto")))
    assert job.ftjob("plan", "spec.yaml", "-o", "json").json()["run_id"] == folder.name

    with serve() as site:
        site.answers["/weights.caffemodel"] = file(b"another file")
        pinned = f"{site.address}/weights.caffemodel#sha1={'0' * 40}"
        job.write(**spec("net.prototxt", pinned, "auto"))
        refused = job.ftjob("submit", "spec.yaml", "--local", code=3)
    assert f"base.weights: {site.address}/weights.caffemodel: has another file: its SHA-1 is" in refused.err


def spec(net: str, weights: str, mean: str) -> dict[str, Any]:
    """A run of a few iterations from such files."""
    data = {"train": "here", "val": str(Path("here") / "val"), "resize": None, "mean": mean}
    return {"name": "tuned", "output": "tuned", "base": {"net": net, "weights": weights}, "data": data}
