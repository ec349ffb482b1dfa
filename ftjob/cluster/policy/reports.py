"""Picks the report that counts: the newest pod's termination message, else its last answer; pure."""

from collections.abc import Iterable

from ftjob.cluster.resource.objects import Pod
from ftjob.runfolder.progress import Progress


def newest_pod(pods: Iterable[Pod]) -> Pod | None:
    """Return the newest attempt's pod, the last one where an attempt had several."""
    return max(pods, key=lambda pod: (pod.attempt, pod.created, pod.name), default=None)


def report_of(pods: Iterable[Pod], answer: Progress | None) -> tuple[Progress | None, str]:
    """Return the newest attempt's report, and what is wrong with a termination message that looks like one.

    `answer` is its running pod's last answer.
    """
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
        return None, f"pod {pod.name}: it reports attempt {report.attempt}, and its own is {pod.attempt}"
    return report, ""
