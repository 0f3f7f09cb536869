"""Values that several kinds of events carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.events.envelope import BreakerScope, BreakerStateName


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """The whole state of one circuit breaker at one moment."""

    key: str
    """`endpoint model` for endpoints, `graph_id/path` for nodes."""
    scope: BreakerScope
    state: BreakerStateName
    failures: int = 0
    """Consecutive failures while closed."""
    successes: int = 0
    """Successes while half-open."""
    until_ms: int | None = None
    """Unix time in milliseconds at which an open breaker admits a probe."""
    last_error: str = ""
    recent: str = ""
    """The last 20 calls, oldest first: `.` success, `x` failure."""


@dataclass(frozen=True, slots=True)
class Token:
    """Marks what runs in one branch of a scope; tokens are nested as scopes are, the innermost last."""

    scope: str
    """`node#visit` of the node that opened the scope."""
    branch: int
    """Ordinal of the branch in its scope, from 0."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Branches that run in parallel towards one join."""

    join: str
    """The node at which they come together."""
    size: int
    """Number of branches."""
    outer: tuple[Token, ...] = ()
    """Tokens of what goes on after the join."""
    arrived: tuple[tuple[int, int], ...] = ()
    """(branch, message id) in order of arrival."""
    dead: tuple[int, ...] = ()
    """Branches that ended without reaching the join."""
    decided: bool = False
    cancelled: tuple[int, ...] = ()
    """Branches that are not needed any more since the join is decided."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A message that waits for, or is being worked on by, a node."""

    node: str
    visit: int
    """Ordinal of the node's visit, from 1."""
    message: int
    """Id of the message."""
    source: str = ""
    """The node that sent it; empty for the question."""
    tokens: tuple[Token, ...] = ()
    inputs: tuple[int, ...] = ()
    """At a join: ids of the messages that it joins, in order of their branches."""
    dead: int = 0
    """At a join: branches that ended without arriving."""
    size: int = 0
    """At a join: branches of the scope that it closes; 0 where it closes none."""


@dataclass(frozen=True, slots=True)
class AskedTool:
    """A tool call that a model made; whether it ran, and to what it came, is in the operation that follows."""

    name: str
    arguments: str
    """As JSON text, cut where it is very long."""
    id: str = ""
    """As the backend called it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What a gate's retry changes, so that the second request is never the first one again."""

    note: str
    """Why the gate refused; joins the prompt."""
    excluded_routes: tuple[str, ...] = ()
    ordinal: int = 1
    tier: int = 0
    """Steps by which roles are resolved higher than before."""


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """Everything that decides how a run goes on; messages are named by id (rows are immutable)."""

    frontier: tuple[Activation, ...]
    visits: dict[str, int]
    variables: dict[str, Any]
    retries: dict[str, int]
    """Gate path -> retries that it has used."""
    outputs: dict[str, int]
    """Node -> id of its latest message."""
    scopes: dict[str, Scope] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForkedMessage:
    """A message that a fork takes over."""

    id: int
    content: str
    data: dict[str, Any]
    path: str = ""
    visit: int = 0


@dataclass(frozen=True, slots=True)
class Taught:
    """A question for which a person marked the right routes, as a router of the run knows it."""

    graph: str
    """Id of the graph that has the router; for one in a sub-graph, that of the sub-graph."""
    router: str
    """Id of the router's node."""
    question: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recalled:
    """A long-term memory that a run recalls: as it was when the run began, whatever becomes of it."""

    id: int
    kind: str
    """note, fact or summary."""
    text: str
    """Cut at the end where there was no room for the whole."""
    tx: str = ""
    """The transaction that it comes from; empty where a person wrote it."""
    number: int = 0
    """That transaction's number; 0 where it is not known."""
    score: float = 0.0
    """How well it fits the question, with its age; from 0 to 1."""
    how: str = "words"
    """What it was ranked by: words, or embedding."""


@dataclass(frozen=True, slots=True)
class Summariser:
    """The model that writes summaries of what is pruned."""

    model: str
    window: int
    """In tokens."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a model wrote in place of messages that went, or why there is nothing."""

    model: str
    text: str = ""
    """Its words; empty where there are none."""
    tokens: int = 0
    """Corrected estimate of the message that stands in the context."""
    left_out: int = 0
    """Messages that went and are not in it, the oldest: the summariser's own window could not hold them."""
    problem: str = ""
    """Why there is no summary; empty where there is one."""
    request_hash: str = ""
    """Digest of the request for it: the same request is never made again in this run, nor in forks of it."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Where a fork begins: all that it needs of its parent."""

    parent: str
    """Transaction id; the parent may be gone."""
    number: int
    seq: int
    """Sequence number of the parent's event up to which the fork is the same."""
    state: RunSnapshot
    messages: tuple[ForkedMessage, ...]
    notes: tuple[Retry, ...] = ()
    summaries: tuple[Summary, ...] = ()
    """Those that the parent has recorded: the fork has the same where it prunes the same."""
