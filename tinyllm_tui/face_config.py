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
