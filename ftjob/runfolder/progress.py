"""A worker's report to the cluster: one small document, for a reader that does not trust it.

While it trains, the worker serves it at `GET /status`; at its end it writes it as its termination message, of
which a kubelet keeps 4096 bytes (kubernetes/pkg/kubelet/container, MaxContainerTerminationMessageLength).
"""

import json
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

PORT, PATH = 8081, "/status"
LARGEST = 4096
"""Bytes of a whole document."""
LONGEST = 1000
"""Characters of a message."""

UNREAD_SECONDS = 6.0
"""How long a worker that was asked to stop serves its end until somebody has read it.

A kubelet may remove the container of a deleted pod before it has read the termination message: the pod then
ends with a container that "waits" (seen with Kubernetes 1.20 on a busy node, in three of 28 stops).
"""
MOST_GPUS = 16
"""Of a worker, whose use it reports."""

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Figure = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=0, le=2**50)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
ReportedReason = Annotated[str, StringConstraints(pattern=r"^([A-Z][A-Za-z0-9]*)?$", max_length=64)]
"""A word like ftjob.errors.outcomes.Reason's; a worker of another version may have words of its own."""
Message = Annotated[str, StringConstraints(max_length=LONGEST)]


class GpuProgress(BaseModel):
    """How much one GPU does."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", use_attribute_docstrings=True)

    utilization: Share
    """The share of the last moments in which it computed anything."""
    memory: Size
    """Bytes in use."""
    memory_total: Size


class Progress(BaseModel):
    """Where a run stands. Fields of a newer worker are passed over."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", use_attribute_docstrings=True)

    attempt: Count
    """The number that the cluster gave this attempt."""
    stage: Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]{1,40} \([0-9]+ of [0-9]+\))?$")] = ""
    """Of a run with stages, the one under way, as in `faces (2 of 3)`."""
    iteration: Count = 0
    """Of all stages together, as are the next two."""
    max_iter: Count = 0
    snapshot: Count | None = None
    """The newest complete snapshot."""
    tested: Count | None = None
    """The iteration of the last test."""
    loss: Annotated[float, Field(allow_inf_nan=False)] | None = None
    accuracy: Share | None = None
    """The best so far, of the main head on the validation data."""
    images_per_second: Figure | None = None
    gpus: Annotated[tuple[GpuProgress, ...], Field(max_length=MOST_GPUS)] = ()
    eta_seconds: Figure | None = None
    earlier_seconds: Figure = 0.0
    """What the run's folder had been accounted with before this FineTuneJob came to it."""
    earlier_usd: Figure = 0.0
    reason: ReportedReason = ""
    message: Message = ""
    exit_code: Annotated[int, Field(ge=0, le=255)] | None = None
    """The worker's; None while it runs."""

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if self.max_iter and self.iteration > self.max_iter:
            raise ValueError("iteration is beyond max_iter")
        if self.snapshot is not None and self.snapshot > self.iteration:
            raise ValueError("snapshot is beyond iteration")
        return self

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a document. Raises ValueError with one short line that quotes nothing of it."""
        if len(data) > LARGEST:
            raise ValueError(f"it has {len(data)} bytes, {LARGEST} at most are read")
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"]))[:64]
            raise ValueError(f"{field or 'it'}: {first['type']}") from None

    def render(self) -> bytes:
        """Return the document, with as much of the message as fits."""
        report = self
        while len(data := report._bytes()) > LARGEST:
            report = report.model_copy(update={"message": report.message[: len(report.message) * 3 // 4]})
        return data

    def _bytes(self) -> bytes:
        return json.dumps(self.model_dump(exclude_none=True), ensure_ascii=False).encode()
