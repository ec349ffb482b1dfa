"""From an alias to the run that it points to, and proof that its bundle is the promoted one."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ftjob.errors import BadSpecError, StorageError
from ftjob.fs.documents import SMALL
from ftjob.models.alias import Alias
from ftjob.models.history import aliases_in, history_of
from ftjob.models.promotion import Promotion
from ftjob.runfolder.address import location_of
from ftjob.runfolder.layout import BundleFolder, RunFolder
from ftjob.storage import DamagedError, MissingError, open_store
from jobspec.grammar import ALIAS_REFERENCE

_RUN = RunFolder(Path())
_BUNDLE = BundleFolder(_RUN.bundle)
MANIFEST, WEIGHTS = (_RUN.key(path) for path in (_BUNDLE.manifest, _BUNDLE.weights))
"""Keys in a run's folder."""


@dataclass(frozen=True)
class PromotedModel:
    """A run's bundle as it was promoted to an alias."""

    alias: Alias
    promotion: Promotion

    @property
    def location(self) -> str:
        """The path or URI of the run's folder."""
        return location_of(self.alias.output, self.promotion.name, self.promotion.run_id)

    @property
    def weights(self) -> str:
        """The path or URI of the bundle's caffemodel."""
        return f"{self.location}/{WEIGHTS}"

    @property
    def pinned(self) -> str:
        """The reference that means this promotion whatever is promoted later: `alias:NAME@NUMBER`."""
        return f"{ALIAS_REFERENCE}{self.alias}@{self.promotion.number}"

    def check(self) -> None:
        """Raise BadSpecError where the run is gone, DamagedError where its bundle is another now,
        StorageError where it cannot be read."""
        who = f"{self.pinned}: its run {self.promotion.reference}"
        try:
            manifest = open_store(self.location).read(MANIFEST, largest=SMALL)
        except MissingError:
            raise BadSpecError(
                f"{who} has no bundle at {self.location} any more: promote another run"
            ) from None
        if hashlib.sha256(manifest).hexdigest() != self.promotion.bundle:
            raise DamagedError(f"{who} has another bundle now than was promoted: promote it again")


def current_model(alias: Alias, number: int | None = None) -> PromotedModel:
    """Return the model that an alias points to, or pointed to with that number; its bundle is as it was then.

    Raises BadSpecError where there is no such alias, or its run is gone, StorageError where something cannot
    be read.
    """
    history = history_of(alias)
    model = PromotedModel(alias, history.current() if number is None else history.numbered(number))
    model.check()
    return model


def models_in(output: str, *, patience: float | None = None) -> tuple[list[PromotedModel], list[str]]:
    """Return the newest promotion or removal of every alias of an output, and a sentence for each that cannot
    be read; `patience` is open_store's. Raises StorageError where the output cannot be read."""
    found, unreadable = [], []
    for name in aliases_in(output, patience=patience):
        alias = Alias(output, name)
        try:
            newest = history_of(alias, patience=patience).newest()
        except StorageError as error:
            unreadable.append(str(error))
        else:
            found += [PromotedModel(alias, newest)] if newest else []
    return found, unreadable
