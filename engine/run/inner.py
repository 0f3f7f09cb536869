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
from engine.run.compensation import take_back_first
from engine.run.failures import failed
from engine.run.frame import Frame
from engine.run.state import RunState, entry_points
from engine.run.verdict import Verdict

if TYPE_CHECKING:
    from engine.run.visit import Visit


async def run_node(owner: Visit, node: str, message: Message) -> Message:
    """Run an inner node of the visit `owner`; the message that it made.

    Raises:
        EngineError: it failed, or the run has no visit left.
    """
    frame = owner.frame
    path, visit_number = f"{owner.path}#{owner.visit}/{node}", owner.next_inner(node)
    earlier = _made_before(frame, path, visit_number, message)
    if earlier is not None:
        return earlier
    if frame.tx.log.blocked:
        await frame.unblocked()
    frame.check_steps()
    number = _recorded(owner, message)
    activation = ev.Activation(path, visit_number, number, owner.path, owner.activation.tokens)
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


def _made_before(frame: Frame, path: str, visit: int, message: Message) -> Message | None:
    """What the inner visit made of the same message, where the visit around it begins again."""
    prefix = path.rpartition("/")[0] + "/"
    found = frame.tx.state.operations.made.get(prefix, {}).get((path, visit))
    if found is None:
        return None
    received, made = (frame.state.messages[number] for number in found)
    same = received.content == message.content and received.data == message.data
    return made if same else None


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
    prefix = f"{owner.path}#{owner.visit}/"
    state = outer.tx.state.frames.get(prefix)
    if state is None or state.stale or not _asks(state, question, inputs):
        await take_back_first(outer.tx, owner.effects, outer.services.tools)  # of one that was begun before
        state = _open(owner, graph, question, inputs)
    frame = dataclasses.replace(outer, plan=outer.plan.graphs[graph], prefix=prefix, state=state)
    return _answer(frame, graph, await frame.drive(frame))


def _asks(state: RunState, question: str, inputs: Mapping[str, Any]) -> bool:
    """Whether a sub-graph that is under way was asked this."""
    asked = state.messages[state.question]
    return asked.content == question and asked.data == dict(inputs)


def _open(owner: Visit, graph: str, question: str, inputs: Mapping[str, Any]) -> RunState:
    outer, prefix = owner.frame, f"{owner.path}#{owner.visit}/"
    outer.tx.forget_checkpoints(prefix)
    owner.emit(
        ev.SubgraphOpened(
            path=owner.path,
            visit=owner.visit,
            graph=graph,
            message=outer.state.next_message,
            question=question,
            inputs=dict(inputs),
            entries=tuple(prefix + node for node in entry_points(outer.plan.graphs[graph].document)),
        )
    )
    return outer.tx.state.frames[prefix]


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
