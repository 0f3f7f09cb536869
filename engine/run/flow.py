"""Flow: where messages go after a visit: along edges, into branches, to joins."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine import events as ev
from engine.errors import EngineError
from engine.nodes.context import Outcome
from engine.run.frame import Frame
from engine.run.scopes import Arrived, in_branch_order, pending


class _Sending(NamedTuple):
    target: str
    """Id of a node of this graph."""
    message: int
    condition: str


class Flow:
    """Decides what follows a visit that ended, and says so in events.

    A node that sends to several nodes opens a scope when these can come together at a join: one branch for each. A
    branch in which nothing runs any more and that has not reached the join counts there as dead, so a join is always
    decided.
    """

    def __init__(self, frame: Frame) -> None:
        self._plan = frame.plan
        self._tx = frame.tx
        self._state = frame.state
        self._prefix = frame.prefix
        self.ready: deque[ev.Activation] = deque()
        """Activations that can start now."""
        self._to_end = False

    def id_of(self, path: str) -> str:
        """Id of a node of this graph."""
        return path[len(self._prefix) :]

    def after(self, activation: ev.Activation, outcome: Outcome, message: int) -> None:
        """Send on what a visit made.

        Raises:
            EngineError: a condition cannot be evaluated.
        """
        made = outcome.content
        if outcome.branches is not None:
            sendings = [
                # a branch that gets what the node itself made needs no message of its own
                _Sending(
                    target, self._add_message(activation, content, data) if data or content != made else message, ""
                )
                for target, content, data in outcome.branches
            ]
        elif outcome.targets is not None:
            sendings = [_Sending(target, message, "") for target in outcome.targets]
        else:
            sendings = self._along_edges(activation, message, None)
        self._send_all(activation, sendings, fanned_out=outcome.branches is not None)
        self.leave(activation, "ended")

    def after_failure(self, activation: ev.Activation, error: EngineError) -> bool:
        """Follow the edges that handle a failure, or do what the graph says of one that none handles; false when the
        run has to end.

        In a branch, a failure that no edge handles ends the branch, and its join decides what that means.

        Raises:
            EngineError: a condition cannot be evaluated.
        """
        sendings = self._along_edges(activation, activation.message, error)
        if not sendings and not activation.tokens:
            sendings = self._degraded(activation, error)
        self._send_all(activation, sendings)
        self.leave(activation, "ended" if sendings else "failed")
        return bool(sendings) or bool(activation.tokens)

    def goes_on_after(self, activation: ev.Activation, error: EngineError) -> bool:
        """Whether the run would go on after a failure; decides nothing and says nothing."""
        scope = self._scope_of(activation.message, error)
        edges = self._plan.edges[self.id_of(activation.node)]
        try:
            handled = any(e.condition.evaluate(scope) for e in edges if e.condition is not None and e.handles_failure)
        except EngineError:
            return False
        return handled or bool(activation.tokens) or self._degrades(activation)

    def _degrades(self, activation: ev.Activation) -> bool:
        """Whether the graph says how a run goes on after a failure of this visit that no edge handles."""
        node, graph = self.id_of(activation.node), self._plan.graph
        if graph.degradation == "skip_failed":
            return bool(self._plan.edges[node]) and node not in self._plan.joins
        received = self._state.messages[activation.message]
        return graph.degradation == "fallback" and graph.fallback_node is not None and "failed" not in received.data

    def _degraded(self, activation: ev.Activation, error: EngineError) -> list[_Sending]:
        """Where a message goes on to after a failure that no edge handles; empty where the run has to end."""
        received = self._state.messages[activation.message]
        node, mode = self.id_of(activation.node), self._plan.graph.degradation
        content, target = received.content, self._plan.graph.fallback_node if mode == "fallback" else None
        data: dict[str, Any]
        if mode == "skip_failed" and self._plan.edges[node] and node not in self._plan.joins:
            data = {"skipped": [*received.data.get("skipped", ()), node]}
        elif target is not None and "failed" not in received.data:
            data = {"failed": node, "error": error.code}
            content = self._tx.partial or content
        else:
            return []
        assert mode != "fail_fast"  # noqa: S101 - it has neither
        data = {**received.data, **data, "partial": True}
        number = self._state.next_message
        self._tx.emit(ev.Degraded(activation.node, activation.visit, mode, error.code, number, content, data))
        return [_Sending(target, number, "")] if target is not None else self._along_edges(activation, number, None)

    def leave(self, activation: ev.Activation, reason: str) -> None:
        """Tell the joins which branches ended with this visit; the innermost first."""
        state = self._state
        for token in reversed(activation.tokens):
            scope = state.scopes[token.scope]
            if not scope.decided and not state.live.get(token) and scope.awaits(token.branch):
                self._tx.emit(ev.BranchEnded(token, activation.node, reason))
                self._decide(token.scope)

    def is_unneeded(self, activation: ev.Activation) -> bool:
        """Whether the activation runs in a branch whose join was decided without it."""
        if not activation.tokens:
            return False
        scopes = self._state.scopes
        return any(token.branch in scopes[token.scope].cancelled for token in activation.tokens)

    def take_unneeded(self) -> bool:
        """Whether branches became unneeded since this was last asked."""
        to_end, self._to_end = self._to_end, False
        return to_end

    # -- sending -----------------------------------------------------------------------------------------------------

    def _along_edges(self, activation: ev.Activation, message: int, error: EngineError | None) -> list[_Sending]:
        """Evaluate each outgoing edge once."""
        sendings = []
        for edge in self._plan.edges[self.id_of(activation.node)]:
            if error is not None and not edge.handles_failure:
                continue
            if edge.condition is None or edge.condition.evaluate(self._scope_of(message, error)):
                sendings.append(_Sending(edge.target, message, edge.text))
            else:
                to = self._prefix + edge.target
                refused = ev.EdgeTaken(activation.node, to, activation.visit, message, edge.text, taken=False)
                self._tx.emit(refused)
        return sendings

    def _scope_of(self, message: int, error: EngineError | None) -> dict[str, Any]:
        """The names that a condition can ask for."""
        state = self._state
        received = state.messages[message]
        return {
            **received.data,
            "data": received.data,
            "content": received.content,
            "question": state.messages[state.question].content,
            "vars": state.variables,
            "status": "ok" if error is None else "failed",
            "error": None if error is None else error.code,
        }

    def _add_message(self, activation: ev.Activation, content: str, data: Any) -> int:
        state = self._state
        received = state.messages[activation.message]
        number = state.next_message
        merged = {**received.data, **data}
        self._tx.emit(ev.MessageAdded(activation.node, activation.visit, number, content, merged))
        return number

    def _send_all(self, activation: ev.Activation, sendings: Sequence[_Sending], *, fanned_out: bool = False) -> None:
        tokens, scopes = activation.tokens, self._state.scopes
        several = len(sendings) > 1 or fanned_out  # a list with one item is joined as longer ones are
        join = self._meeting(tuple(s.target for s in sendings)) if several else None
        if join is None or any(scopes[token.scope].join == join for token in tokens):
            # where they only meet at the join of their own branch, the first that arrives there counts
            for sending in sendings:
                self._send(activation, sending, tokens)
            return
        scope = f"{activation.node}#{activation.visit}"
        branches = tuple(self._prefix + sending.target for sending in sendings)
        self._tx.emit(ev.ScopeOpened(scope, activation.node, activation.visit, join, branches, tokens))
        for branch, sending in enumerate(sendings):
            self._send(activation, sending, (*tokens, ev.Token(scope, branch)))

    def _send(self, activation: ev.Activation, sending: _Sending, tokens: tuple[ev.Token, ...]) -> None:
        target, message, condition = self._prefix + sending.target, sending.message, sending.condition
        arrival = self._arrival(target, tokens)
        visit = 0 if arrival else self._state.visits.get(target, 0) + 1
        self._tx.emit(
            ev.EdgeTaken(
                activation.node,
                target,
                activation.visit,
                message,
                condition,
                target_visit=visit,
                tokens=tokens,
                arrival=arrival,
            )
        )
        if arrival is None:
            self.ready.append(self._state.frontier[target, visit])
        else:
            self._decide(arrival.scope)

    # -- joins -------------------------------------------------------------------------------------------------------

    def _meeting(self, targets: tuple[str, ...]) -> str | None:
        """Path of the join at which branches to these nodes come together."""
        met = self._plan.meeting(targets)
        return None if met is None else self._prefix + met

    def _arrival(self, target: str, tokens: tuple[ev.Token, ...]) -> ev.Token | None:
        """The branch that arrives at its join with a message to `target`."""
        if self.id_of(target) not in self._plan.joins:
            return None
        scopes = self._state.scopes
        return next((token for token in reversed(tokens) if scopes[token.scope].join == target), None)

    def _decide(self, name: str) -> None:
        """Let a join begin when it has what it waits for, or can no longer get it."""
        state = self._state
        scope = state.scopes[name]
        if scope.decided:
            return
        node = self._plan.joins[self.id_of(scope.join)]
        arrived = Arrived(scope, state.messages)
        try:
            satisfied = node.ready(scope.size, arrived, len(scope.dead))
        except EngineError as error:
            error.node = scope.join
            raise
        if satisfied is None:
            return
        visit = state.visits.get(scope.join, 0) + 1
        cancelled = pending(scope) if node.cancels_siblings else ()
        self._tx.emit(
            ev.JoinDecided(
                path=scope.join,
                scope=name,
                target_visit=visit,
                satisfied=satisfied,
                inputs=in_branch_order(scope),
                dead=tuple(scope.dead),
                cancelled=cancelled,
            )
        )
        self.ready.append(state.frontier[scope.join, visit])
        self._to_end = self._to_end or bool(cancelled)
