"""The values of a view: what panes show of one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from engine import events as ev
from engine.errors import ErrorInfo

TxStatus = Literal["created", "executing", "rolling_back", "committed", "rolled_back"]
NodeState = Literal["idle", "running", "waiting", "ok", "failed", "skipped", "cancelled"]
Mark = Literal[
    "info", "start", "ok", "error", "warn", "checkpoint", "commit", "rollback", "rewind", "prune", "breaker",
    "fork", "resumed", "undone",
]  # fmt: skip

TOOL_OP = "tool "
"""What the names of operations that call a tool begin with; the tool's id follows."""
SHOWN_RESULT = 2000
"""Characters of an operation's result that the view keeps."""


@dataclass(slots=True)
class AttemptView:
    """One model call, or one attempt of it."""

    step: int
    attempt: int
    model: str
    endpoint: str
    started_ms: int
    messages: tuple[tuple[str, str], ...] = ()
    text: str = ""
    thinking: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    finished_ms: int | None = None
    duration_ms: int = 0
    first_token_ms: int = 0
    finish: str = ""
    stream: bool = True
    error: ErrorInfo | None = None
    temperature: float = 0.0
    max_tokens: int = 0
    seed: int | None = None
    tools: tuple[str, ...] = ()
    """Names of the tools that the model could call."""
    tool_calls: tuple[ev.AskedTool, ...] = ()
    queued_ms: int = 0
    """Milliseconds before `started_ms` in which it waited for a free slot."""
    cached: bool = False
    """The answer is one that was given before."""


@dataclass(slots=True)
class OpView:
    """One operation of a visit, such as a tool call."""

    step: int
    op: str
    started_ms: int
    arguments: str = ""
    """As JSON text, cut where it is long."""
    result: str = ""
    """Its text, or its JSON; cut where it is long."""
    error: ErrorInfo | None = None
    finished_ms: int | None = None

    @property
    def tool(self) -> str:
        """The tool that it calls; empty for other operations."""
        return self.op.removeprefix(TOOL_OP) if self.op.startswith(TOOL_OP) else ""


@dataclass(slots=True)
class VisitView:
    """One visit of a node."""

    visit: int
    started_ms: int
    source: str = ""
    message: int = 0
    finished_ms: int | None = None
    duration_ms: int = 0
    state: NodeState = "running"
    attempt: int = 1
    restarts_ms: list[int] = field(default_factory=list)
    """When its further attempts began."""
    output: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    error: ErrorInfo | None = None
    attempts: list[AttemptView] = field(default_factory=list)
    ops: list[OpView] = field(default_factory=list)
    """Operations that are no model calls, in order; those of a repeated visit follow those of its earlier attempts."""
    route: ev.RouteDecided | None = None
    gate: ev.GateDecided | None = None
    rewound: bool = False
    """Taken back by a retry."""


@dataclass(slots=True)
class NodeView:
    """One node; its state is that of its latest visit."""

    path: str
    type: str
    title: str
    state: NodeState = "idle"
    visits: list[VisitView] = field(default_factory=list)
    drawn: str = ""
    """Of a node that ran inside another: the node of the graph that stands for it, and has its state as well; empty for
    nodes of sub-graphs."""
    asks: int = 0
    """Requests for approval that wait for a person, in this node and in those inside it."""

    @property
    def shown(self) -> NodeState:
        """The state to show: waiting where a person is asked."""
        return "waiting" if self.asks else self.state

    @property
    def last(self) -> VisitView | None:
        return self.visits[-1] if self.visits else None


@dataclass(slots=True)
class EdgeView:
    source: str
    target: str
    condition: str = ""
    taken: int = 0
    refused: int = 0


@dataclass(slots=True)
class PruneView:
    """One pruning; `engine.view.pruned_text` gives the texts of its messages."""

    t_ms: int
    selection: str
    reason: str
    tokens_before: int
    tokens_after: int
    removed: tuple[str, ...]
    """One line for each of `messages`."""
    messages: tuple[ev.PrunedMessage, ...] = ()
    """What was cut and what went; empty in runs of earlier versions."""
    unlisted: int = 0
    """Further messages that went, older than those that are named."""
    question: str = ""
    """What was asked of the graph, or the sub-graph, in which it happened."""
    summary: ev.Summary | None = None
    """What stands in place of what went; None where nobody was asked for it."""


@dataclass(slots=True)
class MemoryView:
    """One context selection as it was last measured."""

    selection: str
    tokens: int = 0
    window: int = 0
    reserved: int = 0
    """Tokens of the window that are kept free for the answer."""
    pinned: int = 0
    """Tokens of messages that no pruning hides."""
    messages: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    reported: int | None = None
    factor: float = 1.0
    prunes: list[PruneView] = field(default_factory=list)


@dataclass(slots=True)
class ApprovalView:
    """A request for approval that waits for a person."""

    asked: ev.ApprovalAsked
    since_ms: int
    """Time of the transaction at which it was asked."""


@dataclass(slots=True)
class TimelineEntry:
    """One line of the timeline; never changed. Not frozen: making frozen ones takes a tenth of a seek in a replay."""

    gseq: int
    seq: int
    t_ms: int
    mark: Mark
    kind: str
    node: str
    text: str


@dataclass(slots=True)
class View:
    """Everything that the panes show of one transaction."""

    tx: str = ""
    number: int = 0
    status: TxStatus = "created"
    session: str | None = None
    question: str = ""
    history: tuple[tuple[str, str], ...] = ()
    history_left_out: int = 0
    """Messages of the session that no model was told of, for no window could take them."""
    questions: dict[str, str] = field(default_factory=dict)
    """Beginning of the paths in a sub-graph (`sub#1/`) -> what it was asked."""
    taken_over: dict[str, str] = field(default_factory=dict)
    """Of a fork: `<path> <visit>` -> the output that its parent made there."""
    recalled: tuple[ev.Recalled, ...] = ()
    """What it was told from long-term memory, the best first."""
    graph: dict[str, Any] = field(default_factory=dict)
    graph_hash: str = ""
    backend: str = ""
    endpoint: str = ""
    models: dict[str, str] = field(default_factory=dict)
    started_wall_ms: int = 0
    t_ms: int = 0
    """Time of the latest event."""
    gseq: int = 0
    events: int = 0
    nodes: dict[str, NodeView] = field(default_factory=dict)
    edges: dict[tuple[str, str], EdgeView] = field(default_factory=dict)
    breakers: dict[str, ev.BreakerSnapshot] = field(default_factory=dict)
    memory: dict[str, MemoryView] = field(default_factory=dict)
    timeline: list[TimelineEntry] = field(default_factory=list)
    approvals: list[ApprovalView] = field(default_factory=list)
    """What waits for a person's answer now, the oldest first."""
    variables: dict[str, Any] = field(default_factory=dict)
    answer: str = ""
    """The answer so far: of the model that is writing, at the end the committed text."""
    answer_node: str = ""
    answered_by: str = ""
    """The specialist (path of the model node) whose text is the answer."""
    answer_model: str = ""
    exit: str | None = None
    exit_node: str = ""
    error: ErrorInfo | None = None
    reason: str = ""
    uncompensated: tuple[str, ...] = ()
    """What tools changed and could not be taken back, and why; whatever became of the run."""
    stuck: dict[str, str] = field(default_factory=dict)
    """Id of the call -> the same, as the run goes on."""
    usage: ev.Usage = field(default_factory=ev.Usage)
    checkpoints: int = 0
    retries: int = 0
    parent: tuple[int, int] | None = None
    """Of a fork: (number of the parent, its step)."""
    replaces: bool = False
    """Whether its turn takes the place of another one in the session when it commits."""
    resumed: int = 0
    """How often a later process went on with it."""
    away_ms: int = 0
    """Time that passed while no process worked on it: no part of its own time."""
    paused: str = ""
    backend_status: str = ""
    backend_detail: str = ""

    @property
    def finished(self) -> bool:
        return self.status in ("committed", "rolled_back")
