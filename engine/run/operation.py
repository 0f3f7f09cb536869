"""Operation: one non-deterministic step of a visit: recalled, found out about, or carried out and recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine import events as ev
from engine.errors import EngineError, classify
from engine.graph.spec import hash_of
from engine.message import brief_json
from engine.run.compensation import take_back, take_back_first
from engine.run.effects import Effect
from engine.run.transaction import Transaction
from engine.run.unknown_outcome import Known, find_out, not_done, outcome_of_done
from engine.store.database import StoreError
from engine.tools.call import OutcomeUnknown
from engine.tools.policy import Approval, ApprovalRequest, Decision
from engine.tools.protocol import Intent

if TYPE_CHECKING:
    from engine.run.visit import Visit

Call = Callable[[], Awaitable[Any]]


class Operation:
    """An operation is known by (path, visit, step); a digest of its arguments tells whether it is still the same."""

    __slots__ = ("_digest", "_given", "_name", "_path", "_step", "_tools", "_tx", "_visit", "_visiting")

    def __init__(self, visiting: Visit, step: int, name: str, arguments: Mapping[str, Any]) -> None:
        self._visiting = visiting
        self._path, self._visit, self._step = visiting.path, visiting.visit, step
        self._name = name
        self._given = dict(arguments)
        self._digest = hash_of([name, self._given])
        self._tx = visiting.frame.tx
        self._tools = visiting.frame.services.tools

    async def result(self, call: Call) -> Any:
        """What it comes to; where an earlier process, or an earlier attempt, carried it out, what it came to there.

        Raises:
            EngineError: it failed; or what it did before cannot be taken back, so that it must not be done again.
        """
        operations = self._tx.state.operations
        earlier = operations.recall(self._path, self._visit, self._step, self._digest)
        if isinstance(earlier, ev.OpFinished):
            return earlier.result
        effect = self._broken_off()
        begun = effect is not None and operations.is_begun(self._path, self._visit, self._step, self._digest)
        if effect is not None and begun and await self._find_out(effect) == "done":
            return self._finish(outcome_of_done(effect.intent))
        # what this step did when it was asked for something else is not what the visit wants any more
        await take_back_first(self._tx, self._effects(), self._tools)
        return await self._carry_out(call)

    async def _carry_out(self, call: Call) -> Any:
        at = (self._path, self._visit, self._step)
        self._tx.emit(ev.OpStarted(*at, self._name, self._digest, arguments=brief_json(self._given)))
        try:
            result = await self._outcome(call)
        except BaseException as exc:
            self._tx.emit(ev.OpFinished(*at, self._name, error=classify(exc).info(node=self._path)))
            if isinstance(exc, Exception):
                await self._clear(exc)
            raise
        return self._finish(result)

    async def _outcome(self, call: Call) -> Any:
        """What the call comes to, or is found to have come to after it broke off."""
        while True:
            try:
                return await call()
            except OutcomeUnknown as error:
                effect = self._broken_off()
                if effect is None:
                    raise
                known = await self._find_out(effect)
                if known == "done":
                    return outcome_of_done(effect.intent)
                if known == "not_done":
                    raise not_done(effect.intent, error) from error

    def _finish(self, result: Any) -> Any:
        self._tx.emit(ev.OpFinished(self._path, self._visit, self._step, self._name, result))
        return result

    async def _find_out(self, effect: Effect) -> Known:
        """Whether an irreversible call happened.

        Raises:
            EngineError: nobody knows; the run is ended.
        """
        frame = self._visiting.frame

        async def ask(request: ApprovalRequest) -> Approval:
            return await frame.asking.ask(self._path, self._visit, 0, request)

        try:
            return await find_out(self._tx, effect, self._tools, ask)
        except EngineError as error:
            frame.limits.end_run("failed", error.info(node=self._path))
            raise

    async def _clear(self, exc: Exception) -> None:
        """Take back what a call did that failed; an irreversible one did nothing, unless that is unknown."""
        effects = self._effects()
        await take_back(self._tx, [each for each in effects if not each.stays], self._tools)
        if not isinstance(exc, EngineError) or exc.code == "outcome_unknown":
            return
        for each in effects:
            if each.stays:
                self._tx.emit(ev.Compensated(self._path, self._visit, each.intent.call, each.intent.tool))

    def _effects(self) -> Sequence[Effect]:
        """Those of this operation that stand."""
        effects = self._tx.state.effects
        return effects.at(self._path, self._visit, self._step) if effects.standing else ()

    def _broken_off(self) -> Effect | None:
        """The irreversible call of this operation that has no outcome."""
        return next((each for each in self._effects() if each.stays and not each.done), None)


class EffectJournal:
    """Logs what the calls of one operation are about to change; an intent is on disk before the change."""

    def __init__(self, tx: Transaction, path: str, visit: int, step: int) -> None:
        self._tx = tx
        self._place = (path, visit, step)

    async def decided(self, decision: Decision) -> None:
        """Nothing to log: what a person answered is an event of its own, and a refusal is the call's outcome."""

    async def prepared(self, intent: Intent) -> None:
        if intent.effect == "pure":
            return
        body = ev.EffectIntended(
            *self._place,
            intent.call,
            intent.tool,
            intent.effect,
            dict(intent.arguments),
            intent.arguments_hash,
            intent.undo,
        )
        event = self._tx.emit(body)
        try:
            await self._tx.log.synced(event)
        except StoreError:  # the change is never begun
            self._tx.emit(ev.Compensated(body.path, body.visit, intent.call, intent.tool))
            raise
