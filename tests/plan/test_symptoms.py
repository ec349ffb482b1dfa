"""What curves alone say: of logs without a net, of losses of every type, and what they must not say."""

from pathlib import Path

import pytest

from ftjob import api
from ftjob.plan.diagnosis.explain import Explanation

STAMP = "1122 00:23:56.773487  8924 solver.cpp:1] "
NET = """layer {{
  name: "data"
  type: "Input"
  top: "data"
  top: "label"
}}
layer {{
  name: "fc"
  type: "InnerProduct"
  bottom: "data"
  top: "fc"
  inner_product_param {{
    num_output: 10
  }}
}}
layer {{
  name: "loss"
  type: "{kind}"
  bottom: "fc"
  bottom: "label"
  top: "loss"
}}"""
DONE = f"I{STAMP}Optimization Done.\n"


def lines(*texts: str) -> str:
    return "".join(f"I{STAMP}{text}\n" for text in texts)


def training(*losses: float, kind: str = "SoftmaxWithLoss", every: int = 20) -> str:
    """Displays of a loss, in a net that is printed where its type is given."""
    printed = f"I{STAMP}Initializing net from parameters: \n{NET.format(kind=kind)}\n" if kind else ""
    texts = [
        text
        for at, loss in enumerate(losses)
        for text in (
            f"Iteration {at * every}, loss = {loss}",
            f"Train net output #0: loss = {loss} (* 1 = 1 loss)",
        )
    ]
    return printed + lines(*texts)


def old(*losses: float, scores: tuple[tuple[float, float], ...] = ()) -> str:
    """A log of 2014: no net, no names of outputs; tests before the first display and after each."""
    texts = []
    for at in range(max(len(losses) + 1, len(scores))):
        if at:
            texts.append(f"Iteration {at * 1000}, loss = {losses[at - 1]}")
        if at < len(scores):
            texts.append(f"Iteration {at * 1000}, Testing net")
            texts += [f"Test score #{number}: {score}" for number, score in enumerate(scores[at])]
    return lines("Solving tiny", *texts)


def explained(tmp_path: Path, log: str) -> Explanation:
    (tmp_path / "log").write_text(log + DONE)
    return api.explain(str(tmp_path / "log"))


AT_CHANCE = tuple((accuracy, 2.3026) for accuracy in (0.1, 0.11, 0.09, 0.1, 0.1, 0.1, 0.1, 0.1))
FALLING = (2.3, 1.9, 1.4, 1.0, 0.7, 0.4, 0.2, 0.1)
AT_ANOTHER = "".join(
    lines(
        f"Iteration {at}, Testing net (#0)",
        "Test net output #0: accuracy = 0.1",
        f"Test net output #1: loss = {2.3 / (1 + at)}",
    )
    for at in range(4)
)
NAN_IN_SUM = training(1, 1).replace("Iteration 20, loss = 1", "Iteration 20, loss = -nan")
TESTED = lines("Iteration 20, Testing net (#0)", "Test net output #0: loss = -1.5 (* 1 = -1.5 loss)")
BY_HEART = old(4e-8, 1.3, 0, scores=((0.13, 1.79), (0.11, 37.4), (0.08, 27.4), (0.13, 38.0)))
GROWING = (2.5, 45, 9e3, 5.1e7, 8.3e19, 3.3e24)
UNBALANCED = "".join(
    lines(
        f"Iteration {at}, Testing net (#0)",
        f"Test net output #0: accuracy = {0.8 if at else 0.2}",
        "Test net output #1: loss = 0.5",
    )
    for at in range(5)
)
BATCHES = lines("Batch 0, loss = {0}", "Batch 1, loss = {0}", "Loss: {0}")
WRONG = {
    "distances that grow": (
        training(*GROWING, kind="EuclideanLoss"),
        "the loss grows from 2.5 to 3.3e+24 at iteration 100: the training diverged",
    ),
    "growing, of an unknown net": (old(*GROWING), "the loss grows from 2.5 to 3.3e+24"),
    "far above chance": (
        training(2.4, *(35, 52, 41) * 5),
        "the loss rose from 2.4 to about 44.2, where guessing among 10 classes gives 2.303",
    ),
    "at chance after a leap": (
        training(2.3, 1.9, 1.7, 14.2, *[2.303] * 20),
        "the loss leapt to 14.2 at iteration 60 and has stayed at chance since",
    ),
    "at chance after saturation": (
        training(2.3, 1.9, 87.3365, *[2.303] * 20),
        "the loss leapt to 87.3365 at iteration 40 and has stayed at chance since",
    ),
    "at chance, and learned before": (
        training(2.3, 1.2, 1.1, 1.2, *[2.303] * 20),
        "fell to about 1.17 and has stayed at chance since",
    ),
    "nothing but tests, at chance": (
        training() + AT_ANOTHER.replace("loss = ", "loss = 2.3026 # ").replace("Iteration ", "Iteration 10"),
        "nothing is learned: the loss stays at chance, near ln 10",
    ),
    "a GPU that reads some labels past the scores": (
        training(5.0, 6.2, 4.1, 5.3, 4.4, 4.6, 4.9, 4.7)
        + AT_ANOTHER.replace("accuracy = 0.1", "accuracy = 0.8"),
        "the first loss of fc is 5, and it stays above ln 10 = 2.303 although accuracy is 0.8: some labels",
    ),
    "and some in val as well": (
        training(10.2, 8.2, 9.1, 9.3, 8.9, 9.6, 9.2, 9.5)
        + AT_ANOTHER.replace("accuracy = 0.1", "accuracy = 0.75").replace("loss = ", "loss = 9.2 # "),
        "the very first loss of fc is 10.2",
    ),
    "an accuracy by another name": (
        training(*FALLING) + AT_ANOTHER.replace("accuracy", "loss3/top-1"),
        "the loss of fc falls, but loss3/top-1 stays at 1/10",
    ),
    "one class for every image": (
        training(*(0.51, 0.49, 0.5) * 5) + UNBALANCED,
        "nothing is learned: accuracy is 0.8 in each of 4 tests and the loss stays at 0.498",
    ),
    "a test of weights that are no numbers": (
        BATCHES.format("nan"),
        "loss is nan in a test of these weights",
    ),
    "a test of weights that are saturated": (BATCHES.format("87.3365"), "loss is 87.3365 in a test of these"),
    "no number, without outputs": (
        old(4.6, float("nan")),
        "the loss is nan from iteration 2000 on: the training",
    ),
    "no number in the sum alone": (NAN_IN_SUM, "the loss is nan from iteration 20 on"),
    "negative": (
        training(2.3, -0.3),
        "the loss is -0.3 at iteration 20, and a softmax loss is never negative",
    ),
    "negative, of an unknown net": (training(2.3, -0.3, kind=""), "labels lie outside 0..num_output-1"),
    "negative, without outputs": (old(1.2, -9.1), "the loss is -9.1 at iteration 2000"),
    "negative in a test": (training(2.3, 1.2) + TESTED, "the loss is -1.5 at iteration 20"),
    "zero": (training(0, 0, 0), "the loss is 0 from iteration 0 on: there is nothing to learn"),
    "zero soon": (training(2.3, 0, 0, 0), "the loss is 0 from iteration 20 on"),
    "zero, of an unknown net": (old(0, 0, 0), "the loss is 0 from iteration 1000 on"),
    "saturated in part": (
        training(2.3, 87.3365, 78.6, 69.9),
        "the loss is 87.3365 at iteration 20: -ln of the",
    ),
    "learned by heart": (
        BY_HEART,
        "where score #0 stays at chance, 1/6: the training data was memorized",
    ),
    "tests that are no number": (
        training(*FALLING) + AT_ANOTHER.replace("loss = 0.575", "loss = nan"),
        "loss is nan in tests, but the training loss is a number",
    ),
    "another accuracy": (training(*FALLING) + AT_ANOTHER, "the loss of fc falls, but accuracy stays at 1/10"),
    "nothing is learned": (old(*[2.303] * 7, scores=AT_CHANCE), "near ln 10 for 10 classes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_curves_show_is_named(tmp_path: Path, case: str) -> None:
    """Also where the log has neither the net nor the names of its outputs."""
    log, cause = WRONG[case]

    found = explained(tmp_path, log)

    assert cause in found.cause
    assert found.fix
    assert not found.healthy


WELL = {
    "a loss that falls": training(*FALLING),
    "one that falls to nothing": training(2.3, 1e-3, 1e-5, 1e-7, 0, 0),
    "rounding below zero": training(2.3, 1e-6, -1e-7, 0.1),
    "one batch that was all wrong": training(2.3, 87.3365, 4.2, 2.0, 1.1, 0.5, 0.3),
    "a beginning far off that was made up for": training(75, 9.1, 2.0, 0.9, 0.3, 0.1, 0.05, 0.05),
    "ten classes of a hinge": training(*[2.3] * 8, kind="HingeLoss"),
    "a hinge that begins high": training(90, 60, 30, 20, 15, 9, 8, kind="HingeLoss"),
    "a hinge that is done": training(9, 0, 0, 0, 0, kind="HingeLoss"),
    "a multinomial at ln 10": training(*[2.3026] * 8, kind="MultinomialLogisticLoss"),
    "a loss of one's own below zero": training(1, 0.2, -3, -9, kind="AffinityLoss"),
    "distances": training(*[87.3] * 8, kind="EuclideanLoss"),
    "a softmax that is summed up": training(*[2.3] * 8).replace(
        'top: "loss"\n}', 'top: "loss"\n  loss_param {\n    normalization: NONE\n  }\n}'
    ),
    "an output that is no loss": training(*FALLING)
    + lines("Iteration 0, Testing net", "Test net output #0: mean_iu = nan") * 2,
    "old, and learned": old(1.2, 0.3, 0.01, scores=((0.1, 2.3), (0.7, 0.9), (0.9, 0.2), (0.97, 0.1))),
    "old, and on its way": old(1.9, 1.6, 1.3, scores=((0.1, 2.3), (0.1, 2.4), (0.11, 2.4), (0.1, 2.4))),
    "old, and overfitted": old(1.2, 1e-4, 1e-6, scores=((0.1, 2.3), (0.5, 2.9), (0.5, 4), (0.51, 5))),
    "batches at chance, and tests that are not": training(*[2.3] * 12)
    + AT_ANOTHER.replace("accuracy = 0.1", "accuracy = 0.9"),
    "augmented batches above chance": training(2.3, *(4.9, 5.8, 5.1) * 5)
    + AT_ANOTHER.replace("accuracy = 0.1", "accuracy = 0.9"),
    "a beginning far off, and a task that is hard": training(12, 5.1, 2.2, 1.7, 1.6, 1.55, 1.5, 1.5)
    + AT_ANOTHER.replace("accuracy = 0.1", "accuracy = 0.6"),
    "a few images of val, and a loss that falls": training(*FALLING) + UNBALANCED.replace("0.2", "0.8"),
    "a noisy loss that came down": training(2.3, 5.5, 1.9, 3.1, 1.4, 2.0, 1.0, 1.2, 0.7, 0.9, 0.5, 0.6),
    "a beginning far off that is still being made up for": training(9.5, 8.6, 7.4, 6.2, 5.1, 4.2, 3.3, 2.6)
    + AT_ANOTHER.replace("accuracy = 0.1", "accuracy = 0.4"),
    "a small val, and a loss that soon is as low as it gets": training(*(0.31, 0.3, 0.32) * 5)
    + UNBALANCED.replace("0.8", "0.95").replace("loss = 0.5", "loss = 0.12"),
    "distances that fall": training(*reversed(GROWING), kind="EuclideanLoss"),
    "a test of weights": BATCHES.format("0.31"),
    "too early to say": training(2.3, 2.3, 2.3, every=5),
    "a BatchNorm's first test": lines("Iteration 0, Testing net (#0)", "Test net output #0: loss = 87.3365")
    + training(*FALLING),
}  # fmt: skip


def test_five_guesses_of_ten_classes_are_no_learning(tmp_path: Path) -> None:
    """A top-5 accuracy at chance, 5/K, is above twice 1/K; wrong labels are not blamed for that."""
    top_5 = (
        'layer {\n  name: "top5"\n  type: "Accuracy"\n  bottom: "fc"\n  bottom: "label"\n  top: "top5"\n'
        "  accuracy_param {\n    top_k: 5\n  }\n}\n"
    )
    log = training(9.0, *[4.0] * 11).replace('layer {\n  name: "loss"', f'{top_5}layer {{\n  name: "loss"')

    found = explained(tmp_path, log + AT_ANOTHER.replace("accuracy = 0.1", "top5 = 0.5"))

    assert "some labels" not in found.cause


@pytest.mark.parametrize("case", WELL)
def test_what_went_well_is_healthy(tmp_path: Path, case: str) -> None:
    """Only what is certain is claimed of a loss that is no softmax, or of one that is no mean."""
    found = explained(tmp_path, WELL[case])

    assert found.cause.partition(",")[0] == "nothing is wrong here"
    assert found.healthy


@pytest.mark.parametrize(("gamma", "is_expected"), [(1.15, True), (0.9, False)])
def test_a_rate_that_rises_is_why_a_range_test_diverged(
    tmp_path: Path, gamma: float, is_expected: bool
) -> None:
    """Its first rate is not what was too high, and lowering that is no remedy."""
    solver = (
        f'I{STAMP}Initializing solver from parameters: \nbase_lr: 1e-06\nlr_policy: "exp"\ngamma: {gamma}\n'
    )
    found = explained(tmp_path, solver + training(2.3, 1.2, 9.1, float("nan")))

    assert ("raises the learning rate until" in found.cause) is is_expected
    assert ("lower solver.base_lr from 1e-06" in found.fix) is not is_expected
    assert bool(found.patch) is not is_expected
