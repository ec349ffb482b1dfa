"""Laws of TensorBoard's event files, as TensorBoard's own code reads them."""

import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records import metrics
from ftjob.runfolder.records.evaluation import ClassResult, Evaluation
from ftjob.worker.tracking import event_files, scalars
from ftjob.worker.tracking.event_files import EventFiles, last_events
from jobspec import JobSpec
from tests.events import accumulated, metrics_of, scalars_of

SPEC = JobSpec.model_validate(
    {
        "name": "faces",
        "base": {"net": "bvlc_googlenet"},
        "data": {"train": "train", "val": "val", "batch_size": 4},
        "solver": {"base_lr": 0.001, "max_iter": 30},
        "output": "runs",
    }
)
HEADS = {"loss1/classifier": 0.25, "loss3/classifier": 0.5}


def an_iteration(iteration: int) -> metrics.TrainLine:
    outputs = {"loss1/loss1": 1.5, "loss3/loss3": 1 / iteration}
    return metrics.TrainLine(
        iteration, 3 / iteration, 0.001, 0.25, outputs, 0.01, 0.5 * iteration, 1e9 + iteration
    )


def a_test(iteration: int) -> metrics.TestLine:
    return metrics.TestLine(
        iteration=iteration, accuracy=0.5, top5=None, loss=0.75, heads=HEADS, images=8, seconds=1.0, time=1e9
    )


def write(folder: RunFolder, train: range, tests: range) -> EventFiles:
    """Write lines as metrics and as events."""
    lines, scores = [an_iteration(at) for at in train], [a_test(at) for at in tests]
    folder.metrics.mkdir(parents=True, exist_ok=True)
    folder.train_metrics.write_text("".join(map(metrics.line_text, lines)))
    folder.test_metrics.write_text("".join(map(metrics.line_text, scores)))
    sink = EventFiles(folder, 1, SPEC)
    sink.open()
    sink.add(lines, scores)
    sink.close()
    return sink


def test_tensorboard_shows_the_values_of_the_metrics(tmp_path: Path) -> None:
    """Loss and accuracy of every head, rate, speed, waiting and dollars, each at its iteration."""
    folder = RunFolder(tmp_path)
    write(folder, range(1, 31), range(0, 31, 10))

    found = scalars_of(folder.events)

    assert found == metrics_of(folder, 4)
    assert {"train/loss", "outputs/loss1/loss1", "heads/loss1/classifier", "cost/dollars"} < found.keys()
    assert found["speed/images_per_second"][0] == (1, 16.0)
    assert accumulated(folder.events).Scalars("train/loss")[4].wall_time == 1e9 + 5


def test_files_that_are_full_are_followed_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a store need not take all of a long run again and again; each file can be read alone."""
    monkeypatch.setattr(event_files, "FULL_BYTES", 2000)
    folder = RunFolder(tmp_path)
    write(folder, range(1, 101), range(0, 101, 10))

    assert len(list(folder.events.iterdir())) > 5
    assert scalars_of(folder.events) == metrics_of(folder, 4)


@pytest.mark.parametrize("attempt", [1, 2])
def test_events_written_anew_replace_those_that_tensorboard_has_open(tmp_path: Path, attempt: int) -> None:
    """A TensorBoard that goes on running shows each iteration once, as the new files have it: of another
    attempt, or of the same one after its disk was full."""
    folder = RunFolder(tmp_path)
    write(folder, range(1, 31), range(0, 31, 10))
    showing = accumulated(folder.events)

    lines = [an_iteration(at) for at in range(1, 12)]
    sink = EventFiles(folder, attempt, SPEC)
    sink.open()
    sink.add(lines, [])
    sink.close()

    assert [each.step for each in showing.Reload().Scalars("train/loss")] == list(range(1, 12))
    assert showing.Scalars("test/accuracy") == []
    assert len(list(folder.events.iterdir())) == 2


def test_a_run_ends_with_the_picture_of_its_confusion(tmp_path: Path) -> None:
    """At the iteration of the bundle; and with settings by which runs can be compared."""
    folder = RunFolder(tmp_path)
    write(folder, range(1, 31), range(0, 31, 10))
    classes = tuple(ClassResult(label, name, 4, 0.5, 0.5) for label, name in enumerate(("$cat", "dög")))
    confusion = [[2, 2], [2, 2]]
    evaluation = Evaluation(30, 8, 0.5, None, 0.75, {"prob": 0.5}, classes, confusion)
    folder.event_file(1, None).write_bytes(last_events(evaluation))

    found = accumulated(folder.events)
    [picture] = found.Images("confusion")

    assert picture.step == 30
    assert struct.unpack(">II", picture.encoded_image_string[16:24]) == (picture.width, picture.height)
    assert scalars_of(folder.events) == metrics_of(folder, 4)
    plugin = found.PluginTagToContent("hparams")
    assert hparams(plugin["_hparams_/session_start_info"]) == {
        "base.net": "bvlc_googlenet",
        "solver.base_lr": 0.001,
        "solver.max_iter": 30.0,
        "data.batch_size": 4.0,
        "data.mirror": False,
    }
    assert plugin.keys() == {
        f"_hparams_/{part}" for part in ("experiment", "session_start_info", "session_end_info")
    }


def hparams(content: bytes) -> dict[str, object]:
    """Return some of the settings that TensorBoard compares runs by."""
    from tensorboard.plugins.hparams import metadata

    found = metadata.parse_session_start_info_plugin_data(content).hparams
    wanted = ("base.net", "solver.base_lr", "solver.max_iter", "data.batch_size", "data.mirror")
    return {name: getattr(found[name], str(found[name].WhichOneof("kind"))) for name in wanted}


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.text(max_size=20),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=4,
    )
)
def test_every_tag_and_value_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, values
) -> None:
    """Blobs may have any name, and losses be any float."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    from ftjob.worker.tracking import tfevents

    path = tmp_path_factory.mktemp("events") / "events.out.tfevents.00001.00000"
    path.write_bytes(tfevents.record(tfevents.scalars(1.5, 7, values)))

    [event] = map(Event.FromString, RawEventFileLoader(str(path)).Load())

    assert (event.wall_time, event.step) == (1.5, 7)
    assert {each.tag: each.simple_value for each in event.summary.value} == values


def test_the_docs_list_every_curve() -> None:
    """By their names."""
    page = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`((?:train|outputs|speed|cost|test|heads)/[\w<>]+)`", page))

    found = {*scalars.train_scalars(an_iteration(1), 4), *scalars.test_scalars(replace(a_test(0), top5=1.0))}
    assert listed == {
        re.sub(r"^(outputs)/.*", r"\1/<blob>", re.sub(r"^(heads)/.*", r"\1/<layer>", name)) for name in found
    }


@pytest.mark.parametrize("lost", [1, 40])
def test_a_file_that_a_kill_cut_short_is_read_up_to_there(tmp_path: Path, lost: int) -> None:
    """Until the next attempt writes it anew."""
    folder = RunFolder(tmp_path)
    write(folder, range(1, 31), range(0))
    path = folder.event_file(1, 0)
    path.write_bytes(path.read_bytes()[:-lost])

    assert [each.step for each in accumulated(folder.events).Scalars("train/loss")] == list(range(1, 30))
