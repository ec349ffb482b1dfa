"""What fields must be to each other, and which mistakes are found before anything else is."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from jobspec import FreezeLayers, FreezeUpTo, JobSpec, Solver, digest, parse_spec


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        ("{epochs: 1, max_iter: 3}", "solver: give epochs or max_iter, not both"),
        ("{lr_policy: multistep}", "solver.stepvalue: is missing; lr_policy multistep needs a list such as [50%, 85%]"),
        ("{stepvalue: [50%]}", "solver.stepvalue: is for lr_policy multistep, and lr_policy is step"),
        ("{lr_policy: exp}", "solver.gamma: is missing; lr_policy exp needs one of its own, such as 0.9999"),
        ("{gamma: 0}", "solver.gamma: must be greater than 0, got 0"),
        ("{type: AdaGrad, momentum: 0.9}", "solver.momentum: cannot be used with type AdaGrad; remove it"),
        ("{lr_policy: multistep, stepvalue: [9, 5]}", "solver.stepvalue: must be ascending, got 9 before 5"),
        ("{lr_policy: multistep, stepvalue: [5, 5]}", "solver.stepvalue: must be ascending, got 5 before 5"),
        ("{lr_policy: multistep, stepvalue: [85%, 50%]}", "solver.stepvalue: must be ascending, got 85% before 50%"),
        (
            "{lr_policy: multistep, stepvalue: [60, 50%], max_iter: 100}",
            "solver.stepvalue: must be ascending, got 60 before 50%",
        ),
    ],
)  # fmt: skip
def test_solver_fields_that_contradict_each_other(
    added: str, sentence: str, problem: Callable[[str], str]
) -> None:
    """Caffe would end at start, or train on with a rate that nobody meant."""
    assert problem(f"solver: {added}") == f"spec.yaml:5: {sentence}"


@pytest.mark.parametrize(
    "added",
    [
        "{lr_policy: multistep, stepvalue: [10%, 50%, 85.5%]}",
        "{lr_policy: multistep, stepvalue: [60, 50%]}",
        "{lr_policy: multistep, stepvalue: [40, 50%], max_iter: 100}",
        "{lr_policy: sigmoid, gamma: 0.1}",
        "{lr_policy: exp, gamma: 0.99}",
        "{type: RMSProp}",
    ],
)
def test_solver_fields_that_fit_each_other(added: str, least: str) -> None:
    """Steps of a length that is not known yet are taken as they stand."""
    parse_spec(f"{least}solver: {added}", "spec.yaml")


def test_solvers_without_momentum_have_none() -> None:
    """Caffe refuses momentum with AdaGrad and RMSProp, so their default is 0 and not 0.9."""
    assert [Solver(type=name).momentum for name in ("AdaGrad", "RMSProp", "SGD")] == [0.0, 0.0, 0.9]


DATA = """\
name: a
base: {net: x}
output: runs
data: """


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("{train: x}", "data: give exactly one of val (a dataset) and val_split (a share of train)"),
        ("{train: x, val: y, val_split: 0.1}", "data: give exactly one of val (a dataset) and val_split (a share of train)"),
        ("{train: x, val: x}", "data.val: is the same as data.train; a net is tested on images it has not seen"),
        ("{train: x, val: y, crop: 300, resize: 256}", "data.crop: must be 256 or less, the size of the resized images, got 300"),
        ("{train: x, val_split: 25%}", 'data.val_split: must be a share above 0 and below 1, such as 0.25, got "25%"'),
        (
            "{train: x, val: y, mean: mean.npy}",
            "data.mean: must be auto, none, a list such as [104, 117, 123] (BGR) or the path of a .binaryproto,"
            ' got "mean.npy"',
        ),
        ("{train: ' x', val: y}", "data.train: begins or ends with a space; remove it"),
        ('{train: "x\\ny", val: y}', "data.train: contains an invisible character (x\\ny); remove it"),
        ("{train: 's3://', val: y}", "data.train: names no bucket; write s3://BUCKET/KEY"),
        (
            "{train: 's3://host:9000/x', val: y}",
            "data.train: 'host:9000' is not a bucket name; give 3 to 63 lower-case letters, digits, dots and dashes,"
            " beginning and ending with a letter or digit, and not an address",
        ),
        ("{train: 's3://data/a//b', val: y}", "data.train: the key 'a//b' has an empty, dotted or unprintable part; rename it"),
        ("{train: 'https://h/x', val: y}", "data.train: there is no store https://; use s3://, gs://, az:// or a directory"),
        ("{train: x, val: y, crop: 20000}", "data.crop: must be 16384 or less, got 20000"),
        ("{train: 'run:a', val: y}", "data.train: must be a path or URI; only base.weights and accept.not_below can name a run"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_meant(data: str, sentence: str, problems: Callable[[str], list[str]]) -> None:
    """Found in the spec, before a byte of the data is read."""
    assert problems(DATA + data) == [f"spec.yaml:4: {sentence}"]


@pytest.mark.parametrize(
    "location", ["s3://key:secret@bucket/data", "https://h/x?X-Amz-Signature=secret", "s3://b/k?sig=secret"]
)
def test_credentials_are_refused_and_not_repeated(
    location: str, problems: Callable[[str], list[str]]
) -> None:
    """They would end up in run folders, manifests and logs; the error keeps them out of the terminal too."""
    values = f"{{train: '{location}', val: y, mean: '{location}.binaryproto'}}"
    problem = "contains credentials, which would end up in logs and run folders; give a plain URI"

    assert problems(DATA.replace("net: x", f"net: x, weights: '{location}'") + values) == [
        f"spec.yaml:2: base.weights: {problem}",
        f"spec.yaml:4: data.train: {problem}",
        f"spec.yaml:4: data.mean: {problem}",
    ]


@pytest.mark.parametrize(
    "weights",
    ["a.caffemodel", "s3://models/a.caffemodel", "run:a-9k", "run:a-9k@4000", "alias:a", "alias:a-9k@12"],
)
def test_weights_are_a_place_or_a_run(weights: str, least: str) -> None:
    """A file, a URI, the best snapshot of a run or one of its iterations, a promoted run or an earlier one."""
    text = least.replace("googlenet", f"googlenet, weights: '{weights}'")

    assert parse_spec(text, "spec.yaml").base.weights == weights


@pytest.mark.parametrize(
    "weights",
    [
        *("run:", "run:A", "run:a@", "run:a@0", "run:a@best", "run: a"),
        *("alias:", "alias:A", "alias:a@", "alias:a@0", "alias:a@now", "alias: a", "alias:runs/models/a"),
        f"alias:{'a' * 64}",
    ],
)
def test_a_run_that_cannot_be_is_refused(
    weights: str, least: str, problems: Callable[[str], list[str]]
) -> None:
    """What begins with `run:` or `alias:` is never taken for a file."""
    (line,) = problems(least.replace("googlenet", f"googlenet, weights: '{weights}'"))

    assert "base.weights: must be a" in line


@pytest.mark.parametrize(
    ("surgery", "sentence"),
    [
        ("{num_output: 1000001}", "num_output: must be auto or a number of classes from 2 to 1,000,000, got 1000001"),
        ('{heads: ["a\\u202eb"]}', "heads: contains an invisible character (a\\u202eb); remove it"),
        ('{relearn: ["a\\nb"]}', "relearn[0]: contains an invisible character (a\\nb); remove it"),
        ('{freeze: {up_to: "\\e[31m"}}', "freeze: contains an invisible character (\\x1b[31m); remove it"),
        (f"{{relearn: [{'a, ' * 1000} a]}}", "relearn: must have at most 1000 entries"),
        (f"{{relearn: [{'a' * 256}]}}", "relearn[0]: must have at most 255 characters"),
    ],
)  # fmt: skip
def test_layers_have_names_that_can_be_read(
    surgery: str, sentence: str, problem: Callable[[str], str]
) -> None:
    """They are shown in plans, messages and on the cluster."""
    assert problem(f"surgery: {surgery}").startswith(f"spec.yaml:5: surgery.{sentence}")


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a-", "a.b", "", "x" * 41, "a\n"])
def test_a_name_that_is_no_dns_label_is_refused(name: str, problems: Callable[[str], list[str]]) -> None:
    """Kubernetes would refuse it, or its Job's name, much later."""
    (line,) = problems(
        f"name: {name!r}\nbase: {{net: x}}\ndata: {{train: x, val: y}}\noutput: r".replace("'", '"')
    )

    assert line.startswith("spec.yaml:1: name: must be 1 to 40 lower-case letters")


@pytest.mark.parametrize(
    ("written", "freeze"),
    [
        ("{up_to: inception_4e}", FreezeUpTo(up_to="inception_4e")),
        ("{layers: [conv1*]}", FreezeLayers(layers=["conv1*"])),
        ("none", "none"),
    ],
)
def test_freeze_is_one_of_three(written: str, freeze: object, least: str) -> None:
    """Up to a layer, some layers, or none."""
    assert parse_spec(f"{least}surgery: {{freeze: {written}}}", "spec.yaml").surgery.freeze == freeze


def test_a_head_that_never_learns_is_refused(problem: Callable[[str], str]) -> None:
    """head_lr_mult 0 would freeze the very layers that begin from noise."""
    assert problem("surgery: {head_lr_mult: 0}").endswith(
        "surgery.head_lr_mult: must be greater than 0, got 0"
    )


def test_a_spec_cannot_be_changed(least: str) -> None:
    """Its digest is its run's name."""
    spec = parse_spec(least, "spec.yaml")

    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]


def test_the_canonical_spec_makes_an_equal_spec(least: str) -> None:
    """Plain values with all defaults are a whole spec again."""
    spec = parse_spec(least, "spec.yaml")

    assert JobSpec.model_validate(spec.canonical()) == spec


def test_a_field_that_came_later_leaves_specs_without_it_their_identity(least: str) -> None:
    """solver.precision: at its default it is no part of the canonical spec, else it is."""
    plain = parse_spec(least, "spec.yaml")
    given, other = (
        plain.model_copy(update={"solver": plain.solver.model_copy(update={"precision": precision})})
        for precision in ("auto", "fp32")
    )

    assert "precision" not in plain.canonical()["solver"]
    assert digest(given) == digest(plain) != digest(other)
    assert other.canonical()["solver"]["precision"] == "fp32"
    assert JobSpec.model_validate(other.canonical()) == other
