"""Compensation: takes effects back, one after the other, each as an operation of its own in the log."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Iterable
from typing import Any

from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.run.effects import Effect
from engine.run.transaction import Transaction
from engine.tools.call import compensate, reconcile
from engine.tools.protocol import ToolContext
from engine.tools.registry import ToolRegistry

_REGISTRY = ToolRegistry()


async def take_back(tx: Transaction, effects: Iterable[Effect], tools: ToolContext) -> None:
    """Take back effects in the order given. What cannot be is left standing, and noted as stuck.

    That it is taken back is on disk before it is: a store that refuses leaves the effect, for else a later process
    would go on with a run whose log says that it was done. A crash in between is harmless: an effect without
    `compensated` is taken back again, which does nothing where it was already.
    """
    for effect in effects:
        intent = effect.intent
        compensating = tx.emit(ev.Compensating(effect.path, effect.visit, intent.call, intent.tool))
        error: EngineError | None = None
        try:
            await tx.log.synced(compensating)
            await _to_its_end(compensate(_REGISTRY.get(intent.tool), intent, tools))
        except EngineError as exc:
            error = exc
        info = error.info(node=effect.path) if error is not None else None
        tx.emit(ev.Compensated(effect.path, effect.visit, intent.call, intent.tool, info))


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

    Raises:
        EngineError: an irreversible one may have happened; it is never repeated silently.
    """
    for effect in tx.state.effects.unfinished():
        if effect.intent.effect != "irreversible":
            await take_back(tx, [effect], tools)
            continue
        known = await reconcile(_REGISTRY.get(effect.intent.tool), effect.intent, tools)
        if known == "not_done":
            tx.emit(ev.Compensated(effect.path, effect.visit, effect.intent.call, effect.intent.tool))
            continue
        raise EngineError(
            ErrorClass.RESOURCE,
            "outcome_unknown",
            f"The run was interrupted during a call of {effect.intent.tool}, and it "
            + ("had happened." if known == "done" else "is not known whether it happened."),
            remedy="Look whether it happened before you ask again.",
            node=effect.path,
        )


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
