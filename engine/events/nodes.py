"""Events of nodes, and of what follows their visits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from engine.errors import ErrorInfo
from engine.events.envelope import Body, NodeOutcome
from engine.events.values import Token


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
    """The stage that decided: correction, rule, embedding, words, model or default; `classifier` was words once."""
    scores: dict[str, float] = field(default_factory=dict)
    """Every label's score, 0 to 1."""
    stages: tuple[tuple[str, int], ...] = ()
    """(stage, microseconds) of every stage that was asked."""
    reason: str = ""
    nearest: tuple[tuple[str, float, str], ...] = ()
    """(utterance, cosine, its labels joined with `+`): those that are most like the question, the nearest first."""
    note: str = ""
    """Why a stage was weaker than it might have been, or could say nothing."""


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

    faulty: bool = False
    """Whether something was wrong with the answer."""

    @property
    def gave_up(self) -> bool:
        """Whether the answer goes on although something was wrong with it."""
        return self.passed and self.faulty
