"""What users are told: every sentence names the field and what to do, and none is Pydantic's."""

import math
import re
from collections.abc import Callable, Iterator

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from ftjob.net.proto import caffe_pb2
from jobspec import JobSpec, Problem
from jobspec.document import Document
from jobspec.explain import explain


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        ("solver: {base_Ir: 1}", "solver.base_Ir: is not a field of solver; did you mean base_lr?"),
        ("solver: {step-size: 1}", "solver.step-size: is not a field of solver; did you mean stepsize?"),
        ("bugdet: {usd: 1}", "bugdet: is not a field of a spec; did you mean budget?"),
        ("Engine: caffe", "Engine: is not a field of a spec; did you mean engine?"),
        ("accept: {not-below: 1}", "accept.not-below: is not a field of accept; did you mean not_below?"),
        (
            "solver: {learning_rate: 1}",
            "solver.learning_rate: is not a field of solver; did you mean base_lr?",
        ),
    ],
)
def test_a_misspelt_field_is_reported_with_the_one_that_was_meant(
    added: str, sentence: str, problem: Callable[[str], str]
) -> None:
    """At every level, whatever its case and dashes, and by the names other tools use."""
    assert problem(added) == f"spec.yaml:5: {sentence}"


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        ("base_lr: 1", "base_lr: is not a field of a spec; write it as solver.base_lr"),
        ("solver: {BatchSize: 1}", "solver.BatchSize: is not a field of solver; write it as data.batch_size"),
        ("solver: {crop: 224}", "solver.crop: is not a field of solver; write it as data.crop"),
        ("num_classes: 7", "num_classes: is not a field of a spec; write it as surgery.num_output"),
        (
            "solver: {test_iter: 100}",
            "solver.test_iter: is not needed here; every record of data.val is tested once",
        ),
        (
            "solver: {average_loss: 40}",
            "solver.average_loss: is not needed here; the metrics keep the loss of every iteration",
        ),
        (
            "solver: {snapshot_format: HDF5}",
            "solver.snapshot_format: is not needed here; snapshots are always binary, Caffe's BINARYPROTO",
        ),
        (
            "solver: {min_lr: 0.1}",
            "solver.min_lr: is only in NVIDIA's fork: in Caffe 1.0 the learning rate has no lower limit; leave it out",
        ),
        (
            "accept: {colour: red}",
            "accept.colour: is not a field of accept, which has accuracy, per_class, not_below, margin, on",
        ),
    ],
)
def test_a_field_in_the_wrong_place_is_reported_with_its_own(
    added: str, sentence: str, problem: Callable[[str], str]
) -> None:
    """A field that exists elsewhere, one that Caffe has and ftjob does not need, and one that nobody has."""
    assert problem(added) == f"spec.yaml:5: {sentence}"


@pytest.mark.parametrize("section", ["solver", "data"])
def test_every_field_of_caffe_is_known(section: str, least: str) -> None:
    """Those of its solver, data layer and transformation: taken, not needed, or written elsewhere."""
    messages = {
        "solver": (caffe_pb2.SolverParameter,),
        "data": (caffe_pb2.DataParameter, caffe_pb2.TransformationParameter),
    }
    names = {name for message in messages[section] for name in message.DESCRIPTOR.fields_by_name}

    for name in names:
        for found in problems_of(least, f"{section}.{name}", []):
            assert "is not a field of" not in found.message or re.search(
                r"; (write it|did you)", found.message
            )


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        (
            "solver: {random_seed: -1}",
            "must be 0 or more, got -1; leave it out: -1 seeds Caffe from the clock",
        ),
        (
            "solver: {clip_gradients: -1}",
            "must be greater than 0, got -1; leave it out, which means the same as",
        ),
        ("solver: {display: 0}", "must be 1 or more, got 0; leave it out"),
        ("solver: {snapshot: 0}", "such as 33%, got 0; leave it out for one every epoch"),
        ("solver: {lr_policy: plateau}", "or sigmoid, got \"plateau\"; only NVIDIA's and Intel's"),
        ("solver: {stepvalue: 100}", "must be a list, such as [a, b], got 100; write [100]"),
        (
            "solver: solver.prototxt",
            'got "solver.prototxt"; write the fields of that file here, under the same names',
        ),
    ],
)
def test_a_value_of_caffes_is_reported_with_what_to_write(
    added: str, sentence: str, problem: Callable[[str], str]
) -> None:
    """What means never, or anything, to Caffe has another spelling here."""
    assert sentence in problem(added)


def test_several_weights_are_one_too_many(problems: Callable[[str], list[str]]) -> None:
    """Caffe takes a list; the message explains what it does with it."""
    [line] = problems("name: a\nbase: {net: x, weights: [a, b]}\ndata: {train: x, val: y}\noutput: x")

    assert line.endswith("give one file: of several, Caffe copies each later one over those before it")


def test_a_misspelt_required_field_is_one_problem_not_two(problems: Callable[[str], list[str]]) -> None:
    """That `name` is missing goes without saying when `nam` was written."""
    text = "nam: a\nbase: {net: x}\ndata: {train: x, val: y}\noutput: x"

    assert problems(text) == ["spec.yaml:1: nam: is not a field of a spec; did you mean name?"]


def test_a_missing_field_is_reported_with_what_belongs_there(problems: Callable[[str], list[str]]) -> None:
    """In the line of the group it is missing from, where there is one."""
    assert problems("name: a\nbase:\n  weights: w\noutput: x") == [
        "spec.yaml: data: is missing; add it (the training and validation images: train, and val or val_split)",
        "spec.yaml:2: base.net: is missing; add it (the network: a built-in one such as googlenet, or the path"
        " or URI of any classification prototxt (train_val or deploy))",
    ]


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        (
            "surgery: {freeze: {up_too: conv1}}",
            "surgery.freeze: must be none, {up_to: LAYER} or {layers: [LAYER, ...]},"
            ' got {"up_too": "conv1"}; did you mean up_to?',
        ),
        (
            "surgery: {heads: loss3/classifier}",
            "surgery.heads: must be auto or a list of layer names, such as [loss3/classifier],"
            ' got "loss3/classifier"',
        ),
        (
            "surgery: {num_output: 1}",
            "surgery.num_output: must be auto or a number of classes from 2 to 1,000,000, got 1",
        ),
        (
            "solver: {stepsize: 0%}",
            "solver.stepsize: must be a number of iterations, 1 or more, or a share of the run above 0%,"
            ' such as 33%, got "0%"',
        ),
    ],
)
def test_a_field_of_several_types_is_reported_in_one_sentence(
    added: str, sentence: str, problem: Callable[[str], str]
) -> None:
    """What it may be, what it is; not one complaint for each type."""
    assert problem(added) == f"spec.yaml:5: {sentence}"


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        ("solver: {base_lr: -1}", "solver.base_lr: must be greater than 0, got -1"),
        ("solver: {momentum: 1}", "solver.momentum: must be less than 1, got 1"),
        ("solver: {max_iter: 0}", "solver.max_iter: must be 1 or more, got 0"),
        ("solver: {max_iter: 3000000000}", "solver.max_iter: must be 2147483647 or less, got 3000000000"),
        ("solver: {base_lr: .inf}", "solver.base_lr: must be a finite number, got Infinity"),
        ("solver: {base_lr: '0.1'}", 'solver.base_lr: must be a number, got "0.1"; remove the quotes'),
        ("solver: {base_lr: }", "solver.base_lr: must be a number, got nothing; give it a value or remove the line"),
        ("solver: {iter_size: 1.5}", "solver.iter_size: must be a whole number, got 1.5"),
        ("solver: {max_iter: 1e3}", "solver.max_iter: must be a whole number, got 1000.0; write 1000"),
        ("solver: {max_iter: 1e300}", "solver.max_iter: must be a whole number, got 1e+300"),
        ("resources: {smaller_batch: yes}", 'resources.smaller_batch: must be true or false, got "yes"; write true'),
        ("resources: {smaller_batch: off}", 'resources.smaller_batch: must be true or false, got "off"; write false'),
        ("resources: {spot: yes}", 'resources.spot: must be true, false or prefer, got "yes"; write true'),
        ("resources: {spot: prefr}", 'resources.spot: must be true, false or prefer, got "prefr"; did you mean prefer?'),
        ("guards: {patience: off}", 'guards.patience: must be a number of tests, 1 or more, or false, got "off"; write false'),
        ("guards: {not_learning: -1}", "guards.not_learning: must be a number of iterations, a share of the run such as 25%, or false, got -1"),
        ("guards: {idle_minutes: true}", "guards.idle_minutes: must be a number of minutes above 0, or false, got true"),
        ("surgery: {relearn: conv5}", 'surgery.relearn: must be a list, such as [a, b], got "conv5"; write [conv5]'),
        ("surgery: {relearn: [1]}", "surgery.relearn[0]: must be text, got 1; put it in quotes"),
        ("surgery: {relearn: ['']}", 'surgery.relearn[0]: must not be empty, got ""'),
        ("engine: cafe", 'engine: must be one of auto, caffe or torch, got "cafe"; did you mean caffe?'),
        ("engine: tensorflow", 'engine: must be one of auto, caffe or torch, got "tensorflow"'),
        ("budget: 4", "budget: must be a group of fields such as usd and hours, got 4"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_reported_with_what_was_got(
    added: str, sentence: str, problem: Callable[[str], str]
) -> None:
    """The limit or type, the value, and a remedy where one is plain."""
    assert problem(added) == f"spec.yaml:5: {sentence}"


def test_long_and_unprintable_values_are_cut_and_escaped(problem: Callable[[str], str]) -> None:
    """An error stays one line that can be read, whatever was written."""
    line = problem('engine: "' + "x" * 500 + '"')
    assert (line.endswith("xxx..."), len(line) < 130) == (True, True)
    assert problem('"a\\nb\\u2028": 1').startswith("spec.yaml:5: a\\nb\\u2028: is not a field")


def fields(model: type[BaseModel] = JobSpec, path: str = "") -> Iterator[str]:
    """Every field of the spec, sections and their fields alike."""
    for name, field in model.model_fields.items():
        yield path + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{path}{name}.")


def problems_of(text: str, path: str, value: object) -> list[Problem]:
    """The problems of a spec in which a field has a value; none where the value is taken."""
    values = yaml.safe_load(text)
    *sections, name = path.split(".")
    section = values
    for each in sections:
        section = section.setdefault(each, {})
    section[name] = value
    try:
        JobSpec.model_validate(values)
    except ValidationError as error:
        return explain(error, Document(values, {}))
    return []


WRONG = [None, True, -1, 0, 2**40, 1.5, -0.5, math.nan, "", " ", "\ud800", [], [[]], [{}], {}, {"a": 1}]


@pytest.mark.parametrize("path", list(fields()))
def test_no_wrong_value_is_reported_in_the_words_of_a_library(path: str, least: str) -> None:
    """Every field against every kind of value: taken, or refused in words of this project."""
    problems = [problem for value in WRONG for problem in problems_of(least, path, value)]

    assert problems
    assert not [each.message for each in problems if "Input" in each.message or "valid" in each.message]
    assert all(each.field.startswith(path) or path.startswith(each.field) for each in problems)
