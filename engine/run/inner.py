"""What runs inside a visit: a node of the same graph, or another graph."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.message import Message
from engine.run.attempts import attempt_visit
from engine.run.failures import failed
from engine.run.frame import Frame
from engine.run.state import entry_points
from engine.run.verdict import Verdict

if TYPE_CHECKING:
    from engine.run.visit import Visit


async def run_node(owner: Visit, node: str, message: Message) -> Message:
    """Run an inner node of the visit `owner`; the message that it made.

    Raises:
        EngineError: it failed, or the run has no visit left.
    """
    frame = owner.frame
    if frame.tx.log.blocked:
        await frame.unblocked()
    frame.check_steps()
    path = f"{owner.path}#{owner.visit}/{node}"
    number = _recorded(owner, message)
    activation = ev.Activation(path, frame.state.visits.get(path, 0) + 1, number, owner.path, owner.activation.tokens)
    received, started = frame.start(activation)
    visit = owner.inside(activation)
    try:
        at_once = frame.plan.inline.get(node)
        if at_once is None:
            made = await attempt_visit(visit, received)
        else:
            made = at_once.decide(visit, received)
            await asyncio.sleep(0)  # a loop of such nodes lets others have their turn
    except asyncio.CancelledError:
        frame.finish(activation, "cancelled", started)
        raise
    except Exception as exc:  # noqa: BLE001 - whatever a node raises becomes its outcome
        error = failed(exc, path)
        frame.finish(activation, "failed", started, error=error)
        raise error from None
    finished = frame.finish(activation, "ok", started, made=made)
    return frame.state.messages[finished.message]


def _recorded(owner: Visit, message: Message) -> int:
    """Id of the message in the log; one that the node made of what it received is added to it first."""
    state = owner.frame.state
    if state.messages.get(message.id) == message:
        return message.id
    number = state.next_message
    owner.emit(ev.MessageAdded(owner.path, owner.visit, number, message.content, dict(message.data)))
    return number


async def run_graph(owner: Visit, graph: str, question: str, inputs: Mapping[str, Any]) -> Message:
    """Run a sub-graph inside the visit `owner`; its answer.

    Raises:
        EngineError: it failed, or ended at an error exit.
    """
    outer = owner.frame
    plan = outer.plan.graphs[graph]
    prefix = f"{owner.path}#{owner.visit}/"
    outer.tx.forget_checkpoints(prefix)
    owner.emit(
        ev.SubgraphOpened(
            path=owner.path,
            visit=owner.visit,
            graph=graph,
            message=outer.state.next_message,
            question=question,
            inputs=dict(inputs),
            entries=tuple(prefix + node for node in entry_points(plan.document)),
        )
    )
    frame = dataclasses.replace(outer, plan=plan, prefix=prefix, state=outer.tx.state.frames[prefix])
    return _answer(frame, graph, await frame.drive(frame))


def _answer(frame: Frame, graph: str, verdict: Verdict) -> Message:
    if verdict.reason == "exit" and verdict.status != "error":
        return Message(0, verdict.text, {**(verdict.data or {}), "exit": verdict.status}, frame.prefix + verdict.node)
    info = verdict.error
    if info is None:
        raise EngineError(
            ErrorClass.INVALID_OUTPUT,
            "subgraph_error",
            f"The sub-graph {graph} ended at its error exit {verdict.node}: {verdict.text[:200]}",
            remedy="Look at its nodes for what led there.",
        )
    raise EngineError(info.error_class, info.code, info.message, remedy=info.remedy, node=info.node)
