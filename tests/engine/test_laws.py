"""What holds for every engine, in part for the fake one too: the solver's arithmetic, resuming, testing."""

from pathlib import Path

import numpy as np
import pytest

from ftjob.engine import Engine
from ftjob.errors import BadNetError
from tests.engine import nets
from tests.engine.conftest import Job, Open

Params = dict[str, list[np.ndarray]]


def params(engine: Engine, folder: Path) -> Params:
    """Return the weights as they are, by way of a snapshot."""
    (folder / "now").mkdir(exist_ok=True)
    return nets.layers(engine.snapshot(folder / "now").caffemodel)


def softmax_gradient(weights: list[np.ndarray], batch: nets.Records) -> tuple[float, list[np.ndarray]]:
    """The loss of softmax regression over a batch, and its gradient by weights and bias."""
    x = batch.images.reshape(len(batch.images), -1) * nets.SCALE
    scores = x @ weights[0].T + weights[1]
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    prob = exp / exp.sum(axis=1, keepdims=True)
    right = np.eye(3)[batch.labels]
    loss = -np.log((prob * right).sum(axis=1)).mean()
    d = (prob - right) / len(x)
    return float(loss), [d.T @ x, d.sum(axis=0)]


def taken(content: nets.Records, first: int, count: int) -> nets.Records:
    """The records of a batch: the data layer goes round."""
    rows = np.arange(first, first + count) % len(content.labels)
    return nets.Records(content.images[rows], content.labels[rows])


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.2), (0.9, 0.2)])
def test_updates_are_those_computed_by_hand(job: Job, opened: Open, momentum: float, decay: float):
    """V = momentum V + lr lr_mult (gradient + decay decay_mult W); W -= V (sgd_solver.cpp)."""
    content = nets.records(10)
    step = {"lr_policy": "step", "stepsize": 2, "gamma": 0.5}
    folder = job(nets.softmax_regression(batch=4), content, momentum=momentum, weight_decay=decay, **step)
    engine = opened(folder)
    weights = params(engine, folder)["fc"]
    history = [np.zeros_like(each) for each in weights]
    lr_mult, decay_mult = (1, 2), (1, 0)

    for k, rate in enumerate((0.1, 0.1, 0.05)):
        loss, gradient = softmax_gradient(weights, taken(content, 4 * k, 4))
        (done,) = engine.step(1)

        for i in (0, 1):
            change = gradient[i] + decay * decay_mult[i] * weights[i]
            history[i] = momentum * history[i] + rate * lr_mult[i] * change
            weights[i] = weights[i] - history[i]
        assert (done.iteration, done.learning_rate) == (k + 1, pytest.approx(rate))
        assert (done.loss, done.outputs["loss"]) == (pytest.approx(loss, rel=1e-5),) * 2
        for mine, its in zip(weights, params(engine, folder)["fc"], strict=True):
            np.testing.assert_allclose(its, mine, atol=1e-6)


def test_iter_size_accumulates_a_larger_batch(job: Job, opened: Open):
    """iter_size 3 with batch 2 trains as batch 6 does, and its loss is the mean of the three."""
    settings = {"momentum": 0.9, "weight_decay": 0.1}
    small = opened(job(nets.softmax_regression(batch=2), iter_size=3, **settings))
    small_steps, small_params = small.step(4), params(small, folder := job("", **settings))
    large = opened(job(nets.softmax_regression(batch=6), **settings))
    large_steps = large.step(4)

    np.testing.assert_allclose([s.loss for s in small_steps], [s.loss for s in large_steps], rtol=1e-5)
    for mine, its in zip(small_params["fc"], params(large, folder)["fc"], strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-6)


def test_loss_is_weighted_and_outputs_are_not(job: Job, opened: Open):
    """With loss_weight 0.3 the loss is 0.3 of the output blob, as GoogLeNet's first heads have it."""
    engine = opened(job(nets.softmax_regression(loss="loss_weight: 0.3")))

    (step,) = engine.step(1)

    assert step.loss == pytest.approx(0.3 * step.outputs["loss"], rel=1e-6)


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "Adam", "AdaDelta"])
def test_restoring_equals_never_having_stopped(job: Job, opened_any: Open, tmp_path: Path, kind: str):
    """Bit for bit, with crops, mirrors, dropout, iter_size and tests between; from wherever the files lie."""
    net = nets.convnet(3, transform="mirror: true crop_size: 5", test_transform="crop_size: 5")
    settings = {"momentum": 0.9, "weight_decay": 0.01, "iter_size": 2}
    folder = job(net, type=kind, base_lr=0.01, **settings)
    (folder / "snapshots").mkdir()
    unbroken = opened_any(folder)
    unbroken.step(5)
    kept = unbroken.snapshot(folder / "snapshots")
    unbroken.test(7, ["fc"])
    wanted = unbroken.step(6)

    moved = folder / "moved"
    (folder / "snapshots").rename(moved)
    resumed = opened_any(folder)
    resumed.restore(moved / kept.solverstate.name, moved / kept.caffemodel.name)

    assert resumed.iteration == kept.iteration == 5
    got = resumed.step(6)
    assert [(s.iteration, s.loss, s.learning_rate) for s in got] == [
        (s.iteration, s.loss, s.learning_rate) for s in wanted
    ]
    final, resumed_final = params(unbroken, folder), params(resumed, folder)
    assert all(
        np.array_equal(a, b) for name in final for a, b in zip(final[name], resumed_final[name], strict=True)
    )


def test_frozen_params_stay_bit_equal(job: Job, opened: Open):
    """lr_mult 0 and decay_mult 0: neither gradient, momentum nor decay touches them; the others move."""
    folder = job(nets.convnet(conv_params=nets.FROZEN), momentum=0.9, weight_decay=0.5)
    engine = opened(folder)
    before = params(engine, folder)
    engine.step(5)
    after = params(engine, folder)

    assert all(np.array_equal(a, b) for a, b in zip(before["conv"], after["conv"], strict=True))
    assert not np.array_equal(before["fc"][0], after["fc"][0])


@pytest.mark.parametrize("batch", [1, 3, 7, 20])
def test_a_test_counts_every_record_once(job: Job, opened_any: Open, batch: int):
    """Asked for the size of the dataset, whatever the batch size, and again the next time."""
    val = nets.Records(nets.records(7).images, np.arange(7))
    net = nets.softmax_regression(test_batch=batch).replace("num_output: 3", "num_output: 7")
    engine = opened_any(job(net, val=val))

    for _ in range(2):
        found = engine.test(7, ["label", "prob", "loss"])
        assert sorted(found["label"]) == list(range(7))
        assert found["prob"].shape == (7, 7)
        assert found["loss"].shape == (-(-7 // batch),)


def test_a_test_uses_the_weights_of_now(job: Job, opened: Open):
    """The TEST net answers as the trained weights say, not as those it was opened with."""
    val = nets.records(7, seed=1)
    folder = job(nets.softmax_regression(), val=val)
    engine = opened(folder)
    engine.step(3)

    prob = engine.test(7, ["prob"])["prob"]

    weights = params(engine, folder)["fc"]
    scores = val.images.reshape(7, -1) * nets.SCALE @ weights[0].T + weights[1]
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(prob, expected, rtol=1e-4)


def test_a_blob_that_is_not_there_is_named(job: Job, opened_any: Open):
    """With the names there are; and the engine lives on."""
    engine = opened_any(job(nets.softmax_regression()))

    with pytest.raises(BadNetError, match="no blob 'top1'; it has data, label"):
        engine.test(7, ["top1"])
    assert engine.step(1)


RATES = {
    "fixed": ({}, lambda i: 0.1),
    "step": ({"stepsize": 3, "gamma": 0.5}, lambda i: 0.1 * 0.5 ** (i // 3)),
    "exp": ({"gamma": 0.9}, lambda i: 0.1 * 0.9**i),
    "inv": ({"gamma": 0.1, "power": 0.75}, lambda i: 0.1 * (1 + 0.1 * i) ** -0.75),
    "multistep": ({"stepvalue": [2, 5], "gamma": 0.5}, lambda i: 0.1 * 0.5 ** ((i >= 2) + (i >= 5))),
    "poly": ({"power": 2.0}, lambda i: 0.1 * (1 - i / 8) ** 2),
    "sigmoid": ({"gamma": 0.5, "stepsize": 4}, lambda i: 0.1 / (1 + np.exp(-0.5 * (i - 4)))),
}


@pytest.mark.parametrize("policy", RATES)
def test_learning_rate_follows_its_policy(job: Job, opened_any: Open, policy: str):
    """The formulas beside lr_policy in caffe.proto, `iter` counted from 0."""
    settings, rate = RATES[policy]
    engine = opened_any(job(nets.softmax_regression(), lr_policy=policy, max_iter=8, **settings))

    assert [step.learning_rate for step in engine.step(8)] == pytest.approx([rate(i) for i in range(8)])


def test_weights_are_taken_by_layer_name(job: Job, opened: Open):
    """A layer of the same name starts with the weights given; one renamed starts afresh."""
    folder = job(nets.convnet())
    first = opened(folder)
    first.step(2)
    (folder / "kept").mkdir()
    kept = first.snapshot(folder / "kept").caffemodel

    renamed = nets.convnet().replace('name: "fc"', 'name: "fc_new"')
    second = params(opened(job(renamed), weights=kept), folder)

    learned = nets.layers(kept)
    assert all(np.array_equal(a, b) for a, b in zip(second["conv"], learned["conv"], strict=True))
    assert not np.array_equal(second["fc_new"][0], learned["fc"][0])


def test_updates_are_reported_as_they_are_made(job: Job, opened_any: Open):
    """Every update once, in order, and in several reports, which are due every 0.2 s."""
    engine = opened_any(job(nets.softmax_regression()))
    pace = min(step.seconds for step in engine.step(100))
    count = round(0.8 / pace)

    reports = list(engine.steps(count))

    assert [step.iteration for report in reports for step in report] == list(range(101, 101 + count))
    assert len(reports) > 1
    assert engine.iteration == 100 + count


def test_a_halt_loses_no_update(job: Job, opened_any: Open):
    """The engine stops soon, all it did is reported, and what comes next goes on from there."""
    engine = opened_any(job(nets.softmax_regression()))
    updates = []

    for some in engine.steps(10**7):
        updates += some
        engine.halt()

    assert [step.iteration for step in updates] == list(range(1, len(updates) + 1))
    assert engine.iteration == len(updates) < 10**7
    engine.halt()  # with nothing to halt
    assert engine.step(1)[0].iteration == len(updates) + 1


def test_steps_may_be_turned_away_from(job: Job, opened_any: Open, tmp_path: Path):
    """Whatever is asked next ends them first, and counts them."""
    engine = opened_any(job(nets.softmax_regression()))
    next(engine.steps(10**7))

    kept = engine.snapshot(tmp_path)

    assert kept.iteration == engine.iteration > 1
