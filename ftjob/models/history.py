"""An alias in its store: numbered promotions, each created once, the newest of which is the truth.

`current.json` is a copy of the newest for plain tools; ftjob reads the history. So a promotion is complete
once its record is there, even if the process is killed before it writes the copy.
"""

import re
import time
from contextlib import suppress
from dataclasses import dataclass

from ftjob.errors import BadSpecError, StorageError
from ftjob.errors.outcomes import Reason
from ftjob.fs.documents import explained
from ftjob.models.alias import MODELS, Alias
from ftjob.models.promotion import LARGEST, Promotion
from ftjob.storage import MissingError, Store, local_path, open_store
from ftjob.suggest import did_you_mean, listed

HISTORY = "history"
CURRENT = "current.json"
SETTLE_SECONDS = 1.0
"""How long after its creation a record in a bucket is read again: a store without atomic creation may have
let another writer replace it (docs/storage.md), whose request was under way at the same time."""
_KEY = re.compile(rf"{HISTORY}/([0-9]{{6}})\.json", re.ASCII)


class PromotionLostError(StorageError):
    """Somebody else promoted a run to the alias at the same moment."""

    reason = Reason.PROMOTION_LOST

    def __init__(self, message: str, winner: Promotion) -> None:
        super().__init__(message)
        self.winner = winner


@dataclass(frozen=True)
class History:
    """The promotions of an alias. Every method raises StorageError where the store cannot be read or written,
    or holds something that ftjob did not write."""

    alias: Alias
    store: Store

    def newest(self) -> Promotion | None:
        """Return the promotion or removal that counts; None where there is none."""
        numbers = self.numbers()
        return self.read(numbers[-1]) if numbers else None

    def current(self) -> Promotion:
        """Return the promotion that counts. Raises BadSpecError where there is none, or it was removed."""
        newest = self.newest()
        if newest is None:
            raise self.unknown()
        if newest.removed:
            raise BadSpecError(
                f"alias:{self.alias}: {newest.who} removed it ({newest.moment}): promote a run to it again, "
                f"or see `ftjob history {self.alias}`"
            )
        return newest

    def last(self, most: int) -> list[Promotion]:
        """Return that many promotions, or all there are, newest first. Raises BadSpecError where there is
        none."""
        if not (numbers := self.numbers()):
            raise self.unknown()
        return [self.read(number) for number in reversed(numbers[-most:])]

    def numbers(self) -> list[int]:
        """Return the numbers of all promotions, oldest first."""
        found = (_KEY.fullmatch(entry.key) for entry in self.store.list(HISTORY))
        return [int(match[1]) for match in found if match]

    def numbered(self, number: int) -> Promotion:
        """Return a promotion. Raises BadSpecError where it is not there, or is a removal."""
        try:
            found = self.read(number)
            if found.removed:
                raise BadSpecError(f"alias:{self.alias}@{number}: is no promotion: {found.who} {found.deed}")
            return found
        except MissingError:
            if not (numbers := self.numbers()):
                raise self.unknown() from None
            raise BadSpecError(
                f"alias:{self.alias}@{number}: there is no such promotion at {self.alias.location} "
                f"(there are {numbers[0]} to {numbers[-1]})"
            ) from None

    def read(self, number: int) -> Promotion:
        """Return a promotion. Raises MissingError."""
        key = key_of(number)
        with explained(f"{self.alias.location}/{key}"):
            found = Promotion.parse(self.store.read(key, largest=LARGEST))
        if found.number != number:
            raise StorageError(f"{self.alias.location}/{key}: has number {found.number}: fix or remove it")
        return found

    def unknown(self) -> BadSpecError:
        """Return the error that there is no such alias."""
        others = aliases_in(self.alias.output)
        hint = did_you_mean(self.alias.name, others)
        known = f" (there {'are' if others else 'is'} {listed(others) or 'none'})"
        remedy = hint or f"{known}: `ftjob promote RUN {self.alias}` makes it"
        return BadSpecError(f"alias:{self.alias}: there is no such alias at {self.alias.output}{remedy}")

    def append(self, promotion: Promotion) -> None:
        """Write the promotion after the newest. Raises PromotionLostError, which names the winner, where
        somebody else did so first."""
        number = promotion.number
        created = self.store.create(key_of(number), promotion.render())
        if created and local_path(self.store.location) is None:
            time.sleep(SETTLE_SECONDS)
        winner = self.read(number)
        if not created or winner.token != promotion.token:
            raise PromotionLostError(
                f"alias:{self.alias}: {winner.who} {winner.deed} at the same moment (number {number}, "
                f"{winner.moment}): see `ftjob history {self.alias}`, and repeat yours if it is to follow",
                winner,
            )
        self.publish(promotion)

    def publish(self, newest: Promotion) -> None:
        """Write current.json where it is not the newest promotion's, remove it after a removal; of two
        writers the later one counts."""
        while True:
            self._copy(newest)
            latest = max(self.numbers(), default=0)
            if latest <= newest.number:
                return
            newest = self.read(latest)

    def _copy(self, newest: Promotion) -> None:
        if newest.removed:
            self.store.delete([CURRENT])
            return
        wanted = newest.render()
        with suppress(StorageError):  # missing or damaged: write it; unreachable: the write fails, too
            if self.store.read(CURRENT, largest=LARGEST) == wanted:
                return
        self.store.write(CURRENT, wanted)


def history_of(alias: Alias, *, patience: float | None = None) -> History:
    """Return an alias's history, without a request to its store; `patience` is open_store's.

    Raises StorageError."""
    return History(alias, open_store(alias.location, patience=patience))


def aliases_in(output: str, *, patience: float | None = None) -> list[str]:
    """Return the names of the aliases beside the runs of an output, removed ones too; `patience` is
    open_store's. Raises StorageError."""
    keys = [entry.key for entry in open_store(output, patience=patience).child(MODELS).list()]
    return sorted({key.partition("/")[0] for key in keys if _KEY.fullmatch(key.partition("/")[2])})


def key_of(number: int) -> str:
    """Return the key of a promotion."""
    return f"{HISTORY}/{number:06}.json"
