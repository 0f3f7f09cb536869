"""Compensation: takes effects back, one after the other, each as an operation of its own in the log."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Iterable
from typing import Any

from engine import events as ev
from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.message import brief_json
from engine.run.effects import Effect
from engine.run.transaction import Transaction
from engine.tools.call import compensate, reconcile
from engine.tools.protocol import Intent, Reconciliation, ToolContext


async def take_back(tx: Transaction, effects: Iterable[Effect], tools: ToolContext) -> None:
    """Take back effects in the order given. What cannot be is left standing, and noted as stuck: all that is
    irreversible and is not known to be undone.

    That it is taken back is on disk before it is: a store that refuses leaves the effect, for else a later process
    would go on with a run whose log says that it was done. A crash in between is harmless: an effect without
    `compensated` is taken back again, which does nothing where it was already.
    """
    for effect in effects:
        intent = effect.intent
        error: EngineError | None = None
        try:
            if effect.stays:
                await _check_not_done(effect, tools)
            else:
                await tx.log.synced(tx.emit(ev.Compensating(effect.path, effect.visit, intent.call, intent.tool)))
                await _to_its_end(compensate(tools.registry.get(intent.tool), intent, tools))
        except EngineError as exc:
            error = exc
        info = error.info(node=effect.path) if error is not None else None
        tx.emit(ev.Compensated(effect.path, effect.visit, intent.call, intent.tool, info))


async def ask_the_world(intent: Intent, tools: ToolContext) -> Reconciliation:
    """What the tool says of a call without an outcome; `unknown` also where there is no such tool any more."""
    try:
        tool = tools.registry.get(intent.tool)
    except ConfigurationError:
        return "unknown"
    return await reconcile(tool, intent, tools)


async def _check_not_done(effect: Effect, tools: ToolContext) -> None:
    """Nothing has to be taken back of an irreversible call that did not happen.

    Raises:
        EngineError: it happened, or nobody knows.
    """
    intent = effect.intent
    known = "done" if effect.done else await ask_the_world(intent, tools)
    if known != "not_done":
        what = "It was done" if known == "done" else "It is not known whether it was done"
        raise EngineError(
            ErrorClass.TOOL_REFUSED,
            "irreversible" if known == "done" else "outcome_unknown",
            f"{what}, and it cannot be taken back: {brief_json(dict(intent.arguments), 200)}",
            remedy="Look at what it did, and put it right by hand.",
        )


async def take_back_first(tx: Transaction, effects: Iterable[Effect], tools: ToolContext) -> None:
    """Take back effects that are to be made again.

    Raises:
        EngineError: one of them stands: it must not be made twice.
    """
    effects = list(effects)
    await take_back(tx, effects, tools)
    for effect in effects:
        reason = tx.state.effects.stuck.get(effect.intent.call)
        if reason is not None:
            raise EngineError(
                ErrorClass.RESOURCE,
                "not_taken_back",
                f"What was done before could not be taken back, so it is not done again. {reason}",
                remedy="Look at what it did, and put it right by hand; then ask again.",
                node=effect.path,
            )


async def settle_unfinished(tx: Transaction, tools: ToolContext) -> None:
    """Before a run goes on after an interruption: take back the calls of which nobody knows whether they happened.

    Irreversible ones wait for the visit that made them: where it asks for the same again, it is found out whether that
    is done already (`unknown_outcome`); else they are listed at the end.
    """
    await take_back(tx, [effect for effect in tx.state.effects.unfinished() if not effect.stays], tools)


async def forget_copies(tools: ToolContext) -> None:
    """Remove the undo copies of a run that is over."""
    if tools.undo_dir is not None:
        await asyncio.to_thread(shutil.rmtree, tools.undo_dir, ignore_errors=True)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await an undo; who is cancelled meanwhile waits for it: half of one would help nobody."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
