"""A sweep's members: which there are, how they are called, and what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobspec import FreezeUpTo, JobSpec, SpecError, digest, dump_spec, parse_spec
from jobspec.sweeps.members import Member, member_names, members, sweep_id

SPEC = """\
name: digits
base: {net: lenet}
data: {train: /a, val: /b}
output: /out
"""


def spec(sweep: str, more: str = "") -> JobSpec:
    return parse_spec(f"{SPEC}{more}sweep:\n{sweep}", "spec.yaml")


def names(sweep: str) -> list[str]:
    return [member.name for member in members(spec(sweep))]


def problems(sweep: str, more: str = "") -> list[str]:
    with pytest.raises(SpecError) as caught:
        spec(sweep, more)
    return str(caught.value).splitlines()


def test_a_grid_has_every_combination_once_in_the_order_of_the_spec() -> None:
    """The first field changes slowest, as in nested loops; a value given twice is one member."""
    made = members(spec("  solver.base_lr: [0.1, 0.01, 1e-1]\n  surgery.freeze: [none, {up_to: conv1}]\n"))

    assert [member.label for member in made] == [
        *("base_lr 0.1, freeze none", "base_lr 0.1, freeze {up_to: conv1}"),
        *("base_lr 0.01, freeze none", "base_lr 0.01, freeze {up_to: conv1}"),
    ]
    assert [member.spec.solver.base_lr for member in made] == [0.1, 0.1, 0.01, 0.01]


def test_a_member_is_the_spec_with_its_values_and_without_the_sweep() -> None:
    """So it is the same run as if somebody had written it by hand; it only knows its sweep."""
    [member] = members(spec("  solver.base_lr: [0.1]\n", "budget: {usd: 3}\n"))
    by_hand = parse_spec(f"{SPEC}budget: {{usd: 3}}\nsolver: {{base_lr: 0.1}}\n", "spec.yaml")

    assert member.spec == by_hand.model_copy(update={"name": member.name, "member_of": "digits"})
    assert member_names("digits").fullmatch(member.name)


def test_another_value_leaves_the_members_that_there_are() -> None:
    """In a grid as in a random search: names depend on nothing but the sweep's name and the values."""
    assert set(names("  solver.base_lr: [0.1]\n")) < set(names("  solver.base_lr: [0.2, 0.1]\n"))
    drawn = "  search: random\n  solver.base_lr: {min: 0.001, max: 0.1, log: true}\n  members: "
    assert names(f"{drawn}20\n")[:7] == names(f"{drawn}7\n")


@given(length=st.integers(1, 40), end=st.sampled_from(["", "-"]))
def test_every_name_is_a_name(length: int, end: str) -> None:
    """However long the sweep's own is, and wherever it is cut."""
    long = ("a" * 30 + end + "a" * 9)[:length].rstrip("-")
    made = members(spec("  solver.base_lr: [0.1, 0.2]\n").model_copy(update={"name": long}))

    assert [parse_spec(dump_spec(member.spec), "spec").name for member in made] == [
        member.name for member in made
    ]
    assert len({member.name for member in made}) == 2


def test_a_random_search_draws_within_its_ranges() -> None:
    """Whole numbers where the field has them, few digits where it has not, all of them different."""
    made = members(
        spec(
            "  search: random\n  members: 50\n  solver.base_lr: {min: 0.0001, max: 0.1, log: true}\n"
            "  solver.iter_size: {min: 1, max: 4}\n  solver.type: [SGD, Adam]\n"
        )
    )
    rates = [member.spec.solver.base_lr for member in made]

    assert len(made) == len({member.name for member in made}) == 50
    assert all(0.0001 <= rate <= 0.1 for rate in rates)
    assert 15 <= sum(rate < 10**-2.5 for rate in rates) <= 35
    assert {member.spec.solver.iter_size for member in made} == {1, 2, 3, 4}
    assert {member.spec.solver.type for member in made} == {"SGD", "Adam"}


def test_a_random_search_ends_where_nothing_new_is_left() -> None:
    """Two values make two members, however many are asked for."""
    assert len(names("  search: random\n  members: 9\n  solver.type: [SGD, Adam]\n")) == 2


STAGES = """\
stages:
  - {name: few}
  - {name: many, data: {train: /many}}
"""


def by_freezing(sweep: str) -> tuple[Member, ...]:
    return members(spec(sweep, STAGES))


def test_a_field_of_a_stage_varies_in_that_stage() -> None:
    """Where the stage lays nothing over it, too; what the stage wrote besides stays."""
    first, second = by_freezing(
        "  stages[1].surgery.freeze: [none, {up_to: conv1}]\n  stages[1].data.batch_size: [4]\n"
    )

    assert [stage.surgery.freeze for stage in first.spec.stage_specs()] == ["none", "none"]
    [few, many] = second.spec.stage_specs()
    assert few.surgery.freeze == "none"
    assert many.surgery.freeze == FreezeUpTo(up_to="conv1")
    assert (many.data.train, many.data.batch_size) == ("/many", 4)
    assert second.label == "stages[1].surgery.freeze {up_to: conv1}, stages[1].data.batch_size 4"


def test_members_share_the_stages_that_do_not_vary() -> None:
    """And none after the first that does; they are called alike in all of them."""
    third = f"{STAGES}  - {{name: last, solver: {{max_iter: 3}}}}\n"
    varied = members(
        spec("  stages[1].solver.base_lr: [0.1, 0.2]\n  stages[2].solver.base_lr: [1, 2]\n", third)
    )
    everywhere = members(spec("  solver.base_lr: [0.1, 0.2]\n", third))

    assert [len({member.stages[number] for member in varied}) for number in (0, 1)] == [1, 2]
    assert len({stage for member in everywhere for stage in member.stages}) == 4
    assert {stage.name for member in varied for stage in member.spec.stage_specs()[:-1]} == {"digits"}
    assert [member.spec.stage_specs()[-1].name for member in varied] == [member.name for member in varied]


def test_no_halving_can_be_written() -> None:
    """As false, which is the same sweep as without it."""
    without, off = (spec(f"{more}  solver.base_lr: [1]\n") for more in ("", "  halving: false\n"))

    assert off.sweep is not None
    assert off.sweep.halving is None
    assert sweep_id(off) == sweep_id(without)


def test_options_and_fields_that_are_not_there_are_all_named_at_once() -> None:
    """In the order of their lines, with whatever else is wrong."""
    found = problems("  paralel: 2\n  solver.base_l: 1\n  hlving: false\n  seed: -1\n", "budget: {usd: -1}\n")

    assert [line.split(": ")[1] for line in found] == [
        "budget.usd",
        "sweep.paralel",
        "sweep.solver.base_l",
        "sweep.hlving",
    ]


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("stages[2].surgery.freeze", "names a stage that is not there; the spec has stages[0] to stages[1]"),
        ("stages[1].surgery.freze", "is not a field of stages[1].surgery; did you mean freeze?"),
        ("stages[1].surgry.freeze", "is not a field of stages[1]; did you mean surgery?"),
        ("stages[1].base.net", "is not a field of stages[1]"),
        ("stages[1].budget", "cannot be swept; members differ in fields of surgery, data, solver"),
        ("stages[1].guards.patience", "cannot be swept; members differ in fields of surgery, data, solver"),
        (
            "stages.1.surgery",
            "is not a field of a stage; write it as stages[0].SECTION.FIELD, counted from 0",
        ),
        ("stages[1].surgery.", "cannot be swept"),
        ("stages[1].", "is not a field"),
    ],
)
def test_a_field_of_a_stage_that_is_not_there_is_named(field: str, sentence: str) -> None:
    """With its line."""
    [found] = problems(f"  {field}: [1]\n", STAGES)

    assert found.startswith(f"spec.yaml:9: sweep.{field}: {sentence}")


def test_a_value_that_a_stage_cannot_have_is_named() -> None:
    """At the value."""
    [found] = problems("  stages[1].solver.base_lr:\n    - 1\n    - -1\n", STAGES)

    assert found == "spec.yaml:11: sweep.stages[1].solver.base_lr[1]: must be greater than 0, got -1"


def test_a_stage_needs_stages() -> None:
    """Which a spec without them lacks."""
    [found] = problems("  stages[0].solver.base_lr: [1]\n")

    assert found.endswith("names a stage that is not there; the spec has no stages")


def test_a_spec_without_a_sweep_keeps_its_digest() -> None:
    """Runs that were submitted before there were sweeps are the same runs."""
    least = parse_spec(SPEC, "spec.yaml")

    assert {"sweep", "member_of"}.isdisjoint(least.canonical())
    assert digest(least) != digest(spec("  solver.base_lr: [0.1]\n"))


def test_a_sweeps_id_follows_its_members_alone() -> None:
    """Not its parallelism or its budget, which may change while it runs."""
    once = spec("  solver.base_lr: [0.1, 0.2]\n")

    assert sweep_id(once) == sweep_id(
        spec("  parallel: 2\n  solver.base_lr: [0.2, 0.1]\n", "budget: {usd: 3}\n")
    )
    assert sweep_id(once) != sweep_id(spec("  solver.base_lr: [0.1, 0.3]\n"))
    assert sweep_id(once) != sweep_id(spec("  solver.base_lr: [0.1, 0.2]\n", "surgery: {num_output: 3}\n"))


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ("  solver.base_l: [1]\n", "6: sweep.solver.base_l: is not a field of solver; did you mean base_lr?"),
        ("  slver.base_lr: [1]\n", "6: sweep.slver.base_lr: is not a field of a spec; did you mean solver?"),
        (
            "  budget.usd: [1]\n",
            "6: sweep.budget.usd: cannot be swept; members differ in fields of base, surgery, data, solver",
        ),
        ("  paralel: 2\n", "6: sweep.paralel: is not one of sweep's options; did you mean parallel?"),
        (
            "  parallel: 2\n",
            "5: sweep: names no field; add one with its values, such as solver.base_lr: [0.01, 0.001]",
        ),
        (
            "  solver.base_lr: 3\n",
            "6: sweep.solver.base_lr: must be a list of values, such as [0.01, 0.001], or {min: ..., max: "
            "..., log: true}, got 3",
        ),
        (
            "  solver.base_lr:\n    - 1\n    - -1\n",
            "8: sweep.solver.base_lr[1]: must be greater than 0, got -1",
        ),
        (
            "  solver.lr_policy: [step, exp]\n",
            '5: sweep: with solver.lr_policy "exp": solver.gamma: is missing; lr_policy exp needs one of its '
            "own, such as 0.9999",
        ),
        (
            "  solver.base_lr: {min: 1, max: 2}\n",
            "6: sweep.solver.base_lr: is a range, which needs search random; list its values instead",
        ),
        (
            "  search: random\n  solver.base_lr: [1]\n",
            "5: sweep.members: is missing; search random needs a number of members, such as 20",
        ),
        (
            "  members: 2\n  solver.base_lr: [1]\n",
            "6: sweep.members: is for search random, and search is grid; remove it",
        ),
        (
            "  search: random\n  members: 2\n  solver.base_lr: {min: 2, max: 1}\n",
            "8: sweep.solver.base_lr.max: must be greater than min, got 1",
        ),
        (
            "  search: random\n  members: 2\n  solver.base_lr: {min: 0, max: 1, log: true}\n",
            "8: sweep.solver.base_lr.min: must be greater than 0 with log, got 0",
        ),
        (
            f"  solver.base_lr: {list(range(1, 41))}\n  solver.max_iter: {list(range(1, 41))}\n",
            "5: sweep: has 1,600 combinations, and a sweep has at most 1,000 members; give fewer values, or "
            "search: random with members",
        ),
        (
            "  search: random\n  members: 3\n  solver.type: {min: 1, max: 2}\n",
            "8: sweep.solver.type: must be one of SGD, Nesterov, AdaGrad, RMSProp, AdaDelta or Adam, got ",
        ),
        ("  solver.base_lr: []\n", "6: sweep.solver.base_lr: must be a list of values"),
    ],
)
def test_what_is_wrong_is_one_sentence_at_its_line(sweep: str, expected: str) -> None:
    """At the value that is wrong, where it is wrong by itself."""
    [found] = problems(sweep)

    assert found.startswith(f"spec.yaml:{expected}")
