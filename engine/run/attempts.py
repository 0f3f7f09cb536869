"""Attempts: one visit behind its breaker, under its time limit, with the node's own retries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.errors import EngineError, ErrorClass
from engine.graph.fields import NodeConfig
from engine.graph.inner_configs import AgentConfig, TimeoutConfig
from engine.graph.spec import GateConfig, ModelConfig, NodeSpec, RouterConfig
from engine.health.breaker import Permit
from engine.health.retry import RetryPolicy
from engine.message import Message
from engine.nodes.context import Outcome
from engine.run.compensation import take_back_first
from engine.run.failures import failed
from engine.run.frame import id_of

if TYPE_CHECKING:
    from engine.run.visit import Visit

_NEUTRAL = frozenset(
    {ErrorClass.CANCELLED, ErrorClass.BREAKER_OPEN, ErrorClass.CONTEXT_OVERFLOW, ErrorClass.BUDGET_EXHAUSTED}
)
"""Failures that say nothing about the node: its breaker does not count them."""


async def attempt_visit(visit: Visit, message: Message) -> Outcome:
    """Take a visit that has started to its outcome.

    Raises:
        EngineError: it failed for good; the error names the node.
    """
    frame, activation = visit.frame, visit.activation
    spec = frame.spec_of(activation.node)
    try:
        permit = frame.services.breakers.get(frame.breaker_key(activation.node), "node").acquire()
    except EngineError as error:
        raise failed(error, activation.node) from None
    policy = _visit_policy(spec)
    attempt = 1
    try:
        while True:
            try:
                outcome = await _one_attempt(spec, visit, message)
            except Exception as exc:  # noqa: BLE001 - whatever a node raises becomes its outcome
                problem = failed(exc, activation.node)
            else:
                await visit.take_back_unreached()
                permit.success()
                return outcome
            limits = frame.limits
            delay = policy.delay(attempt, problem.retry_after, limits.rng, limits.deadline - limits.now())
            left = problem if delay is None or not problem.retryable else await _cleared(visit, problem)
            if delay is None or left is not None:
                _count(permit, spec, problem)
                raise left or problem
            await asyncio.sleep(delay)
            attempt += 1
            message, _ = frame.start(activation)
            visit = visit.again()
    except asyncio.CancelledError:
        permit.cancelled()
        raise


async def _cleared(visit: Visit, problem: EngineError) -> EngineError | None:
    """Take back what an attempt that failed changed, before the next one; why there can be none, else."""
    effects = visit.effects
    if any(effect.stays for effect in effects):  # what may have happened is not done again by itself
        return problem
    try:
        await take_back_first(visit.frame.tx, effects, visit.frame.services.tools)
    except EngineError as error:
        return failed(error, visit.path)
    return None


async def _one_attempt(spec: NodeSpec, visit: Visit, message: Message) -> Outcome:
    node = visit.frame.plan.tasks[id_of(visit.path)]
    timeout_ms = spec.config.timeout_ms
    if timeout_ms is None or isinstance(spec.config, TimeoutConfig):  # a timeout node measures its inner node itself
        return await node.run(visit, message)
    try:
        async with visit.time_limit(timeout_ms) as limit:
            outcome = await node.run(visit, message)
    except TimeoutError as exc:
        if not limit.expired():
            raise
        raise _too_slow(spec, timeout_ms) from exc
    if limit.left < 0:  # a node that decides at once cannot be interrupted
        raise _too_slow(spec, timeout_ms)
    return outcome


def _too_slow(spec: NodeSpec, timeout_ms: int) -> EngineError:
    return EngineError(
        ErrorClass.TIMEOUT,
        "node_deadline",
        f"The node {spec.id} took longer than {timeout_ms} ms.",
        remedy="Raise its timeout_ms, or use a faster model.",
        node=spec.id,
    )


def _asks_model(config: NodeConfig) -> bool:
    """Whether the node's retry is that of its model call."""
    match config:
        case GateConfig():
            return config.mode in ("llm", "hybrid")
        case RouterConfig():
            return config.method != "rules"
        case _:
            return isinstance(config, ModelConfig | AgentConfig)


def _visit_policy(spec: NodeSpec) -> RetryPolicy:
    """Retries of a whole visit: only where the node asks for them and its model call does not use them already."""
    retry = spec.config.retry
    if retry is None or _asks_model(spec.config) or not spec.config.idempotent:
        return RetryPolicy(attempts=1, base_s=0.0, cap_s=0.0)
    return RetryPolicy(attempts=retry.attempts, base_s=retry.base_delay_ms / 1000, cap_s=30.0)


_OF_THE_CALLER = frozenset({ErrorClass.INVALID_REQUEST, ErrorClass.TOOL_REFUSED, ErrorClass.CONFIGURATION})
"""Failures of a tool that say something about what it was asked, and nothing about the tool."""


def _count(permit: Permit, spec: NodeSpec, error: EngineError) -> None:
    blameless = error.error_class in _NEUTRAL or (spec.type == "tool" and error.error_class in _OF_THE_CALLER)
    if blameless:
        permit.cancelled()
    else:
        permit.failure(error.message)
