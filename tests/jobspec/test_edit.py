"""A spec's text with fields changed in place, and the form that is made from the schema."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobspec import JobSpec, SpecError, dump_spec, json_schema, parse_spec
from jobspec.document import Path
from jobspec.dump import flow, plain_yaml
from jobspec.forms.edit import GONE, edited, fields_of, value_of
from jobspec.forms.spec_form import field_of, form_changes, form_texts, spec_form

TEXT = """\
# Pets, by breed.
name: pets  # ours
base: {net: googlenet, weights: 'a: b'}   # published
surgery:
  freeze:
    up_to: conv2   # the first layers

  # heads: auto
data:
  train: pets
  val_split: 0.25
solver:
  lr_policy: multistep
  stepvalue:
    - 50%
    - 85%
# to be kept
output: runs"""
WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
NAMES = st.sampled_from(["name", "base", "net", "weights", "surgery", "freeze", "up_to", "solver", "engine"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
MAPPINGS = st.recursive(VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=8)
DOCUMENTS = st.dictionaries(NAMES, MAPPINGS, max_size=5)


def wanted(values: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The values with another one at a path; a section without fields is none."""
    first, *rest = path
    inner = values.get(str(first))
    if value is GONE and (first not in values or (rest and not isinstance(inner, dict))):
        return values
    if value is GONE and rest and wanted(inner, tuple(rest), GONE) == inner:
        return values
    if rest:
        value = wanted(inner if isinstance(inner, dict) else {}, tuple(rest), value) or GONE
    kept = {name: each for name, each in values.items() if name != first}
    return kept if value is GONE else {**kept, str(first): value}


@given(DOCUMENTS, PATHS, VALUES | st.just(GONE), st.booleans())
@example({"name": {}}, ("name",), GONE, True)
def test_the_new_text_has_the_new_values(
    values: dict[str, Any], path: Path, value: Any, in_one_line: bool
) -> None:
    """Whatever the values are, in block style and in one line."""
    text = flow(values) if in_one_line else plain_yaml(values)

    assert fields_of(edited(text, {path: value})) == wanted(values, path, value)


@given(VALUES)
def test_a_value_in_one_line_is_read_as_itself(value: Any) -> None:
    """As a field's value, where the form shows it."""
    assert value_of(flow(value)) == value


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        (("name",), "dogs", "name: pets  #", "name: dogs  #"),
        (("base", "net"), "lenet", "net: googlenet,", "net: lenet,"),
        (("base", "weights"), GONE, ", weights: 'a: b'}", "}"),
        (("base", "net"), GONE, "{net: googlenet, weights", "{weights"),
        (("surgery", "freeze"), "none", "    up_to: conv2   #", "    none   #"),
        (("surgery", "heads"), ["fc8"], "first layers\n", "first layers\n  heads: [fc8]\n"),
        (("solver", "stepvalue"), ["9%"], "    - 50%\n    - 85%\n", "    [9%]\n"),
        (("data", "val_split"), GONE, "  val_split: 0.25\n", ""),
        (("budget", "usd"), 4, "output: runs", "output: runs\nbudget: {usd: 4}\n"),
    ],
)
def test_the_rest_stays_as_its_author_wrote_it(path: Path, value: Any, before: str, after: str) -> None:
    """Comments, empty lines, quotes and the order."""
    assert TEXT.count(before) == 1
    assert edited(TEXT, {path: value}) == TEXT.replace(before, after)


def test_what_is_the_same_already_changes_nothing() -> None:
    """Unless its type is another: a batch of 1.0 images is an error that must be seen."""
    text = "solver: {gpus: 1}  # one\n"

    assert edited(text, {("solver", "gpus"): 1, ("engine",): GONE}) is text
    assert "1.0" in edited(text, {("solver", "gpus"): 1.0})


def test_a_field_behind_an_alias_changes_alone() -> None:
    """The text is written anew, since the anchor's own field must stay."""
    text = "solver: &one {base_lr: 1}\nguards: *one\n"

    changed = edited(text, {("guards", "base_lr"): 2})
    assert fields_of(changed) == {"solver": {"base_lr": 1}, "guards": {"base_lr": 2}}


def test_what_is_no_yaml_is_refused() -> None:
    """With its line, as everywhere."""
    with pytest.raises(SpecError, match="2"):
        edited("name: a\n  b: [\n", {("name",): "b"})


def test_the_form_has_every_field_of_the_schema() -> None:
    """But those of stages and sweeps, which are lists of sections; each with its description and default."""
    schema = json_schema()
    sections = {name for name, prop in schema["properties"].items() if "$ref" in prop}
    fields = {field.path: field for section in spec_form() for field in section.fields}

    assert {section.name for section in spec_form()} == {"run", *sections}
    for name in sections:
        definition = schema["$defs"][schema["properties"][name]["$ref"].rpartition("/")[2]]
        assert {path[1] for path in fields if path[0] == name} == definition["properties"].keys()
    alone = schema["properties"].keys() - sections - {"stages", "sweep"}
    assert {path[0] for path in fields if len(path) == 1} == alone
    assert all(field.description for field in fields.values())
    assert fields["solver", "lr_policy"].choices[:2] == ("fixed", "step")
    assert fields["resources", "spot"].choices == ("true", "false", "prefer")
    assert fields["surgery", "freeze"].words == ("none",)
    assert fields["solver", "gpus"].range == "at least 1, at most 64"
    assert fields["data", "val_split"].range == "above 0, below 1"


def test_the_form_of_a_whole_spec_makes_that_spec() -> None:
    """Every default that it shows is what ftjob takes for nothing, and is read as itself."""
    spec = parse_spec(TEXT, "spec.yaml")
    whole = dump_spec(spec)
    changes = form_changes({}, form_texts(whole))

    assert parse_spec(edited("", changes), "form") == spec
    defaults = {field.name: field.default for section in spec_form() for field in section.fields}
    shown = {name: text for name, text in form_texts(dump_spec(_least())).items() if text}
    assert {name: text for name, text in defaults.items() if text} == {
        name: text for name, text in shown.items() if defaults[name]
    }


def _least() -> JobSpec:
    return parse_spec("{name: a, base: {net: lenet}, data: {train: t, val: v}, output: o}", "spec.yaml")


def test_only_what_was_changed_in_the_form_is_changed() -> None:
    """Numbers, words, lists and groups as in YAML, text as it stands; an empty field is none."""
    before = form_texts(TEXT)
    typed = {**before, "name": "no", "solver.base_lr": "1e-3", "data.val_split": " "}
    typed |= {"surgery.freeze": "{layers: [a, 'b*']}", "data.mean": "[104, 117, 123]"}

    assert form_changes(before, typed) == {
        ("name",): "no",
        ("solver", "base_lr"): 0.001,
        ("data", "val_split"): GONE,
        ("surgery", "freeze"): {"layers": ["a", "b*"]},
        ("data", "mean"): [104, 117, 123],
    }


def test_a_problem_is_found_at_its_field() -> None:
    """Also one within a field's list or group, and none where the form has no such field."""
    text = TEXT.replace("up_to: conv2", "layers: [1, b]").replace("pets  #", "Pets!  #") + "\nstages: []\n"
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "spec.yaml")

    fields = [field_of(problem) for problem in caught.value.problems]
    assert fields == ["name", "surgery.freeze", None]
