"""Calling a tool: the one way in which a tool is ever run, and in which its effect is taken back.

`call_tool` validates, asks the policy, prepares the undo, journals the intent, runs under the time limit and bounds the
result. `compensate` and `reconcile` take a journalled intent, in this process or a later one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from engine.errors import ConfigurationError, EngineError, ErrorClass, classify
from engine.graph.problems import choose_from, shorten
from engine.graph.spec import hash_of
from engine.tools.clean import clean, clean_arguments
from engine.tools.policy import ApprovalRequest, Decision, refused
from engine.tools.protocol import (
    HostTool,
    Intent,
    IrreversibleTool,
    Reconciliation,
    ReversibleTool,
    Tool,
    ToolContext,
    UndoRecord,
)

MAX_OUTPUT = 65_536
"""Characters of a result as text; what is longer is cut."""
MAX_FIELDS = 2_000_000
"""Characters of a result's fields as JSON; longer texts and lists in it are cut."""
_REFUSALS = frozenset(
    {
        ErrorClass.INVALID_REQUEST,
        ErrorClass.AUTH,
        ErrorClass.NOT_FOUND,
        ErrorClass.CONFIGURATION,
        ErrorClass.TOOL_REFUSED,
    }
)
"""Failures of an irreversible call which say that nothing was done; after any other it may have happened."""


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to; plain JSON by `asdict`, to be logged."""

    call: str
    tool: str
    text: str
    """For a model or a person; at most `MAX_OUTPUT` characters."""
    output: Mapping[str, Any]
    """The fields of the tool's Output."""
    cut: bool
    """Whether something was left out because it was too long."""
    intent: Intent
    decision: Decision


class InvalidArguments(EngineError):
    """Arguments that do not fit a tool. `fields` lists (field, what is wrong with it)."""

    def __init__(self, tool: str, fields: tuple[tuple[str, str], ...], remedy: str) -> None:
        said = "; ".join(f"`{name}`: {reason}" if name else reason for name, reason in fields[:4])
        message = f"The tool {tool} cannot be called with these arguments: {said}."
        super().__init__(ErrorClass.INVALID_REQUEST, "invalid_arguments", message, remedy=remedy)
        self.fields = fields


class OutcomeUnknown(EngineError):
    """An irreversible call broke off: it may have happened. Never retried; `reconcile`, or ask the person."""

    def __init__(self, tool: str, reason: str) -> None:
        message = f"It is not known whether the tool {tool} did its work: {reason}"
        remedy = "Look whether it happened before doing it again."
        super().__init__(ErrorClass.RESOURCE, "outcome_unknown", message, remedy=remedy)


async def call_tool(tool: Tool, arguments: Mapping[str, Any], context: ToolContext) -> ToolOutcome:
    """Call a tool.

    Args:
        arguments: plain JSON values, as a model or a graph gave them.

    Raises:
        EngineError: INVALID_REQUEST (arguments; see `InvalidArguments`), TOOL_REFUSED (policy, or the tool itself),
            TIMEOUT (the work was ended), RESOURCE (a bound, the system, or `OutcomeUnknown`), or the tool's own error.
            After the journal had the intent, the effect of a reversible tool may have been made: `compensate` it; that
            of an irreversible one was not made unless the error is `OutcomeUnknown`.
    """
    given = parse_arguments(tool, arguments)
    plain = clean_arguments(tool.id, given.model_dump(mode="json"))
    digest = hash_of([tool.id, plain])
    host = tool.host(given) if isinstance(tool, HostTool) else ""
    request = ApprovalRequest(tool.id, tool.description, tool.effect, plain, digest, host)
    decision = await context.policy.decide(request, tool.permission, context.approver)
    if context.journal is not None:
        await context.journal.decided(decision)
    if not decision.allowed:
        raise refused(decision)
    async with context.slots:
        context = replace(context, call=context.call or uuid4().hex)
        undo = await _prepare(tool, given, context)
        intent = Intent(context.call, tool.id, tool.effect, plain, digest, undo)
        if context.journal is not None:
            await context.journal.prepared(intent)
        try:
            text, fields, cut = _bounded(await _run(tool, given, replace(context, undo=undo)))
        except EngineError as exc:
            if tool.effect == "irreversible" and exc.error_class not in _REFUSALS:
                raise OutcomeUnknown(tool.id, exc.message) from exc
            raise
    return ToolOutcome(context.call, tool.id, text, fields, cut, intent, decision)


async def compensate(tool: Tool, intent: Intent, context: ToolContext) -> None:
    """Take back what an intent may have done. Idempotent; for intents in reverse order.

    Raises:
        EngineError: it could not be taken back (TOOL_REFUSED for a conflict, or because the tool is irreversible).
    """
    if intent.effect == "pure":
        return
    if not isinstance(tool, ReversibleTool) or intent.undo is None:
        raise EngineError(
            ErrorClass.TOOL_REFUSED,
            "not_reversible",
            f"What the tool {intent.tool} did cannot be taken back.",
            remedy="Look at what it did, and mend it by hand.",
        )
    try:
        await tool.undo(intent.undo, replace(context, call=intent.call))
    except asyncio.CancelledError:
        raise
    except Exception as exc:
        raise classify(exc) from exc


async def reconcile(tool: Tool, intent: Intent, context: ToolContext) -> Reconciliation:
    """Whether an intent without an outcome was carried out; `unknown` where the tool cannot tell."""
    if not isinstance(tool, IrreversibleTool):
        return "unknown"
    try:
        async with asyncio.timeout(tool.timeout_s):
            return await tool.reconcile(intent, replace(context, call=intent.call))
    except asyncio.CancelledError:
        raise
    except Exception:  # noqa: BLE001 - whatever it was, the answer is that nobody knows
        return "unknown"


def parse_arguments(tool: Tool, arguments: Mapping[str, Any]) -> BaseModel:
    """The arguments as the tool's Input.

    Raises:
        InvalidArguments: they do not fit; it names the fields and the nearest known ones.
    """
    plain = clean_arguments(tool.id, dict(arguments) if isinstance(arguments, Mapping) else arguments)
    try:
        return tool.Input.model_validate(plain)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False, include_context=False)
    except RecursionError:
        raise InvalidArguments(tool.id, (("", "they are nested too deeply"),), "Give plain values.") from None
    fields = tuple(
        (shorten(".".join(str(part) for part in error["loc"])), _words(error["type"], error["msg"])) for error in errors
    )
    names = tool.Input.model_fields
    unknown = next((error["loc"][0] for error in errors if error["type"] == "extra_forbidden"), None)
    if unknown is not None:
        remedy = choose_from(unknown, names)
    else:
        needed = [f"`{name}`" for name, info in names.items() if info.is_required()]
        optional = [f"`{name}`" for name, info in names.items() if not info.is_required()]
        remedy = f"Needed: {', '.join(needed) or 'nothing'}; optional: {', '.join(optional) or 'nothing'}."
    raise InvalidArguments(tool.id, fields, remedy)


def _words(kind: str, message: str) -> str:
    if kind == "missing":
        return "it is missing"
    if kind == "extra_forbidden":
        return "there is no such argument"
    return shorten(message[:1].lower() + message[1:], 200)


async def _prepare(tool: Tool, given: BaseModel, context: ToolContext) -> UndoRecord | None:
    if tool.effect != "reversible":
        return None
    if not isinstance(tool, ReversibleTool):
        message = f"The tool {tool.id} says that it is reversible, and cannot undo."
        raise ConfigurationError("no_undo", message, remedy="Give it prepare and undo, or call it irreversible.")
    return await _limited(tool, tool.prepare(given, context))  # type: ignore[no-any-return]


async def _run(tool: Tool, given: BaseModel, context: ToolContext) -> BaseModel:
    output = await _limited(tool, tool.run(given, context))
    if not isinstance(output, tool.Output):
        message = f"The tool {tool.id} returned a {type(output).__name__} and not what it declares."
        raise EngineError(ErrorClass.INTERNAL, "wrong_output", message, remedy="This is a defect of the tool.")
    return output


async def _limited(tool: Tool, work: Any) -> Any:
    """Await the work under the tool's time limit; every failure leaves as an EngineError."""
    limit = asyncio.timeout(tool.timeout_s)
    try:
        async with limit:
            return await work
    except asyncio.CancelledError:
        raise
    except Exception as exc:
        if limit.expired() and isinstance(exc, TimeoutError):
            raise EngineError(
                ErrorClass.TIMEOUT,
                "tool_timeout",
                f"The tool {tool.id} was stopped after {tool.timeout_s:g} s.",
                remedy="Give it less to do.",
            ) from None
        raise classify(exc) from exc


def _bounded(output: BaseModel) -> tuple[str, dict[str, Any], bool]:
    """The result as (text, fields, whether something was cut), within `MAX_OUTPUT` and `MAX_FIELDS`."""
    try:
        fields: dict[str, Any] = clean(output.model_dump())
        size = len(json.dumps(fields, ensure_ascii=False))
        as_text = getattr(output, "as_text", None)
        text = clean(as_text()) if callable(as_text) else json.dumps(fields, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError) as exc:
        message = f"The tool's result is no plain JSON: {shorten(exc, 120)}."
        raise EngineError(ErrorClass.INVALID_OUTPUT, "result_not_json", message) from None
    cut = len(text) > MAX_OUTPUT
    if cut:
        note = "\n[cut: the result was longer]"
        text = text[: MAX_OUTPUT - len(note)] + note
    if size > MAX_FIELDS:
        fields, cut = _shortened(fields), True
    return text, fields, cut


def _shortened(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with long texts and lists cut, so that together they fit."""
    share = MAX_FIELDS // (2 * max(len(fields), 1))
    return {name: _fitting(value, share) for name, value in fields.items()}


def _fitting(value: Any, share: int) -> Any:
    if len(json.dumps(value, ensure_ascii=False)) <= share:
        return value
    if isinstance(value, str):
        while len(json.dumps(value, ensure_ascii=False)) > share:  # JSON escapes may make it six times as long
            value = value[: min(share, len(value) - len(value) // 4 - 1)]
        return value
    if isinstance(value, list):
        kept: list[Any] = []
        room = share
        for each in value:
            room -= len(json.dumps(each, ensure_ascii=False)) + 2
            if room < 0:
                break
            kept.append(each)
        return kept
    return None
