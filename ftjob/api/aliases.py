"""Aliases: who was promoted, which there are, and where a model came from."""

from typing import TYPE_CHECKING

from ftjob.api.finding import find
from ftjob.client import registry
from jobspec.grammar import ALIAS_REFERENCE

if TYPE_CHECKING:
    from ftjob.models.current import PromotedModel
    from ftjob.models.lineage import Lineage
    from ftjob.models.promote import Promoted
    from ftjob.models.promotion import Promotion


def rollback(alias: str, why: str = "") -> "Promoted":
    """Point an alias (NAME or OUTPUT/models/NAME) to the run before the current one.

    Raises BadSpecError where there is none or it is gone, PromotionLostError where somebody else promoted a
    run at the same moment, and StorageError.
    """
    from ftjob.models.promote import rollback as restore

    return restore(registry.named_alias(alias), why)


def remove_alias(alias: str, why: str = "") -> "Promoted":
    """Have an alias point to nothing; its history stays. Raises as `rollback` does."""
    from ftjob.models.promote import remove

    return remove(registry.named_alias(alias), why)


def list_aliases(output: str | None = None) -> "tuple[list[PromotedModel], list[str]]":
    """Return what the aliases of an output, or of those of the runs submitted here, point to (those taken out
    of use have `promotion.removed`), and a sentence for each that cannot be read. Raises StorageError."""
    return registry.known_aliases(output)


def promotions(alias: str, most: int = 20) -> "list[Promotion]":
    """Return an alias's newest promotions, newest first. Raises BadSpecError, StorageError."""
    return registry.find_history(alias).last(most)


def lineage(reference: str, context: str | None = None, namespace: str | None = None) -> "Lineage":
    """Return where a run's model, or that of alias:NAME, came from, back to the first weights.

    Raises BadSpecError, or StorageError where the run itself cannot be read; what cannot be read of an
    earlier run is in its `problem`.
    """
    from ftjob.models.lineage import lineage_of_model

    if reference.startswith(ALIAS_REFERENCE):
        return lineage_of_model(registry.find_model(reference))
    return find(reference, context, namespace).lineage()
