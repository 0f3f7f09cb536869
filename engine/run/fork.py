"""Fork: a new transaction that goes on from a step of another one. History is not rewritten, and the outside world is
not forked: what tools changed in the parent stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.graph.spec import GraphSpec
from engine.run.state import RunState, apply

_FOLLOWS_A_VISIT = (
    ev.EdgeTaken,
    ev.ScopeOpened,
    ev.MessageAdded,
    ev.BranchEnded,
    ev.JoinDecided,
    ev.Degraded,
    ev.Rewound,
)
"""What belongs to the end of a visit: no state lies between the two."""


def make_fork(events: Sequence[ev.Event], number: int, at: int | None = None) -> ev.Fork:
    """Where a fork of a transaction begins.

    Args:
        events: the transaction's own, in order.
        number: that of the transaction.
        at: sequence number of the last event that the fork shares; default: all of them. Where no run could go on from
            exactly there, it is the nearest step before at which one could.

    Raises:
        EngineError: invalid_request: there is no such step.
    """
    last = len(events) if at is None else at
    if not 1 <= last <= len(events):
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "no_such_step",
            f"Transaction #{number} has no step {last}.",
            remedy=f"Name one from 1 to {len(events)}.",
        )
    steps = _steps(events[:last], None if last == len(events) else events[last])
    state = RunState()
    for event in events[:steps]:
        apply(state, event)
    messages = tuple(
        ev.ForkedMessage(message.id, message.content, dict(message.data), message.path, message.visit)
        for message in state.messages.values()
        if message.id != 1  # the question is the fork's own
    )
    notes, summaries = tuple(state.notes), tuple(_summaries(events))
    return ev.Fork(events[0].tx or "", number, steps, state.snapshot(), messages, notes, summaries)


def _summaries(events: Sequence[ev.Event]) -> Iterator[ev.Summary]:
    """Every summary that the transaction has, that of later steps too: a fork which prunes the same has the same."""
    for event in events:
        if isinstance(event.body, ev.Begin) and event.body.fork is not None:
            yield from event.body.fork.summaries
        elif isinstance(event.body, ev.ContextPruned) and event.body.summary is not None and event.body.summary.text:
            yield event.body.summary


def _steps(events: Sequence[ev.Event], following: ev.Event | None) -> int:
    """How many of the events are shared: as many as leave something to be done, and no visit half ended."""
    state = RunState()
    found = 1
    for number, event in enumerate(events, 1):
        after = events[number] if number < len(events) else following
        apply(state, event)
        if state.frontier and not (after is not None and isinstance(after.body, _FOLLOWS_A_VISIT)):
            found = number
    return found


def check_fork(fork: ev.Fork, graph: GraphSpec) -> None:
    """Whether another graph can go on from there.

    Raises:
        EngineError: invalid_request: it has no node for what is under way.
    """
    known = {node.id for node in graph.nodes}
    missing = sorted({each.node for each in fork.state.frontier} - known)
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "fork_does_not_fit",
            f"The graph {graph.id} has no node {listed}, where the fork would go on.",
            remedy="Fork from an earlier step, such as 1, or keep the names of the nodes.",
        )
    joins = {scope.join for scope in fork.state.scopes.values() if not scope.decided}
    if not joins <= known:
        listed = ", ".join(f"`{name}`" for name in sorted(joins - known))
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "fork_does_not_fit",
            f"The graph {graph.id} has no join {listed}, for which branches are under way.",
            remedy="Fork from a step before the branches began.",
        )
