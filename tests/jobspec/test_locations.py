"""Which fields of a spec name a place: each of them, and no word that only looks like one."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from jobspec import JobSpec, json_schema
from jobspec.locations import FIELDS, MEAN_WORDS, RUN_FIELDS, locations, run_references, with_locations

NETS = ("lenet", "googlenet")
SPEC: dict[str, Any] = {
    "name": "faces",
    "base": {"net": "net.prototxt", "weights": "s3://models/w.caffemodel"},
    "data": {"train": "train", "val": "val", "mean": "mean.binaryproto"},
    "accept": {"not_below": "runs/faces/0123456789", "on": "holdout"},
    "output": "runs",
}


def spec(**sections: dict[str, Any]) -> JobSpec:
    """The spec above with some fields changed."""
    return JobSpec.model_validate(
        {**SPEC, **{name: {**SPEC.get(name, {}), **change} for name, change in sections.items()}}
    )


def patterns(schema: Any) -> Iterator[str]:
    """Every pattern in a schema."""
    if isinstance(schema, dict):
        yield from (value for key, value in schema.items() if key == "pattern")
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from patterns(inner)


def fields() -> Iterator[tuple[str, list[str]]]:
    """Every field of a spec, by section, with the patterns of its values."""
    whole = json_schema()
    for name, field in whole["properties"].items():
        section = whole["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else None
        if section is None:
            yield name, [*patterns(field)]
        else:
            for inner, schema in section["properties"].items():
                yield f"{name}.{inner}", [*patterns(schema)]


def takes_run(field: str) -> bool:
    """Whether a field may hold `run:NAME`."""
    section, _, name = field.rpartition(".")
    try:
        spec(**{section: {name: "run:faces"}}) if section else JobSpec.model_validate(
            {**SPEC, name: "run:faces"}
        )
    except ValidationError:
        return False
    return True


def test_the_list_has_every_field_that_takes_a_path_or_a_run() -> None:
    """A field that is new in the spec, and has the type of a location, is missed here."""
    places = [name for name, found in fields() if any("://" in each for each in found)]
    runs = [name for name in places if takes_run(name)]

    assert sorted(places) == sorted(FIELDS)
    assert sorted(runs) == sorted(RUN_FIELDS)
    words, *_ = json_schema()["$defs"]["Data"]["properties"]["mean"]["anyOf"]
    assert tuple(words["enum"]) == MEAN_WORDS


def test_every_location_is_named_by_its_field() -> None:
    """In the order of the spec."""
    assert locations(spec(), NETS) == {
        "base.net": "net.prototxt",
        "base.weights": "s3://models/w.caffemodel",
        "data.train": "train",
        "data.val": "val",
        "data.mean": "mean.binaryproto",
        "accept.not_below": "runs/faces/0123456789",
        "accept.on": "holdout",
        "output": "runs",
    }


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("base.net", {"base": {"net": "lenet"}}),
        ("base.weights", {"base": {"weights": None}}),
        ("base.weights", {"base": {"weights": "run:faces@400"}}),
        ("base.weights", {"base": {"weights": "alias:faces"}}),
        ("data.val", {"data": {"val": None, "val_split": 0.2}}),
        ("accept.not_below", {"accept": {"not_below": "run:faces"}}),
        ("accept.on", {"accept": {"on": None}}),
        ("data.mean", {"data": {"mean": "auto"}}),
        ("data.mean", {"data": {"mean": "none"}}),
        ("data.mean", {"data": {"mean": [104.0, 117.0, 123.0]}}),
    ],
)
def test_words_values_and_runs_are_no_locations(field: str, change: dict[str, Any]) -> None:
    """And are left as they are."""
    made = spec(**change)

    assert field not in locations(made, NETS)
    assert [name for name in FIELDS if name != field] == list(locations(made, NETS))
    changed = with_locations(made, str.upper, NETS)
    assert set(locations(changed, NETS).values()) == {each.upper() for each in locations(made, NETS).values()}
    assert with_locations(made, str, NETS) == made


def test_stages_name_their_data_in_their_own_fields() -> None:
    """A change reaches those alone that a stage has itself, and every place is changed once."""

    def elsewhere(place: str) -> str:
        return f"{place}-elsewhere"

    stages = [{}, {"data": {"train": "more"}}, {"data": {"val": "s3://bucket/val"}}]
    made = JobSpec.model_validate({**SPEC, "data": {"train": "train", "val": "val"}, "stages": stages})

    own = {"stages[1].data.train": "more", "stages[2].data.val": "s3://bucket/val"}
    assert locations(made, NETS) == {**locations(spec(data={"mean": "auto"}), NETS), **own}
    changed = with_locations(made, elsewhere, NETS)
    assert locations(changed, NETS) == {name: elsewhere(each) for name, each in locations(made, NETS).items()}
    assert changed.stage_specs()[2].data.train == "more-elsewhere"
    assert with_locations(made, str, NETS) == made


def test_a_run_is_found_wherever_it_may_be_named() -> None:
    """In the weights and in what is asked of the result."""
    made = spec(base={"weights": "run:faces"}, accept={"not_below": "run:eyes"})

    assert run_references(made) == {"base.weights": "run:faces", "accept.not_below": "run:eyes"}
    assert run_references(spec(base={"weights": "alias:faces@7"})) == {"base.weights": "alias:faces@7"}
    assert run_references(spec()) == {}
