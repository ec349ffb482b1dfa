"""Point an alias to a run, back to an earlier one, and to none."""

import time
from dataclasses import dataclass, replace
from uuid import uuid4

from ftjob.errors import BadSpecError, NotAcceptedError
from ftjob.models.alias import Alias
from ftjob.models.candidate import Candidate, candidate
from ftjob.models.current import PromotedModel
from ftjob.models.history import PromotionLostError, history_of
from ftjob.models.promoter import person, pipeline
from ftjob.models.promotion import LONGEST, Promotion
from ftjob.runfolder.address import RunAddress
from jobspec.text import shortened


@dataclass(frozen=True)
class Promoted:
    """The result of a promotion, rollback or removal."""

    alias: Alias
    promotion: Promotion
    """The promotion, or removal, that counts now."""
    changed: bool
    """False where the alias pointed to this very bundle, or was removed already, and nothing was written."""


def promote(location: str, name: str, why: str = "", *, force: bool = False) -> Promoted:
    """Point an alias, beside the runs of the same output, to the run at a path or URI.

    Raises NotAcceptedError for a run that is not accepted, or has other classes than the current one, unless
    `force`, which needs a `why`; BadSpecError for a run without a bundle, PromotionLostError where somebody
    else promoted another run at the same moment, StorageError where something cannot be read or written.
    """
    alias = Alias(RunAddress.parse(location).output, name)
    check_why(why, force=force)
    history = history_of(alias)
    newest, run = history.newest(), candidate(location)
    if newest and run.is_promoted_by(newest):
        history.publish(newest)
        return Promoted(alias, newest, changed=False)
    objections = run.objections(newest)
    if objections and not force:
        raise NotAcceptedError(
            f"alias:{alias}: {'; '.join(objections)}; promote another run, or add --force --why TEXT"
        )
    promotion = promotion_of(run, newest, objections, why)
    try:
        history.append(promotion)
    except PromotionLostError as error:
        if not run.is_promoted_by(error.winner):
            raise
        return Promoted(alias, error.winner, changed=False)
    return Promoted(alias, promotion, changed=True)


def rollback(alias: Alias, why: str = "") -> Promoted:
    """Point an alias to the run before the current one; done again, to the one before that.

    Raises BadSpecError where there is none, or its run is gone, and as `promote` does.
    """
    check_why(why, force=False)
    history = history_of(alias)
    current = history.current()
    if current.previous is None:
        raise BadSpecError(
            f"alias:{alias}: has no run before {current.reference}, its first: promote another run"
        )
    target = history.numbered(current.previous)
    PromotedModel(alias, target).check()
    promotion = replace(_repeated(target, current.number + 1, why), restores=target.number)
    history.append(promotion)
    return Promoted(alias, promotion, changed=True)


def remove(alias: Alias, why: str = "") -> Promoted:
    """Have an alias point to nothing; its history stays, and a run may be promoted to it again.

    Raises BadSpecError where there is no such alias, PromotionLostError where somebody else promoted a run at
    the same moment, StorageError.
    """
    check_why(why, force=False)
    history = history_of(alias)
    newest = history.newest()
    if newest is None:
        raise history.unknown()
    if newest.removed:
        history.publish(newest)
        return Promoted(alias, newest, changed=False)
    removal = replace(
        _repeated(newest, newest.number + 1, why), previous=newest.number, restores=None, removed=True
    )
    try:
        history.append(removal)
    except PromotionLostError as error:
        if not error.winner.removed:
            raise
        return Promoted(alias, error.winner, changed=False)
    return Promoted(alias, removal, changed=True)


def _repeated(promotion: Promotion, number: int, why: str) -> Promotion:
    """Return a record of the same run, by this process's user or pipeline."""
    return replace(
        promotion,
        number=number,
        when=time.time(),
        by=person(),
        ci=pipeline(),
        objections=(),
        why=why,
        token=uuid4().hex,
    )


def promotion_of(
    run: Candidate, newest: Promotion | None, objections: tuple[str, ...], why: str
) -> Promotion:
    """Return the promotion of a run by this process's user or pipeline."""
    return Promotion(
        number=newest.number + 1 if newest else 1,
        name=run.reference.name,
        run_id=run.reference.run_id,
        weights=run.weights,
        bundle=run.bundle,
        labels=run.labels,
        classes=len(run.evaluation.classes),
        accuracy=run.evaluation.accuracy,
        right=run.right,
        images=run.evaluation.images,
        spec=run.spec,
        when=time.time(),
        by=person(),
        ci=pipeline(),
        objections=tuple(shortened(each, LONGEST) for each in objections),
        why=why,
        previous=newest.number if newest and not newest.removed else None,
    )


def check_why(why: str, *, force: bool) -> None:
    """Raise BadSpecError for a missing reason, or a text that no history can keep."""
    if force and not why.strip():
        raise BadSpecError("--force: needs --why TEXT, which the alias's history keeps")
    if len(why) > LONGEST or not why.isprintable():
        raise BadSpecError(f"--why: give one visible line of at most {LONGEST} characters")
