"""Settings of the face: how the cockpit is used, not what the engine does."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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
