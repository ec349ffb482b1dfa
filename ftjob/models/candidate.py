"""A run that may be promoted: what its folder records, and the objections to promoting it."""

import hashlib
from dataclasses import dataclass

from ftjob.bundle.contents import parse_manifest
from ftjob.errors import BadSpecError, StorageError
from ftjob.errors.outcomes import Reason
from ftjob.fs.documents import LARGE, SMALL, explained, parse_strictly, read_text
from ftjob.models.current import MANIFEST
from ftjob.models.promotion import Promotion
from ftjob.runfolder.address import RunReference, names_of
from ftjob.runfolder.layout import BundleFolder
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.status import State, Status
from ftjob.runfolder.store import RunStore, stored
from ftjob.storage import MissingError
from jobspec import JobSpec, SpecError, digest, parse_spec


@dataclass(frozen=True)
class Candidate:
    """A run that has ended, with its bundle."""

    reference: RunReference
    status: Status
    bundle: str
    """sha256 (hex) of the bundle's manifest."""
    weights: str
    """sha256 (hex) of the bundle's caffemodel."""
    labels: str
    """sha256 (hex) of the bundle's labels.txt."""
    evaluation: Evaluation
    spec: str
    """sha256 (hex) of the spec."""

    @property
    def right(self) -> int:
        """The number of validation images that are classified correctly."""
        return round(self.evaluation.accuracy * self.evaluation.images)

    def is_promoted_by(self, promotion: Promotion) -> bool:
        """Return whether a promotion is of this very bundle."""
        made = not promotion.removed
        return made and (promotion.reference, promotion.bundle) == (self.reference, self.bundle)

    def objections(self, newest: Promotion | None) -> tuple[str, ...]:
        """Return the objections to promoting it after the newest promotion, if there is one."""
        return tuple(filter(None, (self._not_accepted(), self._other_classes(newest))))

    def _not_accepted(self) -> str:
        status = self.status
        if status.state is State.SUCCEEDED:
            return ""
        if status.reason == Reason.NOT_ACCEPTED:
            return f"{self.reference} is not accepted: {status.message}"
        return (
            f"{self.reference} is {status.state} ({status.reason}), so it is unknown whether it would "
            "have been accepted"
        )

    def _other_classes(self, newest: Promotion | None) -> str:
        if newest is None or newest.removed or newest.labels == self.labels:
            return ""
        return (
            f"{self.reference} has other classes ({len(self.evaluation.classes)}) than {newest.reference}, "
            f"the current run ({newest.classes}): see labels.txt in both bundles"
        )


def candidate(location: str) -> Candidate:
    """Return the run at a path or URI. Raises BadSpecError where there is none, or it cannot be promoted
    even by force: unfinished, or without a bundle; StorageError where its folder cannot be read."""
    run, reference = stored(location), RunReference(*names_of(location))
    try:
        status = run.status()
    except MissingError:
        raise BadSpecError(f"{reference}: there is no run at {location}: give another") from None
    if not status.state.ended:
        raise BadSpecError(f"{reference}: is {status.state}: promote it when it has ended (`ftjob wait`)")
    if status.state is State.INTERRUPTED:  # its worker may have been replacing the bundle
        raise BadSpecError(f"{reference}: is {status.state}: submit its spec again, then promote it")
    try:
        data = run.store.read(MANIFEST, largest=SMALL)
        evaluation = _evaluation(run)
    except MissingError:
        why = f" ({status.message})" if status.message else ""
        raise BadSpecError(
            f"{reference}: has no bundle to promote: it is {status.state}{why}: promote another run"
        ) from None
    files = parse_manifest(data, BundleFolder(run.folder.bundle)).files
    bundle = BundleFolder(run.folder.bundle)
    return Candidate(
        reference=reference,
        status=status,
        bundle=hashlib.sha256(data).hexdigest(),
        weights=files[bundle.weights.name],
        labels=files[bundle.labels.name],
        evaluation=evaluation,
        spec=digest(spec_of(run)),
    )


def _evaluation(run: RunStore) -> Evaluation:
    key = run.folder.key(BundleFolder(run.folder.bundle).evaluation)
    with explained(f"{run.location}/{key}"):
        return parse_strictly(Evaluation, run.store.read(key, largest=LARGE))


def spec_of(run: RunStore) -> JobSpec:
    """Return a run's spec. Raises StorageError where it cannot be read."""
    path = run.folder.spec
    run.bring(path)
    with explained(path):
        text = read_text(path)
    try:
        return parse_spec(text, f"{run.location}/{path.name}")
    except SpecError as error:
        raise StorageError(f"{str(error).splitlines()[0]}: fix or remove it") from None
