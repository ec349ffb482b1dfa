"""What keeping a frozen trunk's features saves."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ftjob.cli.view.plan import summary
from ftjob.plan.cost import remaining_seconds
from ftjob.plan.plan import Plan, make_plan
from ftjob.plan.savings import KeptTrunk
from ftjob.runfolder.records.plan import plan_text, read_plan
from tests.plan.specs import document, plan

K80 = "p2.xlarge"
FROZEN = {"freeze": {"up_to": "inception_5b"}}


def printed(made: Plan) -> str:
    """The plan's summary on a wide screen."""
    screen = io.StringIO()
    Console(width=400, file=screen).print(summary(made, ""))
    return screen.getvalue()


def kept(variants: int, seconds: float = 0.1) -> KeptTrunk:
    return KeptTrunk(("pool5",), 4096, variants, seconds, 0.01)


def frozen(engine: str = "torch", epochs: int = 1000, node: str = K80, **data: object) -> Plan:
    return plan(
        surgery=FROZEN,
        engine=engine,
        solver={"epochs": epochs},
        resources={"node": node},
        data={"random_crop": False, **data},
    )


@pytest.mark.parametrize("variants", [1, 2])
@pytest.mark.parametrize("epochs", [0.3, 1, 2, 5])
def test_passes_are_those_of_a_drawn_run(variants: int, epochs: float) -> None:
    """Count the first time that each variant of each record comes up, in a run that draws them."""
    records, random = 20_000, np.random.default_rng(5)
    images = int(records * epochs)
    drawn = np.arange(images) % records * variants + random.integers(0, variants, images)

    assert kept(variants).passes(images, records) == pytest.approx(len(np.unique(drawn)), rel=0.04 / epochs)


@given(
    variants=st.sampled_from([1, 2]),
    images=st.floats(0, 1e9),
    records=st.integers(1, 10**7),
)
def test_no_more_pass_than_there_are(variants: int, images: float, records: int) -> None:
    """At most every image, at most every variant, and the more images the more passes."""
    passes = kept(variants).passes(images, records)

    assert 0 <= passes <= min(images, variants * records) * (1 + 1e-9)
    assert passes <= kept(variants).passes(images * 1.5 + 1, records)


@pytest.mark.parametrize("engine", ["torch", "caffe"])
def test_features_are_kept_where_nothing_is_random(in_faces: Path, engine: str) -> None:
    """With central crops, and with Caffe without mirror, it is cheaper than with the trunk in every pass."""
    made = frozen(engine, mirror=engine == "torch")
    saving = made.forecast.saving

    assert saving is not None
    assert saving.changes == ()
    assert set(made.kept_features) == {made.inputs.train.source, made.inputs.val.source}
    assert saving.cost.train_seconds < saving.whole.train_seconds / 3
    assert saving.cost.test_seconds < saving.whole.test_seconds
    assert saving.cost is made.forecast.cost
    assert "the frozen layers run once for each of " in printed(made)
    assert (" images and their mirrored copies (" in printed(made)) == (engine == "torch")


@pytest.mark.parametrize(
    ("engine", "node", "data", "changes"),
    [
        ("torch", K80, {"random_crop": True}, {"random_crop": False}),
        ("caffe", K80, {"random_crop": True, "mirror": False}, {"random_crop": False}),
        ("caffe", K80, {}, {"mirror": False}),
        ("caffe", K80, {"random_crop": True}, {"random_crop": False, "mirror": False}),
    ],
)
def test_what_would_have_to_change_is_named(
    in_faces: Path, engine: str, node: str, data: dict, changes: dict
) -> None:
    """With the changes made, the plan costs what was forecast before."""
    made = frozen(engine, node=node, **data)
    saving = made.forecast.saving

    assert saving is not None
    assert saving.changes == tuple(f"data.{name}: false" for name in changes)
    assert f"{' and '.join(saving.changes)} would run the frozen layers once" in printed(made)
    assert ("(Caffe does not show which images it mirrors)" in printed(made)) == ("mirror" in changes)
    assert made.forecast.work.kept_train is None
    assert made.forecast.work.kept_test is not None
    then = frozen(engine, node=node, **{**data, **changes}).forecast
    assert then.changes == ()
    assert then.cost.total_seconds == pytest.approx(saving.cost.total_seconds)


def test_torch_is_the_change_where_it_runs(in_faces: Path) -> None:
    """It keeps mirrored images too; for a K80 PyTorch has no code."""
    saving = frozen("caffe", node="local").forecast.saving

    assert saving is not None
    assert saving.changes == ("engine: torch",)


def test_an_update_of_caffe_runs_over_frozen_params_too(in_faces: Path) -> None:
    """So a later image takes a little longer there."""
    made = frozen("caffe", mirror=False)
    by_caffe, by_torch = made.forecast, frozen("torch", mirror=False).forecast
    kept, batch = by_caffe.work.kept_train, by_caffe.work.batch_size
    assert kept is not None
    assert by_torch.work.kept_train is not None
    stay = by_caffe.parameters.total - by_caffe.parameters.trainable
    longer = 4 * 5 * stay / batch / (made.inputs.node.gigabytes_per_second * 1e9)

    assert kept.rest_seconds - by_torch.work.kept_train.rest_seconds == pytest.approx(longer)


def test_little_is_not_worth_a_change(in_faces: Path) -> None:
    """What would save less than a tenth of the time is in the document alone."""
    made = frozen("caffe", epochs=1)

    assert made.forecast.saving is not None
    assert "features" not in printed(made)


@pytest.mark.parametrize("surgery", [{"freeze": "none"}, {"freeze": {"layers": ["inception_5b*"]}}])
def test_there_is_no_saving_without_a_trunk(in_faces: Path, surgery: dict) -> None:
    """Layers frozen behind some that learn are no trunk."""
    made = plan(surgery=surgery, engine="torch", data={"random_crop": False})

    assert made.forecast.saving is None
    assert made.kept_features == {}
    assert "features" not in printed(made)


@pytest.mark.slow
def test_random_crop_is_part_of_the_run_where_it_is_false(in_faces: Path) -> None:
    """Central crops are another run; the default leaves ids as they were before there was the field."""
    assert plan().run_id == plan(data={"random_crop": True}).run_id
    assert plan().run_id != plan(data={"random_crop": False}).run_id
    assert "random_crop" not in plan().spec.canonical()["data"]
    assert plan(data={"random_crop": False}).train_val.layer[0].HasField("phase")
    assert not plan().train_val.layer[0].HasField("phase")


def test_plan_json_has_the_saving(in_faces: Path, tmp_path: Path) -> None:
    """It is read back as it was written."""
    written = document(frozen())
    path = tmp_path / "plan.json"
    path.write_text(plan_text(written))

    assert read_plan(path) == written
    assert written.features is not None
    assert written.features.total_seconds < written.features.whole_seconds


def test_what_is_left_gets_faster_after_the_first_epoch(in_faces: Path) -> None:
    """With a kept trunk the time left is less than at the present speed; at the end nothing is left."""
    made = frozen()
    work, predicted = made.forecast.work, made.forecast.predicted
    whole = replace(work, kept_train=None)
    left = work.max_iter * work.images_per_iteration

    assert remaining_seconds(work, predicted, 0, 10.0) < remaining_seconds(whole, predicted, 0, 10.0) / 3
    assert remaining_seconds(whole, predicted, 0, 10.0) == left / 10
    assert remaining_seconds(work, predicted, work.max_iter, 10.0) == 0
    assert make_plan(made.inputs).forecast.saving == made.forecast.saving


def test_a_later_image_takes_the_head_the_update_and_the_reading(in_faces: Path) -> None:
    """Two epochs cost one of the whole net, and one of what is left without the trunk, counted by hand."""
    made = frozen(epochs=2, mirror=False)
    work, node, counts = made.forecast.work, made.inputs.node, made.forecast.parameters
    trunk = work.kept_train
    assert trunk is not None
    image = made.forecast.predicted.train
    update = 4 * counts.trainable * 8 / node.gigabytes_per_second / 1e9 / work.batch_size
    later = image * (1 - trunk.seconds / (image + update)) + trunk.bytes_per_image / 200e6
    images = work.max_iter * work.batch_size - work.train_images

    assert made.forecast.cost.train_seconds == pytest.approx(work.train_images * image + images * later)
    assert later > image - trunk.seconds


def test_only_small_features_are_worth_fetching() -> None:
    """A store that brings 50 MB/s beats a trunk of 0.1 s up to 5 MB for an image."""
    assert replace(kept(1), bytes_per_image=4_900_000).is_worth_fetching
    assert not replace(kept(1), bytes_per_image=5_100_000).is_worth_fetching
