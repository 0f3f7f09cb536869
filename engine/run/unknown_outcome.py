"""Irreversible calls of which nobody knows whether they happened: the world is asked, then a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.graph.spec import hash_of
from engine.message import brief_json
from engine.run.compensation import ask_the_world
from engine.run.effects import Effect
from engine.run.transaction import Transaction
from engine.tools.policy import Approval, ApprovalRequest
from engine.tools.protocol import Intent, ToolContext

Ask = Callable[[ApprovalRequest], Awaitable[Approval]]


Known = Literal["done", "not_done", "do_it"]
"""do_it: it did not happen, and a person says that it is to be done now."""


async def find_out(tx: Transaction, effect: Effect, tools: ToolContext, ask: Ask) -> Known:
    """Whether a call that broke off happened; one that did not is noted as taken back.

    Where the tool cannot tell, a person is asked twice: whether it happened, and if not, whether it is to be done. Who
    says no to both does not know, and the call stays listed.

    Args:
        tx: the run.
        effect: the call.
        tools: as they are for every call of the run.
        ask: puts a question to a person.

    Raises:
        EngineError: RESOURCE `outcome_unknown`: nobody knows, or nobody wants it to be done; the run must not go on.
    """
    intent = effect.intent
    world = await ask_the_world(intent, tools)
    known: Known = await _ask(intent, effect.path, ask) if world == "unknown" else world
    if known != "done":
        tx.emit(ev.Compensated(effect.path, effect.visit, intent.call, intent.tool))
    return known


async def _ask(intent: Intent, path: str, ask: Ask) -> Known:
    answer = await ask(_whether_it_happened(intent))
    if answer.allowed:
        return "done"
    again = await ask(_whether_to_do_it(intent)) if answer.by == "person" else answer
    if not again.allowed:
        raise _nobody_knows(intent, path)
    return "do_it"


def outcome_of_done(intent: Intent) -> dict[str, Any]:
    """The outcome of a call that is known to have happened and whose result was lost, as nodes read outcomes."""
    text = f"{intent.tool} did its work; what it gave back was lost in an interruption."
    return {"text": text, "output": {"result_lost": True}, "ok": True}


def not_done(intent: Intent, broke_off: EngineError) -> EngineError:
    """The error of a call that broke off and is known not to have happened. It is not retried: whoever wants it done
    asks for it again."""
    reason = broke_off.__cause__ if isinstance(broke_off.__cause__, EngineError) else broke_off
    return EngineError(
        ErrorClass.RESOURCE,
        "not_done",
        f"{intent.tool} did not do its work: {reason.message}",
        remedy="Ask again, if it is still to be done.",
    )


def _whether_it_happened(intent: Intent) -> ApprovalRequest:
    question = (
        f"A call of {intent.tool} was interrupted, and it is not known whether it did its work.\n"
        f"Its arguments: {brief_json(dict(intent.arguments))}\n"
        "Please look. Yes means that it HAS HAPPENED, and the run goes on with that. No means that it has not, or that "
        "you do not know; then you are asked whether it is to be done."
    )
    return ApprovalRequest("", question, "irreversible", {}, hash_of(["has it happened", intent.call]))


def _whether_to_do_it(intent: Intent) -> ApprovalRequest:
    question = (
        f"Is {intent.tool} to do its work now?\n"
        f"Its arguments: {brief_json(dict(intent.arguments))}\n"
        "If it had happened after all, a yes means that it HAPPENS TWICE. No ends the run and rolls it back."
    )
    return ApprovalRequest("", question, "irreversible", {}, hash_of(["is it to be done", intent.call]))


def _nobody_knows(intent: Intent, path: str) -> EngineError:
    return EngineError(
        ErrorClass.RESOURCE,
        "outcome_unknown",
        f"The run was interrupted during a call of {intent.tool}, and it is not known whether it did its work.",
        remedy="Look whether it happened before you ask again.",
        node=path,
    )
