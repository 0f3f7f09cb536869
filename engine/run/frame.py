"""Frame: one graph on its way, the run's own or a sub-graph: what its nodes and their visits need of the run."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine import events as ev
from engine.config import RetryConfig
from engine.errors import EngineError, ErrorInfo
from engine.graph.inner_configs import AgentConfig
from engine.graph.spec import ModelConfig, NodeSpec
from engine.message import Message
from engine.models.call_record import request_hash
from engine.models.caller import CallOptions, CallSite, ModelRound
from engine.models.protocol import Capability, ChatRequest
from engine.nodes.context import Outcome
from engine.run.asking import Asking
from engine.run.limit import Limit
from engine.run.plan import Plan
from engine.run.recorded import round_of
from engine.run.services import RunServices
from engine.run.state import RunState
from engine.run.transaction import Transaction
from engine.run.verdict import Verdict, too_many_steps


def _nowhere(_reason: str, _error: ErrorInfo | None) -> None:
    """A run that has not begun cannot be ended."""


@dataclass(slots=True)
class Limits:
    """What bounds a whole run; its sub-graphs share it."""

    max_steps: int
    checkpoint_every: int
    timeout_s: float
    now: Callable[[], float] = time.monotonic
    rng: random.Random = field(default_factory=random.Random)
    limit: Limit | None = None
    """The run's own time limit; None before it began."""
    end_run: Callable[[str, ErrorInfo | None], None] = _nowhere
    """Ends the whole run, from inside a sub-graph too."""
    next_checkpoint: int = 0
    """The visit, counted from 1, before which the next checkpoint is taken."""
    interrupted: set[tuple[str, int]] = field(default_factory=set)
    """Visits that an earlier process began: they go on with what they had recorded."""
    unstarted: int = 0
    """Visits that were begun and that the state does not count yet."""

    @property
    def deadline(self) -> float:
        """Moment on the clock `now` at which the run is ended if no person is asked until then."""
        return math.inf if self.limit is None else self.now() + self.limit.left


@dataclass(frozen=True, slots=True)
class Frame:
    """One graph on its way.

    Paths of its nodes are `prefix` and the node's id; those of nodes that run inside another's visit have the id last.
    """

    plan: Plan
    tx: Transaction
    services: RunServices
    limits: Limits
    state: RunState
    drive: Callable[[Frame], Awaitable[Verdict]]
    """Runs a sub-graph to its verdict."""
    asking: Asking
    prefix: str = ""
    factors: dict[str, float] = field(default_factory=dict)
    """Context selection -> correction of its token estimate; of the whole run."""
    visits: list[tuple[str, str, int]] = field(default_factory=list)
    """(path, outcome, milliseconds) of every visit of the run that ended."""

    def spec_of(self, path: str) -> NodeSpec:
        return self.plan.specs[id_of(path)]

    def breaker_key(self, path: str) -> str:
        return f"{self.plan.graph.id}/{id_of(path)}"

    def available(self, node: str) -> bool:
        """Whether the node's breaker would let a call pass, and that of a model that answers for it."""
        if not self.services.breakers.get(self.breaker_key(node), "node").available():
            return False
        config = self.plan.specs[node].config if node in self.plan.specs else None
        if not isinstance(config, ModelConfig | AgentConfig) or self.services.caller is None:
            return True
        known = self.services.models
        models = [known[name] for name in (config.model, *config.fallback_models) if name in known]
        if config.escalate and models:
            models += self.services.higher(config.model, models[0], "chat")
        return not models or any(map(self.services.caller.pool.available, models))

    def check_steps(self) -> None:
        """Count on one more visit.

        Raises:
            EngineError: budget_exhausted; the run is ended.
        """
        if self.tx.state.steps + self.limits.unstarted >= self.limits.max_steps:
            error = too_many_steps(self.limits.max_steps)
            self.limits.end_run("budget", error.info())
            raise error

    async def unblocked(self) -> None:
        """Wait at a node boundary while the store is behind or refuses to write, and say so.

        Raises:
            StoreError: the store does not recover.
        """
        log = self.tx.log
        self.tx.emit(ev.Paused(log.blocked, log.error.remedy if log.error else ""))
        since = self.limits.now()
        await log.unblocked()
        self.tx.emit(ev.Unpaused(round((self.limits.now() - since) * 1000)))

    def start(self, activation: ev.Activation) -> tuple[Message, float]:
        """Say that a visit begins, or begins again; (what reached it, when)."""
        path, visit = activation.node, activation.visit
        place = (path, visit)
        attempt = self.tx.state.operations.attempts.get(place, 0) + 1
        resumed = place in self.limits.interrupted
        self.limits.interrupted.discard(place)
        self.tx.emit(ev.NodeStarted(path, visit, activation.message, activation.source, attempt, resumed))
        return self.state.messages[activation.message], self.limits.now()

    def finish(
        self,
        activation: ev.Activation,
        outcome: ev.NodeOutcome,
        started: float,
        made: Outcome | None = None,
        error: EngineError | None = None,
    ) -> ev.NodeFinished:
        """Say what a visit came to."""
        duration = round((self.limits.now() - started) * 1000)
        received = self.state.messages[activation.message]
        body = ev.NodeFinished(
            path=activation.node,
            visit=activation.visit,
            outcome=outcome,
            message=self.state.next_message if made is not None else 0,
            content=made.content if made is not None else "",
            data={**received.data, **made.data} if made is not None else {},
            variables=dict(made.variables) if made is not None else {},
            duration_ms=duration,
            error=error.info(node=activation.node) if error is not None else None,
        )
        self.tx.emit(body)
        self.visits.append((activation.node, outcome, duration))
        return body

    async def chat(self, request: ChatRequest, site: CallSite, *, fallbacks: Sequence[str], stream: bool) -> ModelRound:
        """A model call for a visit, with the node's retry settings, under the run's deadline."""
        if self.services.caller is None:
            raise self.services.failures[request.model]
        digest = request_hash(request)
        recorded = self.recorded(site, digest)
        if recorded is not None:
            return recorded
        config: Any = self.spec_of(site.path).config
        retry = None
        if not config.idempotent:
            retry = RetryConfig(attempts=1)
        elif config.retry is not None:
            retry = RetryConfig(attempts=config.retry.attempts, base_s=config.retry.base_delay_ms / 1000)
        asks = config if isinstance(config, ModelConfig | AgentConfig) else None
        needed: Capability = "tools" if request.tools else "chat"
        return await self.services.caller.call(
            request,
            site=site,
            emit=self.emit,
            options=CallOptions(
                fallbacks=fallbacks,
                stream=stream,
                retry=retry,
                priority=self.services.priority,
                deadline=self.limits.deadline,
                window_of=self.services.window_of,
                strategy=asks.fallback if asks else "sequential",
                higher=self.services.higher(asks.model, request.model, needed) if asks and asks.escalate else (),
                cache=isinstance(asks, ModelConfig) and asks.cache,
                run=self.tx.tx,
            ),
        )

    def recorded(self, site: CallSite, digest: str) -> ModelRound | None:
        """The answer to the same request at the same place before an interruption."""
        earlier = self.tx.state.operations.recall(site.path, site.visit, site.step, digest)
        if self.services.caller is None or not isinstance(earlier, ev.ModelFinished):
            return None
        return round_of(earlier, self.services.caller.pool.first.endpoint)

    def emit(self, body: ev.Body) -> None:
        self.tx.emit(body)


def id_of(path: str) -> str:
    """The node's id: the last part of its path."""
    return path.rpartition("/")[2]
