"""Gate: decides by conditions (and programmatic checks) whether an answer goes on, goes elsewhere, or is tried
again."""

from __future__ import annotations

from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.events import GateDecided, Retry
from engine.graph.conditions import Condition, compile_condition
from engine.graph.spec import GateConfig
from engine.message import Message
from engine.nodes.checks import run_checks
from engine.nodes.context import NodeContext, Outcome


class GateNode:
    """A target that can lead to the gate again is a retry: a rewind that changes what the next attempt is asked.

    Args:
        config: the node's configuration.
        back: the targets that are retries.
    """

    def __init__(self, config: GateConfig, back: frozenset[str]) -> None:
        self._config = config
        self._back = back
        self._conditions: list[tuple[Condition, str]] = [
            (compile_condition(c.expression), c.target) for c in config.conditions
        ]

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:
        """The first true condition's target, else the default target.

        Raises:
            EngineError: budget_exhausted when a further retry is asked for than `max_retries` allows; configuration
            when a
                condition cannot be evaluated or nothing holds and there is no default target.
        """
        checks, reasons = run_checks(message, ctx.notes) if self._config.mode == "checks" else ({}, [])
        retries = ctx.retries_of(ctx.path)
        target = self._target(self._scope(ctx, message, checks, retries))
        reason = "; ".join(reasons) or "the gate's conditions asked for another attempt"
        again = target in self._back
        if again and retries >= self._config.max_retries:
            raise EngineError(
                ErrorClass.BUDGET_EXHAUSTED,
                "gate_exhausted",
                f"The answer was refused {retries + 1} times ({reason}).",
                remedy="Use a better model, loosen the gate, or give it a fallback exit.",
            )
        ctx.emit(
            GateDecided(
                path=ctx.path,
                visit=ctx.visit,
                passed=not again,
                target=target,
                reason="; ".join(reasons),
                checks=checks,
                retries=retries,
                max_retries=self._config.max_retries,
            )
        )
        if not again:
            return Outcome(content=message.content, targets=(target,))
        return Outcome(content=message.content, rewind_to=target, retry=_retry(ctx, message, reason, retries + 1))

    def _target(self, scope: dict[str, Any]) -> str:
        for condition, target in self._conditions:
            if condition.evaluate(scope):
                return target
        if self._config.default_target is None:
            raise EngineError(
                ErrorClass.CONFIGURATION,
                "gate_without_target",
                "No condition of the gate holds, and it has no default_target.",
                remedy="Add a default_target to the gate.",
            )
        return self._config.default_target

    def _scope(self, ctx: NodeContext, message: Message, checks: dict[str, bool], retries: int) -> dict[str, Any]:
        return {
            **message.data,
            "data": message.data,
            "content": message.content,
            "question": ctx.question,
            "vars": ctx.variables,
            "checks": checks,
            "retries": retries,
            "max_retries": self._config.max_retries,
            "status": "ok",
            "error": None,
        }


def _retry(ctx: NodeContext, message: Message, reason: str, ordinal: int) -> Retry:
    """What the next attempt changes: the reason joins the prompt; from the second retry on the route that failed is
    excluded as well."""
    route = message.data.get("route")
    earlier = tuple(name for note in ctx.notes for name in note.excluded_routes)
    excluded = (*earlier, route) if ordinal > 1 and isinstance(route, str) and route not in earlier else earlier
    return Retry(note=reason, excluded_routes=excluded, ordinal=ordinal)
