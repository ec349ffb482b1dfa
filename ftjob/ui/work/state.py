"""What the pages keep between requests."""

from dataclasses import dataclass, field

from starlette.requests import Request

from ftjob.ui.work.classifiers import Classifiers
from ftjob.ui.work.examined import Examined
from ftjob.ui.work.jobs import Jobs
from ftjob.ui.work.planned import PlannedDraft, PlannedSweep


@dataclass(frozen=True)
class KeptWork:
    """Jobs of all kinds, and the bundles that are open."""

    examinations: Jobs[Examined] = field(default_factory=Jobs)
    plans: Jobs[PlannedDraft | PlannedSweep] = field(default_factory=Jobs)
    classifiers: Classifiers = field(default_factory=Classifiers)


def work_of(request: Request) -> KeptWork:
    """Return what the app that answers a request keeps."""
    found = request.app.state.work
    assert isinstance(found, KeptWork)
    return found
