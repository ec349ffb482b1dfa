"""Several trainings in one file, numbers as they are printed, and old forms of a training's lines."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.caffelog.lines import read_lines
from ftjob.caffelog.log import read_log
from ftjob.caffelog.progress import number, read_progress

STAMP = "1121 22:57:00.828 {} solver.cpp:1] "


def training(thread: int, *iterations: int, begins: bool = True, done: bool = True) -> str:
    """What a solver writes at its displays."""
    texts = [
        *(
            ["Initializing solver from parameters: ", "Creating training net", "Solving tiny"]
            if begins
            else []
        ),
        *(f"Iteration {iteration}, loss = {iteration + thread}" for iteration in iterations),
        *(["Optimization Done."] if done else []),
    ]
    return "".join(f"I{STAMP.format(thread)}{text}\n" for text in texts)


def shown(log: str) -> tuple[int, list[int], float | None]:
    """How many trainings there are, and the displays of the last one."""
    found = read_log(log)
    points = read_progress(found.lines).train
    return found.attempts, [point.iteration for point in points], points[0].loss if points else None


FATAL = f"F{STAMP.format(4)}Check failed: x\n"


@pytest.mark.parametrize(
    ("log", "attempts", "iterations", "loss"),
    [
        (training(4, 0, 20), 1, [0, 20], 4),
        (training(4, 0, 20) + training(5, 0, 20, 40), 2, [0, 20, 40], 5),
        (training(4, 0, 20, done=False) + training(5, 20, 40, done=False), 2, [20, 40], 25),
        (FATAL + training(5, 0), 2, [0], 5),
        (training(4, 0) * 3, 3, [0], 4),
        (training(4, 0, begins=False, done=False) + training(5, 0, begins=False), 1, [0, 0], 4),
        (training(4, 0, 9, begins=False, done=False) + training(5, 0, 9, begins=False), 2, [0, 9], 5),
        (training(4, 0, 20, begins=False) + training(5, 40, begins=False), 2, [40], 45),
        (training(4, 20, 40, begins=False), 1, [20, 40], 24),
    ],
)
def test_the_last_training_of_a_file_counts(
    log: str, attempts: int, iterations: list[int], loss: float
) -> None:
    """Whether it begins with its solver, after a failure, or with an iteration that has been."""
    assert shown(log) == (attempts, iterations, loss)


def test_trainings_side_by_side_are_one() -> None:
    """Processes whose lines are mixed begin no training anew; where they are numbered one of them is read."""
    first, other = (training(thread, 0, 20, begins=False).splitlines() for thread in (4, 5))
    mixed = [line for pair in zip(first, other, strict=True) for line in pair]

    assert read_log("\n".join(mixed)).attempts == 1
    ahead = [first[0], first[1], other[0], first[2], other[1], other[2]]
    assert read_log("\n".join(ahead)).attempts == 1
    numbered = "\n".join(f"[{at % 2}] {line}" for at, line in enumerate(mixed))
    assert shown(numbered) == (1, [0, 20], 4)
    assert shown(f"{numbered}\n[1] {FATAL}") == (1, [0, 20], 5)


def test_lines_that_are_numbered_are_of_one_process() -> None:
    """A number that no line shares is the line's."""
    lines = training(4, 0, 20, 40).splitlines()

    assert shown("\n".join(f"{at}: {line}" for at, line in enumerate(lines))) == (1, [0, 20, 40], 4)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.#QNAN", math.nan), ("-1.#IND", math.nan), ("1.#SNAN", math.nan), ("nan(ind)", math.nan),
        ("-nan(snan)", math.nan), ("-nan", math.nan), ("NaN", math.nan), ("1.#INF", math.inf),
        ("-1.#INF", -math.inf), ("inf", math.inf), ("-inf", -math.inf), ("1e+06", 1e6), ("-0", 0.0),
        ('2.5\\n",', 2.5), ("1e9999", math.inf),
    ],
)  # fmt: skip
def test_numbers_are_read_as_they_were_printed(text: str, value: float) -> None:
    """By glibc, and by Windows before and after 2015."""
    assert number(text) == pytest.approx(value, nan_ok=True)


@given(st.floats(width=32))
def test_a_number_of_six_digits_comes_back(value: float) -> None:
    """As C++ prints it, %g."""
    assert number(f"{value:g}") == pytest.approx(float(f"{value:g}"), nan_ok=True)


@pytest.mark.parametrize("text", ["", "loss", "-", "#INF", "(nan)"])
def test_what_is_no_number_is_none(text: str) -> None:
    """So that a line that was spoilt is passed over."""
    assert number(text) is None


def test_what_stands_before_a_stack_trace_is_fatal() -> None:
    """Where there are no stamps to say so, and whatever its words are."""
    log = "Creating Layer fc\nsomething nobody foresaw\n*** Check failure stack trace: ***\n    @ 0x1 main\n"

    assert [line.text for line in read_log(log).lines if line.level == "F"] == ["something nobody foresaw"]


def test_scores_without_names_have_those_of_the_net() -> None:
    """Caffe of 2014 numbers them in the order in which the TEST net names its outputs."""
    lines = ["Initializing net from parameters:", "This network produces output loss"]
    lines += ["Initializing net from parameters:", "This network produces output accuracy"]
    lines += ["This network produces output loss", "Iteration 0, Testing net"]
    lines += ["Test score #0: 0.5", "Test score #1: 0.7", "Test score #2: 9"]
    log = "".join(f"I{STAMP.format(4)}{line}\n" for line in lines)

    outputs = read_progress(read_log(log).lines).test[0].outputs

    assert outputs == {"accuracy": 0.5, "loss": 0.7, "score #2": 9.0}


def test_nets_of_old_forms_are_read() -> None:
    """Printed as layers of V1, they are layers of today; their rules are gone, as the net is filtered."""
    net = 'name: "old"\nlayers {\n  name: "fc"\n  type: INNER_PRODUCT\n  include {\n    phase: TEST\n  }\n}'
    log = (
        f"I{STAMP.format(4)}Initializing net from parameters: \n{net}\nI{STAMP.format(4)}Creating Layer fc\n"
    )

    layer = read_progress(read_log(log).lines).net.layer[0]

    assert (layer.name, layer.type, len(layer.include)) == ("fc", "InnerProduct", 0)


@pytest.mark.slow
def test_a_long_file_takes_no_longer_than_its_length() -> None:
    """Lines on which a search could go back again and again; with one that did this would not end."""
    hard = [
        "a",
        "a.b/c",
        "I0512 ",
        "I a: ",
        "a.cpp:1] ",
        "Top blob '",
        "1.1,1",
        "\x1b[1;",
        "mdb_(",
        "[1] ",
        '{"',
    ]
    for piece in hard:
        text = piece * (2_000_000 // len(piece))
        assert not read_log(text).known
        assert len(read_lines("\n".join(text[at : at + 7000] for at in range(0, len(text), 7000)))) > 200
