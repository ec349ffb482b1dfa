"""What can go wrong, each with its exit code: the one table used by worker, manifests, controller, docs."""

from enum import IntEnum
from typing import ClassVar, Self


class ExitCode(IntEnum):
    """How a worker ended. None is 1 (an unforeseen error), 137 or 143 (killed from outside)."""

    meaning: str
    """For people: what happened, and what may be done."""

    DONE = 0, "The run ended and its bundle is written."
    BAD_SPEC = 2, "The spec, the command line or something they name is wrong: mend what the sentence names."
    BAD_NET = 3, "The net or its weights cannot be used: mend the layer or file that is named."
    BAD_DATA = 4, "The images, labels or mean cannot be used: mend the file or record that is named."
    STORAGE = 5, "Something could not be read or written (disk full, no permission): make room, submit again."
    ENGINE_CRASHED = (
        6,
        "The engine died; its last log lines are told: submit again to go on from the last snapshot.",
    )
    DIVERGED = 7, "The loss is NaN, infinite or 87.3365: lower solver.base_lr, or check the labels."
    NOT_LEARNING = 8, "Accuracy stayed at chance: check labels, mean and learning rate."
    BUDGET_REACHED = 9, "The budget is spent; snapshot and bundle are written: raise it and submit to go on."
    PREEMPTED = 10, "Stopped from outside (Ctrl-C, cancel, spot) after a snapshot: submit again to go on."
    NOT_ACCEPTED = 11, "The run ended and its result is below what accept asks for."
    GPU_IDLE = 12, "The GPU did nothing while training was due: see that the node's driver and GPU work."

    def __new__(cls, code: int, meaning: str) -> Self:
        """Make a member that is its number and knows its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


class FtjobError(Exception):
    """One sentence for the user: the field, layer, file or record, and what to do."""

    exit_code: ClassVar[ExitCode]
    reason: ClassVar[str]
    """CamelCase, as a Kubernetes condition has it."""


class BadSpecError(FtjobError):
    """The spec, the command line or something they name is wrong."""

    exit_code = ExitCode.BAD_SPEC
    reason = "BadSpec"


class BadNetError(FtjobError):
    """The net or its weights cannot be used."""

    exit_code = ExitCode.BAD_NET
    reason = "BadNet"


class BadDataError(FtjobError):
    """The images, labels or mean cannot be used."""

    exit_code = ExitCode.BAD_DATA
    reason = "BadData"


class StorageError(FtjobError):
    """Something could not be read from or written to where it lives."""

    exit_code = ExitCode.STORAGE
    reason = "StorageUnreachable"


class EngineError(FtjobError):
    """The engine died, or refused what it was given for a reason nobody foresaw."""

    exit_code = ExitCode.ENGINE_CRASHED
    reason = "EngineCrashed"


class EngineSilentError(EngineError):
    """The engine gave no sign of life for longer than it may, and was killed."""


class GpuMemoryError(EngineError):
    """The net and its batch do not fit the GPU's memory."""

    reason = "GpuMemory"


class DivergedError(FtjobError):
    """The loss is NaN, infinite, or Caffe's 87.3365."""

    exit_code = ExitCode.DIVERGED
    reason = "Diverged"


class NotLearningError(FtjobError):
    """Accuracy stayed at chance."""

    exit_code = ExitCode.NOT_LEARNING
    reason = "NotLearning"


class GpuIdleError(FtjobError):
    """The GPU did nothing while training was due."""

    exit_code = ExitCode.GPU_IDLE
    reason = "GpuIdle"


class NotEndedError(FtjobError):
    """The run goes on, and whoever waited for its end does not wait longer."""

    exit_code = ExitCode.PREEMPTED
    reason = "NotEnded"


class NotAcceptedError(FtjobError):
    """The run ended well and its result is below what the spec's `accept` asks for."""

    exit_code = ExitCode.NOT_ACCEPTED
    reason = "NotAccepted"
