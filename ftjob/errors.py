"""What can go wrong, each with its exit code: the one table used by worker, manifests, controller, docs."""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """How a worker ended. None is 1 (an unforeseen error), 137 or 143 (killed from outside)."""

    DONE = 0
    BAD_SPEC = 2
    BAD_NET = 3
    BAD_DATA = 4
    STORAGE = 5
    ENGINE_CRASHED = 6
    DIVERGED = 7
    NOT_LEARNING = 8
    BUDGET_REACHED = 9
    PREEMPTED = 10
    NOT_ACCEPTED = 11


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


class DivergedError(FtjobError):
    """The loss is NaN, infinite, or Caffe's 87.3365."""

    exit_code = ExitCode.DIVERGED
    reason = "Diverged"


class NotAcceptedError(FtjobError):
    """The run ended well and its result is below what the spec's `accept` asks for."""

    exit_code = ExitCode.NOT_ACCEPTED
    reason = "NotAccepted"
