"""Parts of a spec's sections, and what a section becomes when such a part is laid over it. Pure."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError, create_model
from pydantic_core import InitErrorDetails

from jobspec.fields import Section, mistake, share_of

S = TypeVar("S", bound=Section)

REPLACES: dict[str, dict[str, tuple[str, ...]]] = {
    "PartOfData": {"val": ("val_split",), "val_split": ("val",)},
    "PartOfSolver": {
        "epochs": ("max_iter",),
        "max_iter": ("epochs",),
        "type": ("momentum",),
        "lr_policy": ("gamma", "stepvalue"),
    },
}
"""By the name of a part: the fields that return to their default where another one is written. They exclude
each other, or their default depends on the other."""


def part_of(section: type[Section]) -> type[Section]:
    """Return a model of any part of a section: its fields, none of them required, each with its own checks.

    What the section requires of several fields together is checked once the part is laid over one.
    """
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation() | None, None) for name, field in section.model_fields.items()
    }
    name = f"PartOf{section.__name__}"
    part: type[Section] = create_model(name, __base__=Section, __doc__=section.__doc__, **fields)
    for name, field in section.model_fields.items():
        part.model_fields[name].description = field.description
    part.model_rebuild(force=True)
    return part


def written(part: Section | None) -> dict[str, Any]:
    """Return the fields of a part that have a value; null is none."""
    if part is None:
        return {}
    values = {name: getattr(part, name) for name in type(part).model_fields}
    return {name: value for name, value in values.items() if value is not None}


def laid_over(section: S, part: Section | None) -> S:
    """Return the section with the values of a part in place of its own.

    Raises pydantic's ValidationError where they do not go together.
    """
    news = written(part)
    if not news:
        return section
    replaces = REPLACES.get(type(part).__name__, {})
    gone = {other for name in news for other in replaces.get(name, ())}
    kept = {name: getattr(section, name) for name in type(section).model_fields if name not in gone}
    return type(section).model_validate({**kept, **news})


def laid_over_at(section: S, part: Section | None, place: tuple[str | int, ...]) -> S:
    """Return a section with a part over it; what is wrong with both together is reported at that place."""
    try:
        return laid_over(section, part)
    except ValidationError as error:
        found = [
            InitErrorDetails(
                type=mistake(**{"sentence": details["msg"], **details.get("ctx", {})}),
                loc=(*place, *details["loc"]),
                input=details["input"],
            )
            for details in error.errors()
        ]
        raise ValidationError.from_exception_data("stages", found) from None


def refuse_same_names(names: Sequence[str | None]) -> None:
    """Raise a mistake for two stages of one name."""
    for number, name in enumerate(names):
        if name is not None and name in names[:number]:
            other = names.index(name)
            raise mistake(
                f"is the name of stages[{other}] too; give every stage its own", ("stages", number, "name")
            )


def refuse_wrong_shares(budgets: Sequence[str | None], *, has_budget: bool) -> None:
    """Raise a mistake for shares of no budget, or of more than all of it."""
    shares = {number: share_of(budget) for number, budget in enumerate(budgets) if budget}
    for number in shares:
        place = ("stages", number, "budget")
        if not has_budget:
            raise mistake(
                "is a share of budget, which has neither usd nor hours; give one of them, or remove this",
                place,
            )
        if sum(shares.values()) > 1:
            whole = f"{float(sum(shares.values()) * 100):g}%"
            raise mistake(f"is one of shares that add up to {whole}; lower them to 100% at most", place)
