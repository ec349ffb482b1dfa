"""The torch engine in precisions beside fp32: what has two bytes, and how near the losses stay."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from google.protobuf import text_format

from ftjob.engine import Engine, Features
from ftjob.engine.open import open_engine
from ftjob.errors import BadSpecError
from ftjob.net.precision import HALF, Precision, top_bytes
from ftjob.net.proto.caffe_pb2 import NetParameter, SolverParameter, SolverState
from ftjob.net.prototxt import parse_net
from tests.engine import branches, nets
from tests.engine.conftest import Job

if TYPE_CHECKING:
    from ftjob.engine.torch.process.training import TorchTraining

pytestmark = pytest.mark.torch

Opened = Callable[..., Engine]
SETTINGS = {"base_lr": 0.02, "momentum": 0.9, "weight_decay": 0.01}
EVERY_LAYER = nets.data(4, 4) + "".join(branches.branches().values())


def images(count: int) -> nets.Records:
    """Random images in colour, of the size that branches.py is for."""
    pixels = np.random.default_rng(4).integers(0, 256, (count, 3, 11, 9), dtype=np.uint8)
    return nets.Records(pixels, np.arange(count) % 3)


@pytest.fixture
def opened(forked_torch: None) -> Iterator[Opened]:
    """Open a job's folder in a precision: opened(folder, "bf16") → Engine."""
    with ExitStack() as stack:

        def open_it(folder: Path, precision: Precision, **more: object) -> Engine:
            settings = {"solver": folder / "solver.prototxt", "weights": None, "log": folder / "log", **more}
            return stack.enter_context(open_engine("torch", cwd=folder, precision=precision, **settings))

        yield open_it


@pytest.fixture
def training(job: Job, monkeypatch: pytest.MonkeyPatch) -> Callable[..., "TorchTraining"]:
    """A solver in this process, in any precision and layout that PyTorch can compute on processors:
    training(net text, "fp16", channels_last=True)."""
    import torch

    from ftjob.engine.torch.process.layers.numerics import DTYPES, Numerics
    from ftjob.engine.torch.process.training import TorchTraining

    def make(
        text: str, precision: Precision, *, channels_last: bool = False, **solver: object
    ) -> "TorchTraining":
        folder = job(text, images(10), images(7), **{**SETTINGS, **solver})
        monkeypatch.chdir(folder)
        param = text_format.Parse((folder / "solver.prototxt").read_text(), SolverParameter())
        layout = torch.channels_last if channels_last else torch.preserve_format
        numerics = Numerics(DTYPES.get(precision, torch.float32), layout)
        net: NetParameter = parse_net(text, "net")
        return TorchTraining(param, net, None, torch.device("cpu"), numerics=numerics)

    return make


def losses(training: "TorchTraining", iterations: int) -> dict[str, list[float]]:
    """The losses by name over some updates."""
    rows = [row for frame, _ in training.steps(iterations, lambda: False) for row in frame["rows"]]
    return {name: [row[2][at] for row in rows] for at, name in enumerate(training.train.scalars)}


@pytest.mark.parametrize("precision", HALF)
def test_blobs_have_the_bytes_that_the_forecast_counts(
    training: Callable[..., "TorchTraining"], precision: Precision
) -> None:
    """Of every layer type in both nets; params, their gradients and the solver's history have four."""
    made = training(EVERY_LAYER, precision)
    for net in (made.train, made.test_net):
        passed = net.forward(keep=net.shapes.blobs)
        wanted = {top: size for layer, size in top_bytes(net.shapes, half=True) for top in layer.layer.top}
        assert {name: blob.element_size() for name, blob in passed.blobs.items()} == wanted
        assert set(wanted.values()) == {2, 4}
    list(made.steps(1, lambda: False))

    tensors = [each.tensor for each in made.solver.learnables]
    tensors += [each for history in made.solver.history for each in history]
    assert {tensor.element_size() for tensor in tensors} == {4}


@pytest.mark.parametrize(
    ("precision", "channels_last", "tolerance"),
    [("tf32", True, 1e-4), ("bf16", False, 0.03), ("bf16", True, 0.03), ("fp16", True, 0.005)],
)
def test_every_layer_stays_near_fp32(
    training: Callable[..., "TorchTraining"], precision: Precision, channels_last: bool, tolerance: float
) -> None:
    """The losses of all branches, first and after three updates; a layout alone changes but the rounding."""
    wanted = losses(training(EVERY_LAYER, "fp32"), 4)
    made = training(EVERY_LAYER, precision, channels_last=channels_last)
    if made.scale:
        made.scale.restore(6, 0)  # of ninety losses the first scale would overflow
    found = losses(made, 4)

    wrong = {
        name: (found[name], values)
        for name, values in wanted.items()
        if found[name] != pytest.approx(values, rel=tolerance, abs=tolerance)
    }
    assert wrong == {}


def curve(opened: Opened, folder: Path, precision: Precision) -> list[float]:
    """The losses of some updates."""
    return [step.loss for step in opened(folder, precision).step(25)]


def test_bf16_learns_as_fp32_does(job: Job, opened: Opened) -> None:
    """What GoogLeNet and AlexNet are made of, from the same weights: within 5 % of the first loss at every
    update, and as low in the end."""
    folder = job(branches.INCEPTION, inception_images(20), inception_images(7), **SETTINGS)
    wanted, found = curve(opened, folder, "fp32"), curve(opened, folder, "bf16")

    assert found == pytest.approx(wanted, abs=0.05 * wanted[0])
    assert found != wanted
    assert found[-1] < 0.7 * found[0]


def inception_images(count: int) -> nets.Records:
    """Random images in colour, 23 by 21."""
    pixels = np.random.default_rng(4).integers(0, 256, (count, 3, 23, 21), dtype=np.uint8)
    return nets.Records(pixels, np.arange(count) % 3)


def test_a_bf16_run_resumes_to_the_bit_from_a_snapshot_in_fp32(job: Job, opened: Opened) -> None:
    """Its files are Caffe's: four bytes a number, more digits than bf16 has."""
    folder = job(nets.convnet(transform="mirror: true"), momentum=0.9)
    first, second = opened(folder, "bf16"), opened(folder, "bf16")
    first.step(3)
    (folder / "begun").mkdir()
    begun = first.snapshot(folder / "begun")
    whole = [first.step(4), first.snapshot(folder)]
    second.restore(begun.solverstate, begun.caffemodel)
    (folder / "again").mkdir()
    again = [second.step(4), second.snapshot(folder / "again")]

    assert [step.loss for step in again[0]] == [step.loss for step in whole[0]]
    assert again[1].caffemodel.read_bytes() == whole[1].caffemodel.read_bytes()
    learned = nets.layers(begun.caffemodel)["conv"][0].view(np.uint32)
    assert (learned & 0xFFFF).any()


def test_fp32_and_bf16_score_alike(job: Job, opened: Opened) -> None:
    """The TEST net computes in the run's precision: scores within 2 % of the largest."""
    net = nets.convnet()
    folder = job(net)
    weights = opened(folder, "fp32").snapshot(folder).caffemodel
    wanted, found = (
        opened(folder, precision, weights=weights).test(7, ["fc"])["fc"] for precision in ("fp32", "bf16")
    )

    assert 0 < np.abs(found - wanted).max() <= 0.02 * np.abs(wanted).max()


def test_features_are_kept_in_the_precision_of_the_run(job: Job, opened: Opened, tmp_path: Path) -> None:
    """A trunk that ends with blobs of two bytes: computed, kept or read again, losses and scores are those of
    the whole net; a run in fp32 takes none of them."""
    folder, cache = job(nets.convnet(conv_params=nets.FROZEN, transform="mirror: true")), tmp_path / "cache"
    kept = Features(cache, 1 << 30, {"train": "1", "val": "2"})
    found = []
    for features in (None, kept, kept):
        engine = opened(folder, "bf16", features=features)
        found.append([step.loss for step in engine.step(8)] + engine.test(7, ["fc"])["fc"].ravel().tolist())
    names = {path.name for path in cache.iterdir()}
    opened(folder, "fp32", features=kept).step(1)

    assert found[1] == pytest.approx(found[0], rel=1e-5, abs=1e-6)
    assert found[2] == found[1]
    assert len(names) == 2
    assert len({path.name for path in cache.iterdir()} - names) == 2


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_processors_refuse_what_only_gpus_have(job: Job, opened: Opened, precision: Precision) -> None:
    """The engine's process looks at the device it has, whatever was planned."""
    with pytest.raises(BadSpecError, match=rf"solver\.precision: {precision} needs a GPU .* set fp32, bf16"):
        opened(job(nets.convnet()), precision)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_caffe_computes_in_fp32_only(tmp_path: Path, precision: Precision) -> None:
    """Refused before Caffe is looked for."""
    with pytest.raises(
        BadSpecError, match=r"solver\.precision: Caffe computes in fp32 only: set fp32 or auto"
    ):
        open_engine(
            "caffe",
            solver=tmp_path / "solver",
            weights=None,
            log=tmp_path / "log",
            cwd=tmp_path,
            precision=precision,
        )


def test_an_overflow_skips_one_update_and_halves_the_scale(training: Callable[..., "TorchTraining"]) -> None:
    """Iteration and learning rate count on; weights and history stay, and the next update is made."""
    made = training(nets.convnet(), "fp16", lr_policy="step", stepsize=1, gamma=0.5)
    assert made.scale is not None
    made.scale.restore(40, 7)

    rates = [row[3] for frame, _ in made.steps(1, lambda: False) for row in frame["rows"]]
    before = [each.tensor.clone() for each in made.solver.learnables]
    scales = [made.scale.state]
    while made.scale.state[1] == 0:
        assert all(
            bool((each.tensor == kept).all())
            for each, kept in zip(made.solver.learnables, before, strict=True)
        )
        assert not any(bool(each.any()) for history in made.solver.history for each in history)
        rates += [row[3] for frame, _ in made.steps(1, lambda: False) for row in frame["rows"]]
        scales.append(made.scale.state)

    assert scales[:2] == [(39, 0), (38, 0)]
    assert scales[-1][1] == 1
    assert rates == pytest.approx([0.02 * 0.5**k for k in range(len(rates))])
    assert made.iteration == len(rates)
    assert any(bool(each.any()) for history in made.solver.history for each in history)


def test_the_scale_leaves_no_trace_in_gradients(training: Callable[..., "TorchTraining"]) -> None:
    """Clipping, iter_size and decay see what they would without it."""
    settings = {"clip_gradients": 0.1, "iter_size": 2, "base_lr": 0.5}
    found = []
    for exponent in (0, 10):
        made = training(nets.convnet(), "fp16", **settings)
        assert made.scale is not None
        made.scale.restore(exponent, 0)
        found.append(losses(made, 6)["loss"])

    assert found[1] == pytest.approx(found[0], rel=1e-3)


def snapshot(made: "TorchTraining", folder: Path) -> tuple[Path, Path]:
    """The solverstate and the caffemodel of this moment, which a fork writes."""
    os.waitpid(made.snapshot(str(folder))[0]["pid"], 0)
    made.writer.writer = 0
    found = (folder / f"iter_{made.iteration}.{kind}" for kind in ("solverstate", "caffemodel"))
    return next(found), next(found)


def test_an_fp16_run_resumes_with_its_scale(training: Callable[..., "TorchTraining"], tmp_path: Path) -> None:
    """It is in the solverstate, which protobuf reads as any other; one without it begins with 2^16."""
    made, resumed = (training(nets.convnet(), "fp16") for _ in range(2))
    assert made.scale is not None
    assert resumed.scale is not None
    assert made.scale.state == (16, 0)
    made.scale.restore(12, 1998)
    list(made.steps(1, lambda: False))
    state, model = snapshot(made, tmp_path)
    resumed.restore(str(state), str(model), lambda: False)
    wanted, found = losses(made, 3), losses(resumed, 3)

    assert SolverState.FromString(state.read_bytes()).iter == 1
    assert resumed.scale.state == made.scale.state == (13, 2)
    assert found == wanted


@pytest.mark.caffe
def test_caffe_resumes_from_a_snapshot_in_fp16(
    training: Callable[..., "TorchTraining"], tmp_path: Path
) -> None:
    """Its parser keeps the field that it does not know."""
    made = training(nets.convnet(), "fp16")
    assert made.scale is not None
    made.scale.restore(4, 0)
    list(made.steps(2, lambda: False))
    state, model = snapshot(made, tmp_path)

    with open_engine(
        "caffe", solver=tmp_path / "solver.prototxt", weights=None, log=tmp_path / "log", cwd=tmp_path
    ) as caffe:
        caffe.restore(state, model)
        (step,) = caffe.step(1)

    assert step.iteration == 3
    assert step.loss < 2


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_params_updated_together_are_as_updated_alone(
    training: Callable[..., "TorchTraining"], kind: str
) -> None:
    """As on a GPU, where one kernel takes those of the same multipliers: to the bit on processors."""
    momentum = 0.0 if kind in ("AdaGrad", "RMSProp") else 0.9
    settings = {"type": kind, "momentum": momentum, "regularization_type": "L1", "clip_gradients": 0.1}
    alone, together = (training(nets.convnet(), "fp32", **settings) for _ in range(2))
    together.solver.groups = [[0, 2], [1, 3]]
    assert alone.solver.groups == [[0], [1], [2], [3]]

    assert losses(together, 5) == losses(alone, 5)
