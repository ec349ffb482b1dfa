"""Specs to text and back: nothing is lost, and only what they mean makes a difference."""

import json
import random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from jobspec import JobSpec, digest, dump_spec, parse_spec
from jobspec.dump import _Dumper

names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
texts = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12) | st.sampled_from(
    [
        "no",
        "1e3",
        "1_0",
        "0o7",
        "~",
        "null",
        "true",
        "1:30",
        "2024-01-01",
        "<<",
        "=",
        "- a",
        "a: b",
        "#",
        "'",
        "%",
    ]
)
printable = texts.filter(str.isprintable)
locations = printable.filter(lambda t: t == t.strip() and not t.startswith("run:") and "://" not in t)
shares = st.decimals(1, 100, places=2).map(lambda share: f"{share}%")
iterations = st.integers(1, 10**6) | shares
positive = st.floats(1e-12, 1e12)
layers = st.lists(printable, min_size=1, max_size=3)
specs = st.fixed_dictionaries(
    {
        "name": names,
        "base": st.fixed_dictionaries(
            {"net": locations}, optional={"weights": locations | names.map(lambda name: f"run:{name}@7")}
        ),
        "data": st.fixed_dictionaries(
            {"train": locations, "val_split": st.floats(0.01, 0.99)},
            optional={
                "mean": st.sampled_from(["auto", "none", "x.binaryproto"]) | st.lists(positive, min_size=1),
                "mirror": st.booleans(),
                "crop": st.integers(1, 512),
            },
        ),
        "output": locations,
    },
    optional={
        "surgery": st.fixed_dictionaries(
            {},
            optional={
                "heads": layers,
                "num_output": st.integers(2, 99),
                "freeze": st.builds(lambda names: {"layers": names}, layers)
                | st.builds(lambda name: {"up_to": name}, printable),
            },
        ),
        "solver": st.fixed_dictionaries(
            {},
            optional={
                "base_lr": positive,
                "stepsize": iterations,
                "snapshot": iterations,
                "epochs": st.floats(1e-12, 1e6),
            },
        ),
        "accept": st.fixed_dictionaries({}, optional={"accuracy": st.floats(0, 1)}),
    },
)


def shuffled(value: Any, order: random.Random) -> Any:
    """The same value with the fields of every mapping in another order."""
    if not isinstance(value, dict):
        return value
    return {key: shuffled(value[key], order) for key in order.sample(list(value), len(value))}


@settings(deadline=None)
@given(specs)
def test_a_dumped_spec_is_read_as_an_equal_one(values: dict[str, Any]) -> None:
    """Whatever text stands in it, a spec survives being written; and its digest with it."""
    spec = JobSpec.model_validate(values)

    again = parse_spec(dump_spec(spec), "again")
    assert (again, digest(again)) == (spec, digest(spec))


@settings(deadline=None)
@given(specs, st.randoms(use_true_random=False), st.booleans(), st.integers(1, 8))
def test_the_way_a_spec_is_written_does_not_change_its_digest(
    values: dict[str, Any], order: random.Random, flow: bool, indent: int
) -> None:
    """Neither the order of fields nor spaces, quotes, comments or braces do."""
    as_json = json.dumps(shuffled(values, order))
    as_yaml = yaml.dump(
        json.loads(as_json), Dumper=_Dumper, sort_keys=False, default_flow_style=flow, indent=indent
    )

    digests = {
        digest(parse_spec(text, "spec.yaml")) for text in (f"# comment\n\n{as_json}  # more\n", as_yaml)
    }
    assert digests == {digest(JobSpec.model_validate(values))}


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("solver: {base_lr: 0.001}", "solver: {base_lr: 1e-3}"),
        ("solver: {base_lr: 1}", "solver: {base_lr: 1.0}"),
        ("solver: {weight_decay: 0}", "solver: {weight_decay: -0.0}"),
        ("solver: {stepsize: 33%}", "solver: {stepsize: '33.0%'}"),
        ("surgery: {freeze: none}", "surgery: {}"),
        ("budget: {usd: null}", ""),
    ],
)
def test_equal_values_have_equal_digests(first: str, other: str, least: str) -> None:
    """What means the same is the same run."""
    assert digest(parse_spec(least + first, "first")) == digest(parse_spec(least + other, "other"))


@pytest.mark.parametrize(
    "change", ["solver: {base_lr: 0.002}", "surgery: {freeze: {up_to: a}}", "engine: torch"]
)
def test_other_values_have_other_digests(change: str, least: str) -> None:
    """Every value counts."""
    assert digest(parse_spec(least + change, "changed")) != digest(parse_spec(least, "least"))


def test_text_that_yaml_would_fold_or_drop_is_kept(least: str) -> None:
    """Blanks at the ends of layers' names and in them, quotes, and text longer than a line."""
    names = [" a ", "a  b", "a' \"b", "a " * 100]
    spec = JobSpec.model_validate({**yaml.safe_load(least), "surgery": {"relearn": names}})

    assert parse_spec(dump_spec(spec), "again") == spec


def test_a_dump_is_easy_to_read(least: str) -> None:
    """Fields in the order of the documentation, lists in one line, nothing that is empty."""
    text = dump_spec(parse_spec(least + "solver: {lr_policy: multistep, stepvalue: [50%, 85%]}", "spec.yaml"))

    assert text.startswith("name: emotions\nbase:\n  net: googlenet\nsurgery:\n  heads: auto\n")
    assert "stepvalue: [50%, 85%]\n" in text
    assert "null" not in text
