"""What weights and datasets take on a disk, according to a plan."""

from pathlib import Path

import pytest

from benchmarks.plan import write_lmdb, write_weights
from ftjob.prepare.prepare import Context, absolute, prepare
from jobspec import parse_spec

SPEC = "name: a\nbase: {{net: lenet{weights}}}\ndata: {{train: train, val: val}}\noutput: runs\n"


@pytest.mark.parametrize("weighty", [False, True])
def test_a_plan_counts_both_lmdbs_and_the_weights(tmp_path: Path, weighty: bool) -> None:
    """As they lie there: a pod has them on its own disk."""
    parts = [tmp_path / "train" / "data.mdb", tmp_path / "val" / "data.mdb"]
    write_lmdb(tmp_path / "train", 400, channels=3, side=28)
    write_lmdb(tmp_path / "val", 20, channels=3, side=28)
    if weighty:
        parts.append(tmp_path / "lenet.caffemodel")
        write_weights("lenet", parts[-1])
    text = SPEC.format(weights=", weights: lenet.caffemodel" if weighty else "")
    context = Context(tmp_path, to_train=False)

    plan = prepare(absolute(parse_spec(text, "spec.yaml"), context), context)

    assert plan.data_bytes == sum(part.stat().st_size for part in parts)
