"""Toolbox: the tools that one visit may call: checks, calls and bounds them, and keeps what they came to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import choose_from, shorten
from engine.graph.spec import hash_of
from engine.message import Message
from engine.nodes.context import NodeContext
from engine.tools.call import call_tool, parse_arguments
from engine.tools.clean import clean_arguments
from engine.tools.protocol import Tool
from engine.view import TOOL_OP

MAX_SHOWN = 8000
"""Characters of a result that a model sees, in a window that is large enough."""
MAX_LISTED = 50
"""Calls that a message's data lists: the latest."""
MAX_LISTED_TEXT = 1000
"""Characters of each text in that list."""

_MARKUP = re.compile(r"<(?=\||/?(?:tool_|s>)|/?result\b)|\[(?=/?(?:INST|TOOL_)\w*\])")
"""What chat templates give a meaning to, or would end the marks around a result."""


class Result:
    """What a call came to, as the model is told."""

    __slots__ = ("arguments", "fresh", "ok", "text")

    def __init__(self, text: str, *, ok: bool, fresh: bool, arguments: Mapping[str, Any] | None = None) -> None:
        self.text = text
        """For the model: bounded, and free of markup that a chat template would take for its own."""
        self.ok = ok
        self.fresh = fresh
        """Whether a tool really ran: neither refused, nor asked the same thing again."""
        self.arguments = dict(arguments or {})
        """The arguments as plain JSON, long values cut; none where they could not be read."""


class Toolbox:
    """The tools of one visit.

    Args:
        ctx: the visit.
        ids: those that the node names.
        window: of the model that sees the results, in tokens.
    """

    def __init__(self, ctx: NodeContext, ids: Sequence[str], window: int) -> None:
        self._ctx = ctx
        self._room = min(MAX_SHOWN, window)  # characters: a quarter of the window in tokens
        registry = ctx.tools.registry
        self._tools = {name: tool for name in ids if (tool := registry.get(name)) and not refusal(tool, ctx)}
        self._refused = {name: registry.get(name) for name in ids if name not in self._tools}
        self._known: dict[str, str] = {}
        self.used: list[dict[str, Any]] = []
        """`{"tool", "arguments", "text", "ok"}` of every call that ran, in order."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools that can be called."""
        return self._tools

    def knows(self, name: str, arguments: Mapping[str, Any]) -> bool:
        """Whether exactly this call ran before."""
        return _key(name, arguments) in self._known

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Result:
        """Call a tool; whatever goes wrong is a result that says so.

        A call that ran before is not repeated. What a tool gave back is data from outside: it is bounded, and its
        markup is taken from it.
        """
        tool = self._tools.get(name)
        try:
            if tool is None:
                raise self._no_such_tool(name)
            plain = clean_arguments(name, dict(arguments))
            parse_arguments(tool, plain)
        except EngineError as error:
            return Result(self._shown(_said(error)), ok=False, fresh=False)
        key = _key(name, plain)
        if key in self._known:
            text = f"This was asked before, and the result is known: {self._known[key]}"
            return Result(text, ok=True, fresh=False, arguments=_cut(plain))
        text, ok = await self._run(tool, plain)
        self._known[key] = text
        self.used.append(listed_call(name, plain, text, ok=ok))
        return Result(text, ok=ok, fresh=True, arguments=_cut(plain))

    async def _run(self, tool: Tool, arguments: dict[str, Any]) -> tuple[str, bool]:
        """(text, whether it worked): an operation of the visit."""

        async def call() -> dict[str, Any]:
            outcome = await call_tool(tool, arguments, self._ctx.tools)
            return {"text": self._shown(outcome.text), "ok": outcome.output.get("ok") is not False}

        try:
            result = await self._ctx.op(f"{TOOL_OP}{tool.id}", arguments, call)
        except EngineError as error:
            if error.error_class is ErrorClass.CANCELLED:
                raise
            return self._shown(_said(error)), False
        return str(result["text"]), bool(result["ok"])

    def _shown(self, text: str) -> str:
        shown = _MARKUP.sub(lambda found: f"{found[0]} ", text.strip())
        return shown if len(shown) <= self._room else f"{shown[: self._room]}\n[cut: the result was longer]"

    def _no_such_tool(self, name: str) -> EngineError:
        refused = self._refused.get(name)
        error = refusal(refused, self._ctx) if refused is not None else None
        if error is not None:
            return error
        remedy = choose_from(name, self._tools)
        return EngineError(
            ErrorClass.INVALID_REQUEST, "unknown_tool", f"There is no tool `{shorten(name)}`.", remedy=remedy
        )


def refusal(tool: Tool, ctx: NodeContext) -> EngineError | None:
    """Why a graph may not call a tool; None where it may."""
    if tool.id.startswith("file_") and ctx.tools.workspace is None:
        return EngineError(
            ErrorClass.TOOL_REFUSED,
            "no_workspace",
            f"The tool {tool.id} needs a workspace, and none is configured.",
            remedy="Take it off the node's tools, or name a folder as the workspace in the settings.",
        )
    if tool.effect != "pure" and ctx.tools.undo_dir is None:
        return EngineError(
            ErrorClass.TOOL_REFUSED,
            "no_store",
            f"The tool {tool.id} changes something, and without a store nobody would know of it after a crash.",
            remedy="Run it where transactions are recorded.",
        )
    return None


def with_used(message: Message, used: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`{"tools": ...}` for the data of a node's message: the calls that came with the message it received, and its
    own; empty where it made none."""
    if not used:
        return {}
    before = message.data.get("tools")
    listed = [each for each in before if isinstance(each, Mapping)] if isinstance(before, list | tuple) else []
    return {"tools": [dict(each) for each in (*listed, *used)][-MAX_LISTED:]}


def listed_call(tool: str, arguments: Mapping[str, Any], text: str, *, ok: bool) -> dict[str, Any]:
    """An entry of that list, bounded."""
    return {"tool": tool, "arguments": _cut(arguments), "text": text[:MAX_LISTED_TEXT], "ok": ok}


def _key(name: str, arguments: Mapping[str, Any]) -> str:
    return hash_of([name, dict(arguments)])


def _said(error: EngineError) -> str:
    return f"Error: {error.message} {error.remedy}".strip()


def _cut(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {word: _brief(value) for word, value in arguments.items()}


def _brief(value: Any) -> Any:
    """A value as it is, or the beginning of its JSON where that is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= MAX_LISTED_TEXT else f"{text[: MAX_LISTED_TEXT - 1]}…"
