"""Fields that all parts of a graph specification share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NodeId = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$")]
Identifier = Annotated[str, Field(min_length=1, max_length=200)]


class Strict(BaseModel):
    """Unknown fields are errors (a field that does nothing would be a lie), and so are values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RetrySpec(Strict):
    """Waits are random between 0 and a bound that doubles from attempt to attempt (full jitter)."""

    attempts: int = Field(default=3, ge=1, le=20, description="attempts in all, the first included")
    base_delay_ms: int = Field(default=500, ge=0, le=60_000, description="upper bound of the first back-off")


class NodeConfig(Strict):
    """Fields that every node has."""

    timeout_ms: int | None = Field(default=None, ge=1, description="deadline of one visit; default: the run's")
    retry: RetrySpec | None = Field(
        default=None,
        description="retry of retryable failures: of the model call in nodes that call a model, else of the visit",
    )
    idempotent: bool = Field(default=True, description="false: a visit that failed is never repeated")
