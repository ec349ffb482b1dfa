"""Where a run's folder has what."""

from pathlib import Path

import pytest

from ftjob.runfolder.layout import BundleFolder, RunFolder, is_of_run


@pytest.mark.parametrize("root", ["/runs/a/f5ad3514fa", "s3://bucket/runs/a/f5ad3514fa"])
def test_weights_of_a_run_are_known_by_their_place(root: str) -> None:
    """A snapshot's and a bundle's, on a disk or in a store; not those of others."""
    folder = RunFolder(Path("x"))
    bundled = BundleFolder(folder.bundle).weights

    assert is_of_run(f"{root}/{folder.key(folder.caffemodel(4000))}")
    assert is_of_run(f"{root}/{folder.key(bundled)}")
    for other in ("bvlc_googlenet.caffemodel", "weights.caffemodel", "snapshots/caffe_iter_9.caffemodel"):
        assert not is_of_run(f"{root}/{other}")
