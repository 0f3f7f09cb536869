"""Settings of the face: how the cockpit is used, not what the engine does."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Preset = Literal["default", "vim"]
"""A set of keys."""


class KeysConfig(BaseModel):
    """Which keys do what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Preset = Field(default="default", description="keys to begin with: `default`, or `vim`")
    map: dict[str, str] = Field(
        default_factory=dict,
        description="keys of single bindings by id (`tinyllm-tui keys` lists them), such as {chat.copy: 'ctrl+y'}",
    )


Signal = Literal["off", "bell", "osc9", "osc777"]
"""How a terminal is told that something is over."""


class NotifyConfig(BaseModel):
    """Saying that a long run is over, while the terminal is not looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    how: Signal = Field(
        default="bell",
        description="bell: the terminal's own; osc9 and osc777: a notification of the desktop, in terminals that make "
        "one of it; off: nothing",
    )
    after_s: float = Field(default=10.0, ge=0, description="seconds; nothing is said of runs that took less")


Metric = Literal[
    "success_rate", "commit_rate", "failure_rate", "fallback_rate", "breaker_rate", "cache_rate",
    "p50_ms", "p95_ms", "p99_ms", "first_token_p95_ms", "tokens_per_s",
]  # fmt: skip
"""What an alert watches. Rates are 0 to 1; of a node or model, failure_rate is of its visits or calls."""
_OF_RUNS = frozenset({"success_rate", "commit_rate", "fallback_rate", "breaker_rate"})


class AlertRule(BaseModel):
    """A bound: the person is told when the latest runs cross it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60, description="what the alert is called")
    metric: Metric = Field(description="what is watched")
    above: float | None = Field(default=None, description="alert when it is above this")
    below: float | None = Field(default=None, description="alert when it is below this; one of the two is needed")
    graph: str = Field(default="", description="only runs of this graph, such as quick")
    node: str = Field(default="", description="of this node of the graph, by its id")
    model: str = Field(default="", description="of this model")
    last: int = Field(default=20, ge=1, le=2000, description="of so many of the latest finished runs")
    min_runs: int = Field(default=5, ge=1, description="no alert while it is known of fewer runs")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("it needs one of `above` and `below`")
        bound = self.above if self.above is not None else self.below
        if self.metric.endswith("_rate") and not 0 <= (bound or 0) <= 1:
            raise ValueError(f"the bound of {self.metric} is a share from 0 to 1, such as 0.2 for 20 %")
        if self.node and self.model:
            raise ValueError("it can be of a `node` or of a `model`, not of both")
        if (self.node or self.model) and self.metric in _OF_RUNS:
            raise ValueError(f"{self.metric} is of whole runs: leave out `node` and `model`")
        if self.min_runs > self.last:
            raise ValueError("`min_runs` is more than `last`, so that it never counts")
        return self
