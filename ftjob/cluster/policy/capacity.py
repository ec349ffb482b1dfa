"""Chooses spot or on demand for the next attempt: what `resources.spot: prefer` means."""

from collections.abc import Iterable
from itertools import pairwise

from ftjob.cluster.policy.ends import LOST
from ftjob.cluster.policy.job_context import JobContext
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import Figures, PodRecord

WITHIN_SECONDS = 3600.0
"""Two spot attempts lost within this time move the run to on-demand capacity."""


def begins_on_spot(context: JobContext, request: Request, figures: Figures) -> bool:
    """Return whether the next attempt runs on a spot instance.

    A run that prefers spot moves to on demand, and stays there, once two of its attempts were taken away
    within an hour and its budget pays the on-demand price for all the work that is left.
    """
    if request.spec.resources.spot != "prefer":
        return request.spec.resources.begins_on_spot
    if not twice_lost(context.records):
        return True
    if not context.records[-1].spot:
        return False
    left = context.seconds_left(request, request.usd_per_hour(spot=False))
    return left < seconds_to_do(context, request, figures)


def twice_lost(records: Iterable[PodRecord]) -> bool:
    """Return whether two spot attempts were taken away within an hour, by the pods' own clocks."""
    last = {record.attempt: record for record in records}.values()
    taken = (record.ended for record in last if record.spot and record.reason in LOST)
    ends = sorted(ended for ended in taken if ended is not None)
    return any(after - before <= WITHIN_SECONDS for before, after in pairwise(ends))


def seconds_to_do(context: JobContext, request: Request, figures: Figures) -> float:
    """Return the seconds of work left after the newest snapshot: as measured, else as planned."""
    run = context.report
    snapshot, whole = (run.snapshot or 0, run.max_iter) if run else (0, 0)
    if run and run.images_per_second and whole:
        images = request.spec.images_per_iteration * (whole - snapshot)
        return request.node.startup_seconds + images / run.images_per_second
    return figures.seconds * (1 - snapshot / whole if whole else 1.0)
