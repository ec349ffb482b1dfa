"""Tables of docs/kubernetes.md: what follows an end, what an administrator sets."""

from collections.abc import Iterator

from pydantic import BaseModel

from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import Condition
from ftjob.errors.outcomes import BY_REASON, ENDINGS, Ending, Reason


def retries() -> str:
    """Return the table of how attempts end and what follows."""
    head = ["| Reason | Exit code | What happened | What follows |", "| --- | ---: | --- | --- |"]
    return "\n".join([*head, *map(_retry, ENDINGS), ""])


def _retry(ending: Ending) -> str:
    code = "" if ending.exit_code is None else str(ending.exit_code.value)
    return f"| {ending.reason} | {code} | {ending.reason.message} | {ending.then.value} |"


def waiting() -> str:
    """Return the list of why no worker runs: reasons with a message that neither end nor begin anything, and
    one that may do either."""
    passing = [each for each in Reason if each not in BY_REASON or each is Reason.CONTAINER_UNUSABLE]
    found = [each for each in passing if each.message and each is not Reason.RUNNING]
    return "\n".join([*(f"- `{reason}`: {reason.message}" for reason in found), ""])


def settings() -> str:
    """Return the table of the controller's settings."""
    rows = [f"| `{name}` | `{default}` | {about} |" for name, default, about in _fields(Config, "")]
    return "\n".join(["| Setting | Default | Meaning |", "| --- | --- | --- |", *rows, ""])


def conditions() -> str:
    """Return the list of a FineTuneJob's conditions."""
    about = {
        Condition.ACCEPTED: "the spec can be run; else the message names the field",
        Condition.RUNNING: "a worker runs; else reason and message explain why none does",
        Condition.SUSPENDED: "`suspend` holds the run",
        Condition.EDITED: "a part of the spec was changed that a run keeps (reason ImmutableField)",
        Condition.REPORT_REFUSED: "what the worker reports cannot be true, and is dropped (reason BadReport)",
        Condition.COMPLETE: "the run reached its end",
        Condition.FAILED: "it ended for a reason that another attempt would not fix",
        Condition.ENDED: "nothing will change by itself: complete, failed, or stopped by budget or cancel",
    }
    return "\n".join([*(f"- `{each}`: {about[each]}" for each in Condition), ""])


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, object, str]]:
    for name, field in model.model_fields.items():
        default = field.get_default()
        if isinstance(default, BaseModel):
            yield from _fields(type(default), f"{prefix}{name}.")
        else:
            yield (
                f"{prefix}{name}",
                "null" if default is None else default,
                " ".join((field.description or "").split()),
            )
