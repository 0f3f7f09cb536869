"""Events of the life of a transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from engine.errors import ErrorInfo
from engine.events.envelope import Body, ExitStatus, Sync
from engine.events.usage import Usage
from engine.events.values import (
    Activation,
    BreakerSnapshot,
    Fork,
    Recalled,
    Retry,
    RunSnapshot,
    Summariser,
    Taught,
)


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
    """(role, content) of the session's latest messages, oldest first; one that is far too large is cut."""
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
    corrections: tuple[Taught, ...] = ()
    """What people said about the routes of questions, for the routers of the graph and of its sub-graphs."""
    recalled: tuple[Recalled, ...] = ()
    """Long-term memories that its models are told of, the best first."""
    history_left_out: int = 0
    """Messages of the session that are not in `history`: no window of the run could take them as well."""
    factors: dict[str, float] = field(default_factory=dict)
    """Model -> correction of the estimates of tokens that the session's latest run had learnt."""
    summariser: Summariser | None = None
    """What writes summaries of what is pruned; None where nothing does."""
    replaces: str = ""
    """The transaction whose turn in the session this one's takes the place of when it commits; empty: of none."""


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
    usage: Usage = field(default_factory=Usage)
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
    usage: Usage = field(default_factory=Usage)


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
