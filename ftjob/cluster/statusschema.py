"""The schema of a FineTuneJob's status, which the controller alone writes. Every text and list is bounded."""

from typing import Any

_TEXT: dict[str, Any] = {"type": "string", "maxLength": 4096}
_MESSAGE: dict[str, Any] = {"type": "string", "maxLength": 32768}
"""As long as that of a condition of Kubernetes' own may be."""
_TIME: dict[str, Any] = {"type": "string", "format": "date-time", "maxLength": 64}
MOST_CONDITIONS, MOST_ATTEMPTS = 32, 5000
_WHOLE: dict[str, Any] = {"type": "integer", "format": "int64"}
_NUMBER: dict[str, Any] = {"type": "number"}


def _object(
    properties: dict[str, Any], description: str, required: list[str] | None = None
) -> dict[str, Any]:
    schema = {"type": "object", "description": description, "properties": properties}
    return schema | ({"required": required} if required else {})


def _told(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


_CONDITION = _object(
    {
        "type": _TEXT,
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "reason": _TEXT,
        "message": _MESSAGE,
        "lastTransitionTime": _TIME,
        "observedGeneration": _WHOLE,
    },
    "One thing that is so, or is not, and why.",
    ["type", "status", "reason", "lastTransitionTime"],
)

_LIFE = _object(
    {
        "attempt": _WHOLE,
        "pod": _TEXT,
        "node": _told(_TEXT, "The machine the pod ran on."),
        "scheduled": _told(_TIME, "When the pod got its node; money is counted from here."),
        "ended": _told(_TIME, "When its container was done, or the pod was gone; money is counted to here."),
        "seconds": _NUMBER,
        "usd": _NUMBER,
        "usdPerHour": _told(_NUMBER, "The node profile's price when its attempt began."),
        "spot": _told({"type": "boolean"}, "Whether it was a spot instance."),
        "exitCode": _told(_WHOLE, "The worker's; see the table of exit codes."),
        "reason": _told(_TEXT, "Why it ended, as docs/kubernetes.md lists."),
        "iteration": _told(_WHOLE, "The newest snapshot when it ended."),
    },
    "One pod of one attempt.",
    ["attempt", "pod"],
)

_FIGURES = _object(
    {
        "runId": _TEXT,
        "engine": _TEXT,
        "maxIter": _WHOLE,
        "snapshotBytes": _told(_WHOLE, "One caffemodel with its solverstate."),
        "memoryBytes": _told(_WHOLE, "Of the worker on a node without a GPU."),
        "dataBytes": _told(_WHOLE, "Weights and datasets on the pod's disk."),
        "seconds": _told(_NUMBER, "Estimated, for one attempt that nothing interrupts."),
        "usd": _told(_NUMBER, "Estimated likewise."),
    },
    "What was planned, as far as the cluster needs it.",
)

STATUS_SCHEMA = _object(
    {
        "observedGeneration": _WHOLE,
        "state": _told(
            _TEXT, "Pending, Running, Stopping, Retrying, Suspended, Succeeded, Failed or Stopped."
        ),
        "reason": _told(_TEXT, "Why, in one CamelCase word."),
        "message": _told(_MESSAGE, "Why, in one sentence."),
        "conditions": {
            "type": "array",
            "items": _CONDITION,
            "maxItems": MOST_CONDITIONS,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
        "runId": _TEXT,
        "folder": _told(_TEXT, "The run's folder, <output>/<name>/<run id>."),
        "identity": _told(_TEXT, "Digest of the parts of the spec that may not change once a run began."),
        "plan": _FIGURES,
        "attempt": _told(_WHOLE, "The number of the last attempt."),
        "attempts": {"type": "array", "items": _LIFE, "maxItems": MOST_ATTEMPTS},
        "earlierSeconds": _told(
            _NUMBER, "What its folder had cost before this object, as its workers report."
        ),
        "earlierUsd": _NUMBER,
        "grantedSeconds": _told(
            _NUMBER, "What the budget paid for over all attempts when the last one began."
        ),
        "grantedUsd": _told(
            _NUMBER, "What the last attempt may come to: what its budget pays for; none without a budget."
        ),
        "deadlineSeconds": _told(_NUMBER, "How long the last attempt's pod may run."),
        "minAttemptSeconds": _told(
            _NUMBER,
            "What a budget must still pay for, for another attempt to begin: the controller's setting.",
        ),
        "capacity": _told(_TEXT, "Of the last attempt: spot or on-demand."),
        "usdPerHour": _told(_NUMBER, "Of the last attempt: the node profile's price when its Job was made."),
        "iteration": _WHOLE,
        "maxIter": _WHOLE,
        "snapshot": _told(_WHOLE, "The newest complete snapshot."),
        "loss": _NUMBER,
        "accuracy": _told(_NUMBER, "The best so far, of the main head on the validation data."),
        "imagesPerSecond": _NUMBER,
        "etaSeconds": _NUMBER,
        "seconds": _told(_NUMBER, "Over all attempts, from a pod's scheduling to its end."),
        "usd": _told(_NUMBER, "Over all attempts, each at its own price."),
        "cost": _told(_TEXT, "The same, for people."),
        "startTime": _TIME,
        "completionTime": _TIME,
        "updated": _told(_TIME, "When this status was written."),
    },
    "Where the run stands; written by the controller.",
)
