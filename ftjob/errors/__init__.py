"""ftjob's exceptions, one for each thing that can go wrong; outcomes.py has reasons and exit codes."""

from typing import ClassVar

from ftjob.errors.outcomes import ExitCode as ExitCode
from ftjob.errors.outcomes import Reason, exit_code_of


class FtjobError(Exception):
    """One sentence for the user: the field, layer, file or record, and what to do."""

    reason: ClassVar[Reason]
    exit_code: ClassVar[ExitCode]
    """From the table, by reason."""

    def __init_subclass__(cls) -> None:
        """Look up the exit code."""
        cls.exit_code = exit_code_of(cls.reason)


class BadSpecError(FtjobError):
    """The spec, the command line or something they name is wrong."""

    reason = Reason.BAD_SPEC


class BadNetError(FtjobError):
    """The net or its weights cannot be used."""

    reason = Reason.BAD_NET


class BadDataError(FtjobError):
    """The images, labels or mean cannot be used."""

    reason = Reason.BAD_DATA


class StorageError(FtjobError):
    """Something in storage could not be read or written."""

    reason = Reason.STORAGE_UNREACHABLE


class EngineError(FtjobError):
    """The engine died, or refused its input for an unexpected reason."""

    reason = Reason.ENGINE_CRASHED


class EngineSilentError(EngineError):
    """The engine gave no sign of life for too long, and was killed."""


class GpuMemoryError(EngineError):
    """The net and its batch do not fit the GPU's memory."""

    reason = Reason.GPU_MEMORY


class DivergedError(FtjobError):
    """The loss is NaN, infinite, or Caffe's 87.3365."""

    reason = Reason.DIVERGED


class NotLearningError(FtjobError):
    """Accuracy stayed at chance."""

    reason = Reason.NOT_LEARNING


class GpuIdleError(FtjobError):
    """The GPU was idle when it should have been training."""

    reason = Reason.GPU_IDLE


class NotEndedError(FtjobError):
    """The run continues, but its caller no longer waits for its end."""

    reason = Reason.NOT_ENDED


class NotAcceptedError(FtjobError):
    """The run ended well, but its result is below what the spec's `accept` requires."""

    reason = Reason.NOT_ACCEPTED
