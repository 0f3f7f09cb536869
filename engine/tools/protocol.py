"""Tool: what every tool is, built-in or foreign, and the life cycle of a call with an effect.

A call goes through these steps; `engine.tools.call.call_tool` takes them, and a `Journal` logs them:

    validate -> decide -> prepare -> journal.prepared(intent) -> run -> (the caller logs the outcome)

- `prepare` (reversible tools) changes nothing: it writes copies of what the effect would destroy, flushes them to the
  disk and returns an undo record, which is plain JSON. The record is part of the intent.
- The intent is durable before `run` begins. So after a crash there is an intent for every effect that may have
  happened, and the record in it is enough to take the effect back, whether or not it happened.
- Compensation takes the intents (with or without an outcome) in reverse order and calls `undo(record)` in any process.
  `undo` is idempotent: it looks at the state, puts back what is not as it was, and leaves a mark when it is through, so
  that undoing once more does nothing at all. Where somebody else changed the thing meanwhile it raises and touches
  nothing: the caller lists that effect as not compensated.
- An irreversible tool has no undo, and a person is asked before every call. A call that broke off, or has an intent and
  no outcome after a crash, is `unknown`: `reconcile(intent)` asks the world, and where that does not say, a person is
  asked. Only what is known not to have happened may be done again, and a timeout is never retried.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from engine.tools.effect import Effect, Permission
from engine.tools.policy import ApprovalPolicy, Approver, Decision
from engine.tools.registry import ToolRegistry
from engine.tools.workspace import Workspace

UndoRecord = dict[str, Any]
"""What `undo` needs, as plain JSON: names of copies, states before and after. Never the copied bytes themselves."""

Reconciliation = Literal["done", "not_done", "unknown"]


class Arguments(BaseModel):
    """Base of the inputs of built-in tools: immutable, so that what was approved is what runs; unknown names are
    errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Result(BaseModel):
    """Base of the outputs of built-in tools; every field is a JSON value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def as_text(self) -> str:
        """What a model or a person reads; the JSON form where a tool has nothing better."""
        return json.dumps(self.model_dump(), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that is about to happen; plain JSON by `dataclasses.asdict`, and back by `Intent(**value)`."""

    call: str
    """Unique id of the call; names its undo copies."""
    tool: str
    effect: Effect
    arguments: Mapping[str, Any]
    arguments_hash: str
    undo: UndoRecord | None = None
    """Of reversible tools."""


class Journal(Protocol):
    """Where the steps of a call are logged."""

    async def decided(self, decision: Decision) -> None:
        """Log whether the call may run."""
        ...

    async def prepared(self, intent: Intent) -> None:
        """Log the intent; it must be durable when this returns, for the effect follows."""
        ...


def _slots() -> asyncio.Semaphore:
    return asyncio.Semaphore((os.cpu_count() or 1) + 2)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may use. One per run; `call_tool` makes one of it for each call."""

    workspace: Workspace | None = None
    """The folder of file tools."""
    undo_dir: Path | None = None
    """Folder of the transaction's undo copies; outside the workspace. Removed by the run when it is over."""
    registry: ToolRegistry = field(default_factory=ToolRegistry)
    """All tools that there are."""
    policy: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    approver: Approver | None = None
    journal: Journal | None = None
    slots: asyncio.Semaphore = field(default_factory=_slots)
    """How many calls run at once; the engine passes one for all its runs."""
    call: str = ""
    """Id of this call."""
    undo: UndoRecord | None = None
    """During `run` of a reversible tool: what its `prepare` returned."""


@runtime_checkable
class Tool(Protocol):
    """A tool. It keeps no state between calls and never raises anything but `EngineError` and `CancelledError`."""

    @property
    def id(self) -> str: ...
    @property
    def description(self) -> str:
        """One or two sentences for the model that may choose it."""
        ...

    @property
    def Input(self) -> type[BaseModel]: ...  # noqa: N802 - a class
    @property
    def Output(self) -> type[BaseModel]: ...  # noqa: N802 - a class
    @property
    def effect(self) -> Effect: ...
    @property
    def permission(self) -> Permission:
        """What holds unless the person's policy says otherwise."""
        ...

    @property
    def timeout_s(self) -> float:
        """Seconds for `run`; a person's thinking time is not counted."""
        ...

    async def run(self, arguments: Any, context: ToolContext) -> BaseModel:
        """Do it. Cancelling must end the work, or wait for its (bounded) end.

        Args:
            arguments: an instance of `Input`.
        """
        ...


@runtime_checkable
class ReversibleTool(Tool, Protocol):
    """A tool whose effect can be taken back."""

    async def prepare(self, arguments: Any, context: ToolContext) -> UndoRecord:
        """Write the copies that an undo needs, durably, and say how to use them; changes nothing else."""
        ...

    async def undo(self, record: UndoRecord, context: ToolContext) -> None:
        """Put everything back as it was before the call. Harmless when repeated, or when `run` never began.

        Raises:
            EngineError: class TOOL_REFUSED, code `undo_conflict`: somebody changed it meanwhile; nothing was touched.
        """
        ...


@runtime_checkable
class IrreversibleTool(Tool, Protocol):
    """A tool whose effect stays."""

    async def reconcile(self, intent: Intent, context: ToolContext) -> Reconciliation:
        """Whether the effect of an intent without an outcome happened.

        `intent.call` is the id that `run` found as `context.call`, so that what it did can be found by it. `not_done`
        also means that it cannot happen any more: a request that may still be on its way is `unknown`.
        """
        ...


@runtime_checkable
class HostTool(Tool, Protocol):
    """A tool that talks to a host, which a person may approve once for all its calls."""

    def host(self, arguments: Any) -> str:
        """The host that these arguments reach."""
        ...


def definition(tool: Tool) -> dict[str, Any]:
    """The tool as chat APIs want it: `{"type": "function", "function": {name, description, parameters}}`, where
    parameters is a JSON Schema (the format of the OpenAI and Ollama chat APIs)."""
    schema = _without_titles(tool.Input.model_json_schema())
    schema.pop("description", None)  # that of the Python class
    return {
        "type": "function",
        "function": {"name": tool.id, "description": tool.description, "parameters": schema},
    }


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Titles repeat the names, and every token of a definition costs a small model attention."""
    slim: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            slim[key] = {name: _without_titles(each) for name, each in value.items()}
        elif isinstance(value, dict):
            slim[key] = _without_titles(value)
        elif isinstance(value, list):
            slim[key] = [_without_titles(each) if isinstance(each, dict) else each for each in value]
        elif key != "title":
            slim[key] = value
    return slim
