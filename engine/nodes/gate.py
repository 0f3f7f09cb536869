"""Gate: decides by conditions, programmatic checks and a judge whether an answer goes on, goes elsewhere, or is tried
again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.events import GateDecided, Retry
from engine.graph.conditions import Condition, compile_condition
from engine.graph.spec import GateConfig
from engine.message import Message
from engine.nodes.checks import run_checks
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.judge import NOT_ASKED, Judge, Verdict

JUDGED = ("llm", "hybrid")
"""Modes that ask a judge."""


@dataclass(frozen=True, slots=True)
class _Findings:
    """What is known of a message when the conditions are looked at."""

    checks: dict[str, bool] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    """Why checks failed."""
    verdict: Verdict | None = None

    @property
    def refusal(self) -> str:
        """Why the answer is not good enough; empty where nothing says so."""
        if self.reasons or self.verdict is None or self.verdict.passed:
            return "; ".join(self.reasons)
        score = "" if self.verdict.score is None else f"{self.verdict.score:.2g} of 1"
        return f"a judge gave it {score}: {self.verdict.reason}".rstrip(": .")

    @property
    def words(self) -> str:
        """The same for people, who see the grade beside it: also what the judge said of an answer that passes."""
        return "; ".join(self.reasons) or (self.verdict.reason if self.verdict is not None else "")


class _Decision:
    """A target that can lead to the gate again is a retry: a rewind that changes what the next attempt is asked."""

    def __init__(self, config: GateConfig, back: frozenset[str]) -> None:
        self._config = config
        self._back = back
        self._conditions: list[tuple[Condition, str]] = [
            (compile_condition(c.expression), c.target) for c in config.conditions
        ]

    def make(self, ctx: NodeContext, message: Message, found: _Findings) -> Outcome:
        """The first true condition's target, else the default target.

        Raises:
            EngineError: budget_exhausted when a further retry is asked for than `max_retries` allows; configuration
                when a condition cannot be evaluated or nothing holds and there is no default target.
        """
        retries = ctx.retries_of(ctx.path)
        target = self._target(self._scope(ctx, message, found, retries))
        reason = found.refusal or "the gate's conditions asked for another attempt"
        again = target in self._back
        if again and retries >= self._config.max_retries:
            raise EngineError(
                ErrorClass.BUDGET_EXHAUSTED,
                "gate_exhausted",
                f"The answer was refused {retries + 1} times ({reason}).",
                remedy="Use a better model, loosen the gate, or give it a fallback exit.",
            )
        higher = again and self._config.escalate and ctx.can_escalate
        words = found.words
        if again and self._config.escalate and not higher:
            words = f"{words or reason}; no better model is installed"
        ctx.emit(
            GateDecided(
                path=ctx.path,
                visit=ctx.visit,
                passed=not again,
                target=target,
                reason=words,
                checks=found.checks,
                retries=retries,
                max_retries=self._config.max_retries,
                judge=found.verdict.model if found.verdict is not None else "",
                score=found.verdict.score if found.verdict is not None else None,
                faulty=bool(found.refusal),
            )
        )
        data = {} if found.verdict is None else {"judge": found.verdict.fields()}
        if not again:
            return Outcome(content=message.content, data=data, targets=(target,))
        retry = _retry(ctx, message, reason, retries + 1, tier=int(higher))
        return Outcome(content=message.content, data=data, rewind_to=target, retry=retry)

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

    def _scope(self, ctx: NodeContext, message: Message, found: _Findings, retries: int) -> dict[str, Any]:
        return {
            **message.data,
            "data": message.data,
            "content": message.content,
            "question": ctx.question,
            "vars": ctx.variables,
            "checks": found.checks,
            "judge": {} if found.verdict is None else found.verdict.fields(),
            "retries": retries,
            "max_retries": self._config.max_retries,
            "status": "ok",
            "error": None,
        }


class GateNode:
    """A gate that decides at once: by its conditions, and in mode checks by what the checks found.

    Args:
        config: the node's configuration.
        back: the targets that are retries.
    """

    def __init__(self, config: GateConfig, back: frozenset[str]) -> None:
        self._checks = config.mode == "checks"
        self._decision = _Decision(config, back)

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:
        """The first true condition's target, else the default target.

        Raises:
            EngineError: see `_Decision.make`.
        """
        found = _checked(ctx, message) if self._checks else _Findings()
        return self._decision.make(ctx, message, found)


class JudgingGateNode:
    """A gate that asks a judge: always in mode llm, in mode hybrid about what passes the checks.

    Args:
        config: the node's configuration.
        back: the targets that are retries.
    """

    def __init__(self, config: GateConfig, back: frozenset[str]) -> None:
        self._hybrid = config.mode == "hybrid"
        self._judge = Judge(config)
        self._decision = _Decision(config, back)

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """The first true condition's target, else the default target.

        Raises:
            EngineError: see `_Decision.make`; the template of the judge's prompt cannot be filled.
        """
        found = _checked(ctx, message) if self._hybrid else _Findings()
        verdict = NOT_ASKED if found.reasons else await self._judge.grade(ctx, message)
        return self._decision.make(ctx, message, _Findings(found.checks, found.reasons, verdict))


def _checked(ctx: NodeContext, message: Message) -> _Findings:
    checks, reasons = run_checks(message, ctx.notes)
    return _Findings(checks, tuple(reasons))


def _retry(ctx: NodeContext, message: Message, reason: str, ordinal: int, *, tier: int) -> Retry:
    """What the next attempt changes: the reason joins the prompt; from the second retry on the route that failed is
    excluded as well; with `tier` better models are asked."""
    route = message.data.get("route")
    earlier = tuple(name for note in ctx.notes for name in note.excluded_routes)
    excluded = (*earlier, route) if ordinal > 1 and isinstance(route, str) and route not in earlier else earlier
    return Retry(note=reason, excluded_routes=excluded, ordinal=ordinal, tier=tier)
