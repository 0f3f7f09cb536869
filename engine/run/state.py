"""The deciding fold: frontier, outputs, retries, budgets. The executor decides from it and nothing else.

It is a fold of the same events as the view, so that what a run decided can always be derived again from its log.

A sub-graph that runs inside a visit has a state of its own, a frame, under the beginning of its paths (`sub#1/`). It
shares the messages of the whole run, whose ids are unique.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from engine import events as ev
from engine.errors import ErrorInfo
from engine.message import Message
from engine.run.effects import Effects
from engine.run.recorded import Operations
from engine.run.scopes import OpenScope


@dataclass(slots=True)
class RunState:
    """Everything that decides how a run, or a sub-graph in it, goes on. Nodes are named by path."""

    prefix: str = ""
    """Beginning of its nodes' paths; empty for the run itself."""
    question: int = 1
    """Id of the message that it was asked."""
    frontier: dict[tuple[str, int], ev.Activation] = field(default_factory=dict)
    """(node, visit) -> activation that waits or is being worked on, in order of arrival."""
    visits: dict[str, int] = field(default_factory=dict)
    """Node -> visits so far; never goes back, so a visit's number names it for good."""
    messages: dict[int, Message] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    """Node -> id of its latest message that was not taken back."""
    variables: dict[str, Any] = field(default_factory=dict)
    retries: dict[str, int] = field(default_factory=dict)
    notes: list[ev.Retry] = field(default_factory=list)
    excluded: list[tuple[int, int]] = field(default_factory=list)
    checkpoint: int = 0
    changed: dict[str, Any] = field(default_factory=dict)
    """Variables changed since the last checkpoint."""
    scopes: dict[str, OpenScope] = field(default_factory=dict)
    live: dict[ev.Token, int] = field(default_factory=dict)
    """Branch -> activations in it; a branch without any has ended."""
    steps: int = 0
    usage: ev.Usage = field(default_factory=ev.Usage)
    summaries: dict[str, ev.Summary] = field(default_factory=dict)
    """Of the run itself: digest of a request for a summary -> what it came to."""
    terminal: bool = False
    frames: dict[str, RunState] = field(default_factory=dict)
    """Of the run itself: prefix -> state of a sub-graph that is on its way."""
    operations: Operations = field(default_factory=Operations)
    """Of the run itself: what the visits that are under way have done."""
    effects: Effects = field(default_factory=Effects)
    """Of the run itself: what its tools changed outside the program."""
    seq: int = 0
    """Of the run itself: sequence number of its latest event."""
    graph: dict[str, Any] = field(default_factory=dict)
    """The graph, as its specification's JSON."""
    exits: frozenset[str] = frozenset()
    """Its exits."""
    exit: tuple[str, int] | None = None
    """(path, message) of the exit that was reached."""
    failure: ErrorInfo | None = None
    """That of the visit which failed last."""
    stale: bool = False
    """Of a sub-graph: it begins anew where the visit around it does, because that failed, or because effects of visits
    that had ended are being taken back."""

    def frame_of(self, path: str) -> RunState:
        """The innermost state to which a path belongs."""
        place = path.rpartition("/")[0]
        while place:
            frame = self.frames.get(place + "/")
            if frame is not None:
                return frame
            place = place.rpartition("/")[0]
        return self

    def close(self, prefix: str) -> None:
        """Drop a frame and those inside it."""
        for name in [name for name in self.frames if name.startswith(prefix)]:
            del self.frames[name]

    @property
    def next_message(self) -> int:
        return len(self.messages) + 1

    def snapshot(self) -> ev.RunSnapshot:
        """The state to which a rewind comes back."""
        return ev.RunSnapshot(
            frontier=tuple(self.frontier.values()),
            visits=dict(self.visits),
            variables=dict(self.variables),
            retries=dict(self.retries),
            outputs=dict(self.outputs),
            scopes={name: scope.frozen() for name, scope in self.scopes.items()},
        )

    def enter(self, activation: ev.Activation) -> None:
        """Put an activation on the frontier."""
        self.visits[activation.node] = max(self.visits.get(activation.node, 0), activation.visit)
        self.frontier[activation.node, activation.visit] = activation
        for token in activation.tokens:
            self.live[token] = self.live.get(token, 0) + 1

    def leave(self, node: str, visit: int) -> None:
        """Take an activation off the frontier."""
        activation = self.frontier.pop((node, visit), None)
        if activation is not None:
            for token in activation.tokens:
                self.live[token] -= 1


def apply(state: RunState, event: ev.Event) -> RunState:
    """Fold one event into the state of a run (changed in place, and returned)."""
    body = event.body
    if event.tx is not None:
        state.seq = event.seq
    handler = _OF_FRAME.get(type(body))
    if handler is None:
        whole = _OF_RUN.get(type(body))
        if whole is not None:
            whole(state, body)
        return state
    place, fold = handler
    frame = state.frame_of(place(body)) if state.frames else state
    if type(body) is ev.NodeStarted:
        _count_visit(state, body)
    elif type(body) is ev.NodeFinished:
        _end_visit(state, frame, body)
    fold(frame, body)
    return state


def _count_visit(state: RunState, body: ev.NodeStarted) -> None:
    state.operations.started(body)
    if body.attempt == 1:
        state.steps += 1
    elif not body.resumed and (inside := state.frames.get(f"{body.path}#{body.visit}/")) is not None:
        inside.stale = True


def _end_visit(state: RunState, frame: RunState, body: ev.NodeFinished) -> None:
    received = state.operations.received.pop((body.path, body.visit), 0)
    state.operations.finished(body)
    if body.message and (body.path, body.visit) not in frame.frontier:
        state.operations.inner_made(body, received)
    if state.frames:
        state.close(f"{body.path}#{body.visit}/")


def _begin(state: RunState, body: ev.Begin) -> None:
    _set_graph(state, body.graph)
    state.messages[1] = Message(1, body.question, body.inputs)
    if body.fork is not None:
        _take_over(state, body.fork)
        return
    for node in entry_points(body.graph):
        state.enter(ev.Activation(node, 1, 1))


def _take_over(state: RunState, fork: ev.Fork) -> None:
    """Begin where another transaction was."""
    for message in fork.messages:
        state.messages[message.id] = Message(message.id, message.content, message.data, message.path, message.visit)
    _restore(state, fork.state)
    state.visits = {**fork.state.visits, **state.visits}
    state.retries = dict(fork.state.retries)
    state.notes = list(fork.notes)
    state.summaries = {summary.request_hash: summary for summary in fork.summaries}


def _context_pruned(state: RunState, body: ev.ContextPruned) -> None:
    if body.summary is not None and body.summary.request_hash:
        state.summaries[body.summary.request_hash] = body.summary


def _restore(state: RunState, snapshot: ev.RunSnapshot) -> None:
    state.frontier, state.live = {}, {}
    for activation in snapshot.frontier:
        state.enter(activation)
    state.scopes = {name: OpenScope.of(scope) for name, scope in snapshot.scopes.items()}
    state.variables = dict(snapshot.variables)
    state.outputs = dict(snapshot.outputs)


def entry_points(graph: dict[str, Any]) -> list[str]:
    """Where a run begins: the declared entry points, else every entry node."""
    declared: list[str] = list(graph.get("entry_points") or ())
    return declared or [node["id"] for node in graph["nodes"] if node["type"] == "entry"]


def _subgraph_opened(state: RunState, body: ev.SubgraphOpened) -> None:
    prefix = f"{body.path}#{body.visit}/"
    outer = state.frame_of(body.path)
    earlier = state.frames.get(prefix)  # of an attempt that failed: numbers of visits are not used twice
    visits = {} if earlier is None else earlier.visits
    state.close(prefix)
    state.messages[body.message] = Message(body.message, body.question, body.inputs, body.path, body.visit)
    frame = RunState(prefix, body.message, messages=state.messages, visits=visits, notes=list(outer.notes))
    _set_graph(frame, outer.graph.get("graphs", {}).get(body.graph, {}))
    state.frames[prefix] = frame
    for path in body.entries:
        frame.enter(ev.Activation(path, visits.get(path, 0) + 1, body.message))


def _node_started(state: RunState, body: ev.NodeStarted) -> None:
    if body.visit > state.visits.get(body.path, 0):  # an inner node: it was on no frontier
        state.visits[body.path] = body.visit


def _node_finished(state: RunState, body: ev.NodeFinished) -> None:
    state.leave(body.path, body.visit)
    if body.message:
        state.messages[body.message] = Message(body.message, body.content, body.data, body.path, body.visit)
        state.outputs[state.prefix + body.path.rpartition("/")[2]] = body.message
        if body.path in state.exits:
            state.exit = (body.path, body.message)
    if body.outcome == "failed":
        state.failure = body.error
    if body.variables:
        state.variables.update(body.variables)
        state.changed.update(body.variables)


def _set_graph(state: RunState, graph: dict[str, Any]) -> None:
    state.graph = graph
    state.exits = frozenset(state.prefix + node["id"] for node in graph.get("nodes", ()) if node["type"] == "exit")


def _edge_taken(state: RunState, body: ev.EdgeTaken) -> None:
    if body.arrival is not None:
        scope = state.scopes[body.arrival.scope]
        if not scope.decided and scope.awaits(body.arrival.branch):  # else it is too late, or there already
            scope.arrived[body.arrival.branch] = body.message
    elif body.target_visit:
        state.enter(ev.Activation(body.target, body.target_visit, body.message, body.source, body.tokens))


def _message_added(state: RunState, body: ev.MessageAdded | ev.Degraded) -> None:
    state.messages[body.message] = Message(body.message, body.content, body.data, body.path, body.visit)


def _scope_opened(state: RunState, body: ev.ScopeOpened) -> None:
    state.scopes[body.scope] = OpenScope(body.join, len(body.branches), body.outer)


def _branch_ended(state: RunState, body: ev.BranchEnded) -> None:
    state.scopes[body.token.scope].dead[body.token.branch] = None


def _join_decided(state: RunState, body: ev.JoinDecided) -> None:
    scope = state.scopes[body.scope]
    scope.decided, scope.cancelled = True, frozenset(body.cancelled)
    message = body.inputs[0] if body.inputs else 1
    dead = len(body.dead)
    state.enter(ev.Activation(body.path, body.target_visit, message, "", scope.outer, body.inputs, dead, scope.size))


def _checkpoint(state: RunState, body: ev.Checkpoint) -> None:
    state.checkpoint = body.number
    state.changed = {}


def _rewound(state: RunState, body: ev.Rewound) -> None:
    _restore(state, body.state)
    state.retries = {**state.retries, body.by: body.retry.ordinal}
    state.notes.append(body.retry)
    first, last = body.excluded
    if first <= last and not body.within:
        state.excluded.append(body.excluded)
    state.changed = dict(state.variables)
    state.exit = state.failure = None
    state.stale = False


def _model_finished(state: RunState, body: ev.ModelFinished) -> None:
    state.operations.model_ended(body)
    if body.cached:  # nothing was used
        return
    used = state.usage
    state.usage = ev.Usage(
        used.prompt_tokens + body.prompt_tokens,
        used.completion_tokens + body.completion_tokens,
        used.model_calls + 1,
        used.exact and body.exact,
    )


def _terminal(state: RunState, body: ev.Body) -> None:  # noqa: ARG001 - one shape for all handlers
    state.terminal = True
    state.frontier, state.live = {}, {}
    state.frames = {}
    state.operations = Operations()


def _compensating(state: RunState, body: ev.Compensating) -> None:
    effect = state.effects.standing.get(body.call)
    if effect is not None and effect.done:  # what followed from it is not true any more, should the run be interrupted
        state.operations.taken_back(effect)
        for prefix, frame in state.frames.items():
            if effect.path.startswith(prefix):
                node, visit = effect.visit_in(prefix)
                frame.stale = frame.stale or (prefix + node, visit) not in frame.frontier
    state.effects.compensating(body)


def _to_operations(fold: Callable[[Operations, Any], None]) -> Callable[[RunState, Any], None]:
    return lambda state, body: fold(state.operations, body)


def _op_finished(state: RunState, body: ev.OpFinished) -> None:
    state.operations.op_finished(body)
    if state.effects.standing:
        state.effects.finished(body, state.seq)


_Place = Callable[[Any], str]
_path: _Place = attrgetter("path")

_OF_FRAME: dict[type[ev.Body], tuple[_Place, Callable[[RunState, Any], None]]] = {
    ev.NodeStarted: (_path, _node_started),
    ev.NodeFinished: (_path, _node_finished),
    ev.EdgeTaken: (attrgetter("source"), _edge_taken),
    ev.MessageAdded: (_path, _message_added),
    ev.Degraded: (_path, _message_added),
    ev.ScopeOpened: (_path, _scope_opened),
    ev.BranchEnded: (attrgetter("node"), _branch_ended),
    ev.JoinDecided: (_path, _join_decided),
    ev.Rewound: (attrgetter("by"), _rewound),
}
"""Events that concern one frame -> the path that tells which, and how they are folded."""

_OF_RUN: dict[type[ev.Body], Callable[[RunState, Any], None]] = {
    ev.Begin: _begin,
    ev.SubgraphOpened: _subgraph_opened,
    ev.Checkpoint: _checkpoint,
    ev.OpStarted: _to_operations(Operations.op_started),
    ev.OpFinished: _op_finished,
    ev.EffectIntended: lambda state, body: state.effects.intended(body, state.seq),
    ev.Compensating: _compensating,
    ev.Compensated: lambda state, body: state.effects.compensated(body),
    ev.ModelStarted: _to_operations(Operations.model_started),
    ev.ModelFinished: _model_finished,
    ev.AttemptFailed: _to_operations(Operations.model_ended),
    ev.AttemptAbandoned: _to_operations(Operations.model_ended),
    ev.ApprovalAnswered: _to_operations(Operations.answered),
    ev.ContextPruned: _context_pruned,
    ev.Committed: _terminal,
    ev.RolledBack: _terminal,
}
"""Events that concern the whole run -> how they are folded."""
