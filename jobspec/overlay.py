"""Parts of a spec's sections, and what a section becomes when such a part is laid over it. Pure."""

from typing import Any, TypeVar

from pydantic import BaseModel, create_model

S = TypeVar("S", bound=BaseModel)

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


def part_of(section: type[BaseModel], base: type[BaseModel]) -> type[BaseModel]:
    """Return a model of any part of a section: its fields, none of them required, each with its own checks.

    It is derived from `base`, which has the config. What the section requires of several fields together is
    checked once the part is laid over one.
    """
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation() | None, None) for name, field in section.model_fields.items()
    }
    name = f"PartOf{section.__name__}"
    part: type[BaseModel] = create_model(name, __base__=base, __doc__=section.__doc__, **fields)
    for name, field in section.model_fields.items():
        part.model_fields[name].description = field.description
    part.model_rebuild(force=True)
    return part


def written(part: BaseModel | None) -> dict[str, Any]:
    """Return the fields of a part that have a value; null is none."""
    if part is None:
        return {}
    values = {name: getattr(part, name) for name in type(part).model_fields}
    return {name: value for name, value in values.items() if value is not None}


def laid_over(section: S, part: BaseModel | None) -> S:
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
