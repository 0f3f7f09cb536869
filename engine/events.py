"""The closed set of event types and their JSON codec.

A run is a list of events. Bodies are frozen dataclasses, one per kind; `Event` is the envelope. Times ending in
`_ms` are
milliseconds. Adding a field with a default keeps `V`; any other change of a body raises its `V` and needs an upgrade
here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter

from engine.errors import ErrorInfo

BreakerStateName = Literal["closed", "open", "half_open", "forced_open", "disabled"]
BreakerScope = Literal["endpoint", "node"]
ExitStatus = Literal["success", "fallback", "error"]
NodeOutcome = Literal["ok", "failed", "skipped", "cancelled"]
FinishReason = Literal["stop", "length", "tool_calls"]
AnsweredBy = Literal["person", "nobody", "cancelled"]
"""Who answered a request for approval; nobody and cancelled mean no."""


class Sync(IntEnum):
    """How soon a body must be on disk."""

    LAZY = 0
    """Within 100 ms."""
    FLUSH = 1
    """At once, without waiting for it."""
    BARRIER = 2
    """Before it is published: nobody sees it before it is durable."""


@dataclass(frozen=True, slots=True)
class Body:
    """Base of all event bodies."""

    KIND: ClassVar[str] = ""
    V: ClassVar[int] = 1
    SYNC: ClassVar[Sync] = Sync.LAZY


@dataclass(frozen=True, slots=True)
class Event:
    """The envelope."""

    gseq: int
    """Order in the whole database; the row id."""
    tx: str | None
    """Transaction id; None for the engine stream (breakers, backends)."""
    seq: int
    """Order in its transaction, from 1 without gaps; 0 on the engine stream."""
    t_ms: int
    """Elapsed time of the transaction (of the engine on the engine stream)."""
    wall_ms: int
    """Unix time in milliseconds; for display, never for order."""
    body: Body

    @property
    def kind(self) -> str:
        return self.body.KIND


# -- shared values -----------------------------------------------------------------------------------------------------


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
class Usage:
    """Token counts as reported by the backend (estimated where `exact` is false)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    exact: bool = True


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


# -- the engine stream -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BreakerChanged(Body):
    KIND: ClassVar[str] = "breaker_changed"
    breaker: BreakerSnapshot
    previous: BreakerStateName
    """Equal to `breaker.state` when only a count changed."""


@dataclass(frozen=True, slots=True)
class BackendChanged(Body):
    KIND: ClassVar[str] = "backend_changed"
    endpoint: str
    backend: str
    """ollama, openai or embedded."""
    status: Literal["starting", "ready", "restarting", "offline"]
    detail: str = ""
    remedy: str = ""


# -- the life of a transaction -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin(Body):
    KIND: ClassVar[str] = "begin"
    SYNC: ClassVar[Sync] = Sync.BARRIER
    graph: dict[str, Any]
    """The whole graph specification, as `GraphSpec.model_dump(mode="json")`."""
    graph_hash: str
    question: str
    session: str | None
    number: int = 0
    """Short ordinal of the transaction, shown as `#42`."""
    inputs: dict[str, Any] = field(default_factory=dict)
    history: tuple[tuple[str, str], ...] = ()
    """(role, content) of the session's earlier messages, oldest first."""
    backend: str = ""
    endpoint: str = ""
    models: dict[str, str] = field(default_factory=dict)
    """Model reference in the graph (`@math`) -> the model that answers it."""
    digests: dict[str, str] = field(default_factory=dict)
    """Model -> digest, where the backend knows it."""
    windows: dict[str, int] = field(default_factory=dict)
    """Model -> context window in tokens."""
    breakers: tuple[BreakerSnapshot, ...] = ()
    checkpoint_every: int = 5
    max_steps: int = 200
    timeout_ms: int = 300_000
    engine_version: str = ""
    fork: Fork | None = None
    """Where it goes on from another transaction; None where it begins at the entry."""


@dataclass(frozen=True, slots=True)
class Checkpoint(Body):
    """State from which a run can go on: the fold of the log up to here without `excluded`."""

    KIND: ClassVar[str] = "checkpoint"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    number: int
    log_length: int
    """Sequence number of the last event that belongs to the checkpoint."""
    frontier: tuple[Activation, ...]
    variables_changed: dict[str, Any] = field(default_factory=dict)
    excluded: tuple[tuple[int, int], ...] = ()
    """Ranges (first, last) of sequence numbers that rewinds took back."""


@dataclass(frozen=True, slots=True)
class Rewound(Body):
    KIND: ClassVar[str] = "rewound"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    by: str
    """Path of the gate that asked for it."""
    to: str
    """The node that runs again."""
    checkpoint: int
    excluded: tuple[int, int]
    """Range of sequence numbers that is taken back."""
    state: RunSnapshot
    retry: Retry
    within: str = ""
    """Beginning of the paths that it concerns: `sub#1/` for a retry in a sub-graph; empty for the whole run."""


@dataclass(frozen=True, slots=True)
class Resumed(Body):
    """A later process goes on with a transaction that was interrupted."""

    KIND: ClassVar[str] = "resumed"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    reason: str
    away_ms: int = 0
    """Time between the last event before and this one; no part of the transaction's elapsed time."""


@dataclass(frozen=True, slots=True)
class RollingBack(Body):
    KIND: ClassVar[str] = "rolling_back"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    reason: str
    """cancelled, failed, deadline, budget, exit_error, gate_exhausted or interrupted."""
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class RolledBack(Body):
    KIND: ClassVar[str] = "rolled_back"
    SYNC: ClassVar[Sync] = Sync.BARRIER
    reason: str
    error: ErrorInfo | None = None
    usage: Usage = Usage()
    text: str = ""
    """What an `error` exit had to say; empty otherwise."""
    exit: ExitStatus | None = None
    uncompensated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Committed(Body):
    KIND: ClassVar[str] = "committed"
    SYNC: ClassVar[Sync] = Sync.BARRIER
    exit: ExitStatus
    exit_node: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Paused(Body):
    """The run waits at a node boundary, because the store is behind or refuses to write."""

    KIND: ClassVar[str] = "paused"
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Unpaused(Body):
    KIND: ClassVar[str] = "unpaused"
    waited_ms: int


TERMINAL: tuple[type[Body], ...] = (Committed, RolledBack)


# -- nodes -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeStarted(Body):
    KIND: ClassVar[str] = "node_started"
    path: str
    visit: int
    message: int
    source: str = ""
    attempt: int = 1
    resumed: bool = False
    """It goes on after an interruption: what it had recorded is used again."""


@dataclass(frozen=True, slots=True)
class NodeFinished(Body):
    KIND: ClassVar[str] = "node_finished"
    path: str
    visit: int
    outcome: NodeOutcome
    message: int = 0
    """Id of the message that it made; 0 where it made none."""
    content: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    """Variables that it set."""
    duration_ms: int = 0
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class EdgeTaken(Body):
    """The verdict on one edge; conditions are evaluated once, here."""

    KIND: ClassVar[str] = "edge_taken"
    source: str
    target: str
    visit: int
    """Visit of the source."""
    message: int
    condition: str = ""
    taken: bool = True
    target_visit: int = 0
    """Visit of the target that this message starts; 0 where not taken, and for an arrival at a join."""
    tokens: tuple[Token, ...] = ()
    """Tokens of the branch in which the message travels."""
    arrival: Token | None = None
    """The branch that arrives at its join with this message."""


@dataclass(frozen=True, slots=True)
class MessageAdded(Body):
    """A message made beside a visit's own: one item of a fan-out over a list."""

    KIND: ClassVar[str] = "message_added"
    path: str
    visit: int
    message: int
    content: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScopeOpened(Body):
    """Branches begin to run in parallel towards one join."""

    KIND: ClassVar[str] = "scope_opened"
    scope: str
    path: str
    visit: int
    join: str
    branches: tuple[str, ...]
    """The nodes with which the branches begin."""
    outer: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class BranchEnded(Body):
    """A branch ended without reaching its join: the join counts it as dead."""

    KIND: ClassVar[str] = "branch_ended"
    token: Token
    node: str
    """Where it ended."""
    reason: str
    """failed, cancelled or ended (no edge was taken)."""


@dataclass(frozen=True, slots=True)
class JoinDecided(Body):
    """A join has what it waits for, or can no longer get it; it is visited now."""

    KIND: ClassVar[str] = "join_decided"
    path: str
    scope: str
    target_visit: int
    satisfied: bool
    inputs: tuple[int, ...]
    """Ids of the messages that arrived, in order of their branches."""
    dead: tuple[int, ...] = ()
    cancelled: tuple[int, ...] = ()
    """Branches that are cancelled because they are not needed any more."""


@dataclass(frozen=True, slots=True)
class SubgraphOpened(Body):
    """A sub-graph begins inside a visit; the paths of its nodes begin with `path#visit/`."""

    KIND: ClassVar[str] = "subgraph_opened"
    path: str
    visit: int
    graph: str
    """Its name in `graphs` of the graph around it."""
    message: int
    """Id of the message that is its question."""
    question: str
    inputs: dict[str, Any] = field(default_factory=dict)
    entries: tuple[str, ...] = ()
    """The nodes at which it begins, as paths."""


@dataclass(frozen=True, slots=True)
class Degraded(Body):
    """A failure that no edge handles does not end the run, because the graph says so: this message goes on instead."""

    KIND: ClassVar[str] = "degraded"
    path: str
    visit: int
    mode: Literal["skip_failed", "fallback"]
    code: str
    """That of the failure."""
    message: int
    content: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteDecided(Body):
    KIND: ClassVar[str] = "route_decided"
    path: str
    visit: int
    labels: tuple[str, ...]
    """The labels over the threshold, best first."""
    target: str
    route: str
    """Name of the route taken: a label, or labels joined with `+` for a compound route."""
    stage: str
    """The stage that decided: rule, classifier, model or default."""
    scores: dict[str, float] = field(default_factory=dict)
    stages: tuple[tuple[str, int], ...] = ()
    """(stage, microseconds) of every stage that was asked."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GateDecided(Body):
    KIND: ClassVar[str] = "gate_decided"
    path: str
    visit: int
    passed: bool
    """Whether the answer goes on; false for a retry."""
    target: str
    reason: str = ""
    checks: dict[str, bool] = field(default_factory=dict)
    retries: int = 0
    max_retries: int = 0
    judge: str = ""
    """The model that judged; empty where none was asked."""
    score: float | None = None
    """The judge's grade, 0 to 1; None where there is none that can be used."""


# -- operations --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpStarted(Body):
    KIND: ClassVar[str] = "op_started"
    path: str
    visit: int
    step: int
    """Ordinal of the operation in the visit, from 1."""
    op: str
    args_hash: str
    effect: Literal["pure", "reversible", "irreversible"] = "pure"
    attempt: int = 1
    arguments: str = ""
    """As JSON text, cut where it is long; for people."""


@dataclass(frozen=True, slots=True)
class OpFinished(Body):
    KIND: ClassVar[str] = "op_finished"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    op: str
    result: Any = None
    error: ErrorInfo | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class EffectIntended(Body):
    """A tool is about to change something outside the program; on disk before it does."""

    KIND: ClassVar[str] = "effect_intended"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    call: str
    """Unique id of the call; names its undo copies."""
    tool: str
    effect: Literal["reversible", "irreversible"]
    arguments: dict[str, Any]
    arguments_hash: str
    undo: dict[str, Any] | None = None
    """What taking it back needs, beside the copies."""


@dataclass(frozen=True, slots=True)
class Compensating(Body):
    """An effect is about to be taken back."""

    KIND: ClassVar[str] = "compensating"
    path: str
    visit: int
    call: str
    tool: str


@dataclass(frozen=True, slots=True)
class Compensated(Body):
    """An effect was taken back, or could not be."""

    KIND: ClassVar[str] = "compensated"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    call: str
    tool: str
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class ModelStarted(Body):
    """One attempt of a model call; the request as it was sent."""

    KIND: ClassVar[str] = "model_started"
    path: str
    visit: int
    step: int
    attempt: int
    model: str
    endpoint: str
    request_hash: str
    """Digest of model, messages and options: two attempts with the same hash are the same request."""
    messages: tuple[tuple[str, str], ...] = ()
    """(role, content), as sent; only with the first attempt and whenever they changed."""
    window: int = 0
    max_tokens: int = 0
    temperature: float = 0.0
    stream: bool = True
    """False where the node asked that its text is shown only when it is whole."""
    seed: int | None = None
    tools: tuple[str, ...] = ()
    """Names of the tools that the model could call."""


@dataclass(frozen=True, slots=True)
class ModelDelta(Body):
    KIND: ClassVar[str] = "model_delta"
    path: str
    visit: int
    step: int
    attempt: int
    offset: int
    """Position of `text` in the answer, in characters."""
    text: str
    thinking: bool = False
    tokens: int = 0
    """Chunks received so far: about the tokens generated."""


@dataclass(frozen=True, slots=True)
class ModelFinished(Body):
    KIND: ClassVar[str] = "model_finished"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    attempt: int
    model: str
    text: str
    """The full text; overwrites what deltas built."""
    finish: FinishReason
    prompt_tokens: int
    completion_tokens: int
    exact: bool = True
    """Whether the counts are the backend's own."""
    duration_ms: int = 0
    first_token_ms: int = 0
    thinking: str = ""
    tool_calls: tuple[AskedTool, ...] = ()
    """Those that the backend understood; what a model printed as text is in the text."""


@dataclass(frozen=True, slots=True)
class AttemptFailed(Body):
    """One attempt of a model call failed; text that it had shown is taken back unless the run ends with it."""

    KIND: ClassVar[str] = "attempt_failed"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    attempt: int
    model: str
    error: ErrorInfo
    retry_in_ms: int | None = None
    """None: there is no further attempt with this model."""
    fallback: str = ""
    """The model that is tried instead."""
    partial: str = ""
    """Text received before the failure."""


# -- approvals ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ApprovalAsked(Body):
    """A person is asked whether something may happen; the run's deadlines stand still until they answer."""

    KIND: ClassVar[str] = "approval_asked"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    """Ordinal of the operation in the visit, from 1."""
    question: str
    """What they are asked; for a tool, what it does."""
    tool: str = ""
    """The tool that is to be called; empty where an approval node asks."""
    text: str = ""
    """What goes on with a yes, where an approval node asks."""
    arguments: str = ""
    """The tool's exact arguments, as JSON text."""
    arguments_hash: str = ""
    """What the answer is bound to."""
    effect: Literal["pure", "reversible", "irreversible"] = "pure"
    host: str = ""
    """The host that a yes for longer than this call would be about."""
    editable: bool = False
    """Whether the person may change `text`."""
    cut: bool = False
    """Whether `question`, `text` or `arguments` are only beginnings here; the person was shown them whole."""


@dataclass(frozen=True, slots=True)
class ApprovalAnswered(Body):
    """The answer, or that none will come."""

    KIND: ClassVar[str] = "approval_answered"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    allowed: bool
    by: AnsweredBy
    arguments_hash: str = ""
    """That of the request."""
    reason: str = ""
    scope: Literal["call", "host"] = "call"
    text: str | None = None
    """What goes on, where the person changed it."""
    waited_ms: int = 0
    """How long they thought; counts against no deadline."""


@dataclass(frozen=True, slots=True)
class AttemptAbandoned(Body):
    """An attempt of a model call was lost in an interruption; text that it had shown is taken back."""

    KIND: ClassVar[str] = "attempt_abandoned"
    path: str
    visit: int
    step: int
    attempt: int


# -- memory ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContextMeasured(Body):
    """A selection as it was sent, or, with `reported`, as the backend counted it."""

    KIND: ClassVar[str] = "context_measured"
    selection: str
    """`path model`."""
    tokens: int
    window: int
    messages: int
    by_kind: dict[str, int] = field(default_factory=dict)
    reserved: int = 0
    """Tokens kept free for the answer."""
    reported: int | None = None
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class ContextPruned(Body):
    KIND: ClassVar[str] = "context_pruned"
    selection: str
    reason: str
    tokens_before: int
    tokens_after: int
    window: int
    removed: tuple[str, ...]
    """One line for each message that went: kind, tokens, beginning of the text."""


# -- codec -------------------------------------------------------------------------------------------------------------

BODIES: dict[str, type[Body]] = {
    cls.KIND: cls
    for cls in (
        BreakerChanged,
        BackendChanged,
        Begin,
        Checkpoint,
        Rewound,
        Resumed,
        RollingBack,
        RolledBack,
        Committed,
        Paused,
        Unpaused,
        NodeStarted,
        NodeFinished,
        EdgeTaken,
        MessageAdded,
        ScopeOpened,
        BranchEnded,
        JoinDecided,
        SubgraphOpened,
        Degraded,
        RouteDecided,
        GateDecided,
        OpStarted,
        OpFinished,
        EffectIntended,
        Compensating,
        Compensated,
        ModelStarted,
        ModelDelta,
        ModelFinished,
        AttemptFailed,
        AttemptAbandoned,
        ApprovalAsked,
        ApprovalAnswered,
        ContextMeasured,
        ContextPruned,
    )
}


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(BODIES[kind])


def encode(body: Body) -> str:
    """The body as JSON text."""
    return _adapter(body.KIND).dump_json(body).decode()


def decode(kind: str, version: int, text: str) -> Body:
    """The body that `encode` wrote.

    Raises:
        ValueError: unknown kind, a version from a newer program, or text that does not fit the kind.
    """
    cls = BODIES.get(kind)
    if cls is None:
        raise ValueError(f"unknown event kind {kind!r}: written by a newer version")
    if version > cls.V:
        raise ValueError(f"event {kind!r} has version {version}, this program reads up to {cls.V}")
    body: Body = _adapter(kind).validate_json(text)
    return body


def checksum(gseq: int, tx: str | None, seq: int, kind: str, text: str) -> int:
    """CRC-32 of a stored event row: finds a damaged row, is no protection against intent."""
    return zlib.crc32(f"{gseq}|{tx or ''}|{seq}|{kind}|{text}".encode())
