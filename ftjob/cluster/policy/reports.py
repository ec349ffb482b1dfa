"""Which report of a run counts: the last words of its newest pod, else what that answered; pure."""

from collections.abc import Iterable

from ftjob.cluster.resource.objects import Pod
from ftjob.runfolder.progress import Progress


def newest_pod(pods: Iterable[Pod]) -> Pod | None:
    """Return the pod of the newest attempt, the one that came last where an attempt had several."""
    return max(pods, key=lambda pod: (pod.attempt, pod.created, pod.name), default=None)


def report_of(pods: Iterable[Pod], answer: Progress | None) -> tuple[Progress | None, str]:
    """Return what the newest attempt's worker reports, and what is wrong with its last words where they look
    like a report and are none. `answer` is what its running pod answered."""
    pod = newest_pod(pods)
    if pod is None:
        return None, ""
    if pod.last_words.startswith("{"):
        try:
            report: Progress | None = Progress.parse(pod.last_words.encode())
        except ValueError as error:
            return None, f"pod {pod.name}: {error}"
    else:
        report = answer
    if report is not None and report.attempt != pod.attempt:
        return None, f"pod {pod.name}: it reports of attempt {report.attempt}, and its own is {pod.attempt}"
    return report, ""
