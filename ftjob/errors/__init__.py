"""ftjob's exceptions, one for each thing that can go wrong; outcomes.py has reasons and exit codes."""

from typing import ClassVar

from ftjob.errors.outcomes import ExitCode as ExitCode
from ftjob.errors.outcomes import Reason, exit_code_of


class FtjobError(Exception):
    """One sentence for the user: the field, layer, file or record, and what to do."""

    reason: ClassVar[Reason]
    exit_code: ClassVar[ExitCode]
    """From the table, by the reason."""

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
    """Something could not be read from or written to where it lives."""

    reason = Reason.STORAGE_UNREACHABLE


class EngineError(FtjobError):
    """The engine died, or refused its input for an unforeseen reason."""

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
    """The GPU did nothing while training was due."""

    reason = Reason.GPU_IDLE


class NotEndedError(FtjobError):
    """The run continues, and its caller does not wait for its end any longer."""

    reason = Reason.NOT_ENDED


class NotAcceptedError(FtjobError):
    """The run ended well, but its result is below what the spec's `accept` requires."""

    reason = Reason.NOT_ACCEPTED
