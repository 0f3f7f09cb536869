"""The view: what panes show of one transaction, as a fold of its events.

`apply` mutates only the view it is given, uses no clock, I/O or randomness, and computes nothing that an event
should have
carried. Live, replayed and afterwards the same events give equal views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine import events as ev
from engine.errors import ErrorInfo
from engine.message import brief_json

TxStatus = Literal["created", "executing", "rolling_back", "committed", "rolled_back"]
NodeState = Literal["idle", "running", "waiting", "ok", "failed", "skipped", "cancelled"]
Mark = Literal["info", "start", "ok", "error", "warn", "checkpoint", "commit", "rollback", "rewind", "prune", "breaker"]

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
    t_ms: int
    selection: str
    reason: str
    tokens_before: int
    tokens_after: int
    removed: tuple[str, ...]


@dataclass(slots=True)
class MemoryView:
    """One context selection as it was last measured."""

    selection: str
    tokens: int = 0
    window: int = 0
    reserved: int = 0
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
    """Effects that a rollback could not take back, and why."""
    usage: ev.Usage = field(default_factory=ev.Usage)
    checkpoints: int = 0
    retries: int = 0
    parent: tuple[int, int] | None = None
    """Of a fork: (number of the parent, its step)."""
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


def fold(events: Iterable[ev.Event]) -> View:
    """The view after `events`."""
    view = View()
    for event in events:
        apply(view, event)
    return view


def apply(view: View, event: ev.Event) -> View:
    """Fold one event into `view` (changed in place, and returned).

    Events of the engine stream count from the transaction's begin to its end: before and after that they are
    ignored, so that
    a live subscriber and a later reader see the same.
    """
    if event.tx is None:
        if view.status == "created" or view.finished:
            return view
    else:
        view.t_ms = event.t_ms
    view.gseq = event.gseq
    view.events += 1
    handler = _HANDLERS.get(type(event.body))
    if handler is not None:
        handler(view, event, event.body)
    return view


# -- handlers ----------------------------------------------------------------------------------------------------------


def _line(view: View, event: ev.Event, mark: Mark, node: str, text: str) -> None:
    # the engine stream has its own clock, so its entries stand at the transaction's latest moment
    t_ms = event.t_ms if event.tx is not None else max(view.t_ms, event.wall_ms - view.started_wall_ms - view.away_ms)
    view.timeline.append(TimelineEntry(event.gseq, event.seq, t_ms, mark, event.kind, node, text))


def _visit(view: View, path: str, number: int) -> VisitView | None:
    node = view.nodes.get(path)
    if node is None or not node.visits:
        return None
    last = node.visits[-1]
    if last.visit == number and not last.rewound:  # nearly always, and most events come through here
        return last
    for visit in reversed(node.visits):
        if visit.visit == number and not visit.rewound:
            return visit
    return None


def _attempt(visit: VisitView | None, step: int, attempt: int) -> AttemptView | None:
    if visit is None or not visit.attempts:
        return None
    last = visit.attempts[-1]
    if last.step == step and last.attempt == attempt:
        return last
    for found in reversed(visit.attempts):
        if found.step == step and found.attempt == attempt:
            return found
    return None


def _begin(view: View, event: ev.Event, body: ev.Begin) -> None:
    view.tx = event.tx or ""
    view.number = body.number
    view.status = "executing"
    view.session = body.session
    view.question = body.question
    view.history = body.history
    view.graph = body.graph
    view.graph_hash = body.graph_hash
    view.backend = body.backend
    view.endpoint = body.endpoint
    view.models = body.models
    view.started_wall_ms = event.wall_ms
    view.breakers = {b.key: b for b in body.breakers}
    for node in body.graph.get("nodes", ()):
        view.nodes[node["id"]] = NodeView(node["id"], node["type"], node.get("name") or node["id"])
    for edge in body.graph.get("edges", ()):
        key = (edge["from_node"], edge["to_node"])
        view.edges[key] = EdgeView(*key, condition=edge.get("condition") or "")
    if body.fork is not None:
        _forked(view, event, body.fork)
        return
    _line(view, event, "start", "", "begin")


def _forked(view: View, event: ev.Event, fork: ev.Fork) -> None:
    """What a fork takes over is shown as done; how it was done is in the parent."""
    view.parent = (fork.number, fork.seq)
    view.variables = dict(fork.state.variables)
    for message in fork.messages:
        node = view.nodes.get(message.path)
        if node is not None and fork.state.outputs.get(message.path) == message.id:
            visit = VisitView(message.visit, event.t_ms, finished_ms=event.t_ms, state="ok", output=message.content)
            visit.data = message.data
            node.visits.append(visit)
            node.state = "ok"
    _line(view, event, "start", "", f"fork of #{fork.number} from its step {fork.seq}")


def _committed(view: View, event: ev.Event, body: ev.Committed) -> None:
    view.status = "committed"
    view.exit, view.exit_node, view.answer, view.usage = body.exit, body.exit_node, body.text, body.usage
    view.paused = ""
    _line(view, event, "commit", body.exit_node, f"committed ({body.exit})")


def _resumed(view: View, event: ev.Event, body: ev.Resumed) -> None:
    view.resumed += 1
    view.away_ms += body.away_ms
    for at in range(len(view.timeline) - 1, -1, -1):  # the engine's, of the time that was no part of the transaction's
        if view.timeline[at].t_ms <= event.t_ms:
            break
        view.timeline[at] = replace(view.timeline[at], t_ms=event.t_ms)
    _line(view, event, "start", "", f"goes on: {body.reason}")


def _attempt_abandoned(view: View, event: ev.Event, body: ev.AttemptAbandoned) -> None:
    attempt = _attempt(_visit(view, body.path, body.visit), body.step, body.attempt)
    if attempt is not None:
        attempt.finished_ms, attempt.text = event.t_ms, ""
    if view.answer_node == body.path:
        view.answer, view.answer_node, view.answer_model = "", "", ""
    _line(view, event, "warn", body.path, "the model call was lost in the interruption; it is asked again")


def _rolling_back(view: View, event: ev.Event, body: ev.RollingBack) -> None:
    view.status = "rolling_back"
    view.reason, view.error = body.reason, body.error
    _line(view, event, "rollback", "", f"rolling back: {body.reason}")


def _rolled_back(view: View, event: ev.Event, body: ev.RolledBack) -> None:
    view.status = "rolled_back"
    view.reason, view.error, view.usage, view.exit = body.reason, body.error, body.usage, body.exit
    view.uncompensated = body.uncompensated
    view.answer = body.text or view.answer
    view.variables = {}
    view.paused = ""
    view.approvals = []
    _count_asks(view)
    for node in view.nodes.values():
        if node.state == "running" and node.last is not None:
            node.state = node.last.state = "cancelled"
    _line(view, event, "rollback", body.error.node if body.error else "", f"rolled back: {body.reason}")


def _checkpoint(view: View, event: ev.Event, body: ev.Checkpoint) -> None:
    view.checkpoints = body.number
    _line(view, event, "checkpoint", "", f"checkpoint {body.number}")


def _rewound(view: View, event: ev.Event, body: ev.Rewound) -> None:
    view.retries += 1
    view.variables = dict(body.state.variables)
    for node in view.nodes.values():
        if node.path.startswith(body.within):
            _take_back(node, body)
    for node in view.nodes.values():
        if node.drawn:
            view.nodes[node.drawn].state = node.state
    view.answer, view.answer_node = "", ""
    _line(view, event, "rewind", body.by, f"back to {body.to}: {body.retry.note}")


def _take_back(node: NodeView, body: ev.Rewound) -> None:
    """Mark what a retry takes back of a node: its visits after those that are kept, or those inside such a visit."""
    outer, inside, _ = node.path[len(body.within) :].partition("/")
    name, _, number = outer.partition("#")
    kept = body.state.visits.get(body.within + name, 0)
    for visit in node.visits:
        if not visit.rewound and (int(number) if inside else visit.visit) > kept:
            visit.rewound = True
            if visit.state == "running":
                visit.state = "cancelled"
    node.state = next((v.state for v in reversed(node.visits) if not v.rewound), "idle")


def _paused(view: View, event: ev.Event, body: ev.Paused) -> None:
    view.paused = f"{body.reason} {body.remedy}".strip()
    _line(view, event, "warn", "", f"paused: {body.reason}")


def _unpaused(view: View, event: ev.Event, body: ev.Unpaused) -> None:
    view.paused = ""
    _line(view, event, "info", "", f"goes on after {body.waited_ms} ms")


def _inner_node(view: View, path: str) -> NodeView:
    """A node that runs inside another's visit, seen for the first time."""
    graph, in_subgraph = view.graph, False
    *around, name = path.split("/")
    for each in around:
        outer = _spec(graph, each.partition("#")[0])
        if outer.get("type") == "subgraph":
            graph, in_subgraph = graph.get("graphs", {}).get(outer["config"]["graph_id"], {}), True
    spec = _spec(graph, name)
    drawn = name if around and not in_subgraph and name in view.nodes else ""
    node = NodeView(path, spec.get("type", ""), spec.get("name") or path, drawn=drawn)
    view.nodes[path] = node
    return node


def _spec(graph: dict[str, Any], name: str) -> dict[str, Any]:
    return next((node for node in graph.get("nodes", ()) if node["id"] == name), {})


def _set_state(view: View, node: NodeView, state: NodeState) -> None:
    node.state = state
    if node.drawn:
        view.nodes[node.drawn].state = state


def _node_started(view: View, event: ev.Event, body: ev.NodeStarted) -> None:
    node = view.nodes.get(body.path) or _inner_node(view, body.path)
    _set_state(view, node, "running")
    visit = _visit(view, body.path, body.visit)
    if visit is None:
        visit = VisitView(body.visit, event.t_ms, source=body.source, message=body.message)
        node.visits.append(visit)
    visit.state = "running"
    visit.attempt = body.attempt
    again = f" (attempt {body.attempt})" if body.attempt > 1 else ""
    _line(view, event, "start", body.path, "goes on" if body.resumed else f"started{again}")


def _node_finished(view: View, event: ev.Event, body: ev.NodeFinished) -> None:
    node, visit = view.nodes.get(body.path), _visit(view, body.path, body.visit)
    state: NodeState = body.outcome
    if node is None or visit is None:
        return
    visit.state = state
    _set_state(view, node, next((v.state for v in reversed(node.visits) if not v.rewound), state))
    visit.finished_ms, visit.duration_ms = event.t_ms, body.duration_ms
    visit.output, visit.data, visit.error = body.content, body.data, body.error
    view.variables.update(body.variables)
    if node.type in ("model", "tool", "agent") and body.outcome == "ok":
        view.answer, view.answer_node, view.answered_by = body.content, body.path, body.path
        view.answer_model = ""
        if visit.attempts:
            view.answer_model = visit.attempts[-1].model
    mark: Mark = "ok" if body.outcome == "ok" else "error" if body.outcome == "failed" else "warn"
    words = body.error.message if body.error else f"{body.outcome} in {body.duration_ms} ms"
    _line(view, event, mark, body.path, words)


def _edge_taken(view: View, event: ev.Event, body: ev.EdgeTaken) -> None:  # noqa: ARG001 - one shape for all handlers
    key = (body.source, body.target)
    edge = view.edges.setdefault(key, EdgeView(*key, condition=body.condition))
    if body.taken:
        edge.taken += 1
    else:
        edge.refused += 1


def _scope_opened(view: View, event: ev.Event, body: ev.ScopeOpened) -> None:
    _line(view, event, "info", body.path, f"{len(body.branches)} branches in parallel -> {body.join}")


def _branch_ended(view: View, event: ev.Event, body: ev.BranchEnded) -> None:
    _line(view, event, "warn", body.node, f"branch {body.token.branch + 1} of {body.token.scope} {body.reason}")


def _join_decided(view: View, event: ev.Event, body: ev.JoinDecided) -> None:
    words = f"{len(body.inputs)} arrived"
    if body.dead:
        words += f", {len(body.dead)} ended before"
    if body.cancelled:
        words += f", {len(body.cancelled)} not needed"
    _line(view, event, "info" if body.satisfied else "warn", body.path, words)


def _subgraph_opened(view: View, event: ev.Event, body: ev.SubgraphOpened) -> None:
    _line(view, event, "info", body.path, f"runs the graph {body.graph}")


def _degraded(view: View, event: ev.Event, body: ev.Degraded) -> None:
    words = (
        "skipped: the run goes on without it" if body.mode == "skip_failed" else "what there is goes to the fallback"
    )
    _line(view, event, "warn", body.path, f"{words} ({body.code})")


def _route_decided(view: View, event: ev.Event, body: ev.RouteDecided) -> None:
    visit = _visit(view, body.path, body.visit)
    if visit is not None:
        visit.route = body
    _line(view, event, "info", body.path, f"route {body.route} by {body.stage} -> {body.target}")


def _gate_decided(view: View, event: ev.Event, body: ev.GateDecided) -> None:
    visit = _visit(view, body.path, body.visit)
    if visit is not None:
        visit.gate = body
    grade = "" if body.score is None else f", {body.score:.2g} by {body.judge}"
    why = f" ({body.reason})" if body.reason else ""
    words = f"{'passed' if body.passed else 'refused'}{grade}{why} -> {body.target}"
    _line(view, event, "ok" if body.passed else "warn", body.path, words)


def _op_started(view: View, event: ev.Event, body: ev.OpStarted) -> None:
    visit = _visit(view, body.path, body.visit)
    if visit is not None:
        visit.ops.append(OpView(body.step, body.op, event.t_ms, body.arguments))


def _op_finished(view: View, event: ev.Event, body: ev.OpFinished) -> None:
    visit = _visit(view, body.path, body.visit)
    op = next((op for op in reversed(visit.ops) if op.step == body.step), None) if visit is not None else None
    if op is None:
        return
    op.finished_ms, op.error = event.t_ms, body.error
    text = body.result.get("text") if isinstance(body.result, dict) else None
    op.result = text[:SHOWN_RESULT] if isinstance(text, str) else brief_json(body.result, SHOWN_RESULT)
    if body.error is not None:
        op.result = ""
    if op.tool:
        said = body.error.message if body.error is not None else " ".join(op.result[:200].split())
        mark: Mark = "info" if body.error is None else "warn"
        _line(view, event, mark, body.path, f"{op.op} {op.arguments[:80]}".rstrip() + f": {said[:120]}")


def _effect_intended(view: View, event: ev.Event, body: ev.EffectIntended) -> None:
    _line(view, event, "info", body.path, f"{body.tool}: what it changes can be taken back")


def _compensated(view: View, event: ev.Event, body: ev.Compensated) -> None:
    if body.error is None:
        _line(view, event, "rewind", body.path, f"{body.tool}: taken back")
    else:
        _line(view, event, "error", body.path, f"{body.tool}: NOT taken back: {body.error.message}")


def _model_started(view: View, event: ev.Event, body: ev.ModelStarted) -> None:
    visit = _visit(view, body.path, body.visit)
    if visit is None:
        return
    messages = body.messages or (visit.attempts[-1].messages if visit.attempts else ())
    visit.attempts.append(
        AttemptView(
            step=body.step,
            attempt=body.attempt,
            model=body.model,
            endpoint=body.endpoint,
            started_ms=event.t_ms,
            messages=messages,
            stream=body.stream,
            temperature=body.temperature,
            max_tokens=body.max_tokens,
            seed=body.seed,
            tools=body.tools,
        )
    )
    again = f", attempt {body.attempt}" if body.attempt > 1 else ""
    _line(view, event, "info", body.path, f"model {body.model}{again}")


def _model_delta(view: View, event: ev.Event, body: ev.ModelDelta) -> None:  # noqa: ARG001 - one shape for all handlers
    attempt = _attempt(_visit(view, body.path, body.visit), body.step, body.attempt)
    if attempt is None:
        return
    attempt.tokens = body.tokens
    if body.thinking:
        attempt.thinking = attempt.thinking[: body.offset] + body.text
        return
    attempt.text = attempt.text[: body.offset] + body.text
    if attempt.stream:
        view.answer, view.answer_node, view.answer_model = attempt.text, body.path, attempt.model


def _model_finished(view: View, event: ev.Event, body: ev.ModelFinished) -> None:
    attempt = _attempt(_visit(view, body.path, body.visit), body.step, body.attempt)
    if attempt is None:
        return
    attempt.text, attempt.thinking, attempt.finish = body.text, body.thinking, body.finish
    attempt.tokens, attempt.prompt_tokens = body.completion_tokens, body.prompt_tokens
    attempt.finished_ms, attempt.duration_ms = event.t_ms, body.duration_ms
    attempt.first_token_ms, attempt.tool_calls = body.first_token_ms, body.tool_calls
    if attempt.stream:
        view.answer, view.answer_node, view.answer_model = body.text, body.path, body.model
    cut = ", cut off" if body.finish == "length" else ""
    _line(
        view, event, "info", body.path, f"{body.model}: {body.completion_tokens} tokens in {body.duration_ms} ms{cut}"
    )


def _attempt_failed(view: View, event: ev.Event, body: ev.AttemptFailed) -> None:
    visit = _visit(view, body.path, body.visit)
    attempt = _attempt(visit, body.step, body.attempt)
    if attempt is not None:
        attempt.error, attempt.finished_ms, attempt.text = body.error, event.t_ms, body.partial
    goes_on = body.retry_in_ms is not None or body.fallback
    if goes_on and view.answer_node == body.path:
        view.answer = ""
    elif body.partial and (attempt is None or attempt.stream):
        view.answer, view.answer_node, view.answer_model = body.partial, body.path, body.model
    if body.retry_in_ms is not None:
        then = f"; again in {body.retry_in_ms} ms"
    else:
        then = f"; falls back to {body.fallback}" if body.fallback else ""
    _line(view, event, "error", body.path, f"{body.model}: {body.error.message}{then}")


def _approval_asked(view: View, event: ev.Event, body: ev.ApprovalAsked) -> None:
    view.approvals.append(ApprovalView(body, event.t_ms))
    _count_asks(view)
    what = f"may the tool {body.tool} run? {body.arguments}" if body.tool else body.question
    _line(view, event, "warn", body.path, f"a person is asked: {what}")


def _approval_answered(view: View, event: ev.Event, body: ev.ApprovalAnswered) -> None:
    place = (body.path, body.visit, body.step)
    view.approvals = [each for each in view.approvals if (each.asked.path, each.asked.visit, each.asked.step) != place]
    _count_asks(view)
    words = {"person": "a person said", "nobody": "nobody could be asked:", "cancelled": "nobody answered any more:"}
    said = f"{words[body.by]} {'yes' if body.allowed else 'no'}"
    if body.scope == "host":
        said += ", for this host"
    if body.text is not None:
        said += ", and changed the text"
    reason = f": {body.reason}" if body.reason else ""
    _line(view, event, "ok" if body.allowed else "warn", body.path, f"{said}{reason}")


def _count_asks(view: View) -> None:
    """Mark the nodes in which a person is asked: that of each request, and those around it."""
    paths = [each.asked.path for each in view.approvals]
    for node in view.nodes.values():
        node.asks = sum(1 for path in paths if path == node.path or path.startswith(f"{node.path}#"))


def _context_measured(view: View, event: ev.Event, body: ev.ContextMeasured) -> None:  # noqa: ARG001 - one shape for all handlers
    memory = view.memory.setdefault(body.selection, MemoryView(body.selection))
    memory.tokens, memory.window, memory.messages = body.tokens, body.window, body.messages
    memory.by_kind, memory.reserved = body.by_kind, body.reserved
    memory.reported, memory.factor = body.reported, body.factor


def _context_pruned(view: View, event: ev.Event, body: ev.ContextPruned) -> None:
    memory = view.memory.setdefault(body.selection, MemoryView(body.selection))
    memory.tokens, memory.window = body.tokens_after, body.window
    memory.prunes.append(
        PruneView(event.t_ms, body.selection, body.reason, body.tokens_before, body.tokens_after, body.removed)
    )
    node = body.selection.split(" ", 1)[0]
    _line(view, event, "prune", node, f"pruned {len(body.removed)}: {body.tokens_before} -> {body.tokens_after} tokens")


def _breaker_changed(view: View, event: ev.Event, body: ev.BreakerChanged) -> None:
    view.breakers[body.breaker.key] = body.breaker
    if body.breaker.state != body.previous:
        why = f" ({body.breaker.last_error})" if body.breaker.last_error and body.breaker.state == "open" else ""
        _line(view, event, "breaker", "", f"{body.breaker.key}: {body.previous} -> {body.breaker.state}{why}")


def _backend_changed(view: View, event: ev.Event, body: ev.BackendChanged) -> None:
    view.backend_status, view.backend_detail = body.status, body.detail
    mark: Mark = "info" if body.status == "ready" else "warn"
    _line(view, event, mark, "", f"{body.endpoint}: {body.status} {body.detail}".rstrip())


_HANDLERS: dict[type[ev.Body], Callable[[View, ev.Event, Any], None]] = {
    ev.Begin: _begin,
    ev.Committed: _committed,
    ev.RollingBack: _rolling_back,
    ev.Resumed: _resumed,
    ev.AttemptAbandoned: _attempt_abandoned,
    ev.RolledBack: _rolled_back,
    ev.Checkpoint: _checkpoint,
    ev.Rewound: _rewound,
    ev.Paused: _paused,
    ev.Unpaused: _unpaused,
    ev.NodeStarted: _node_started,
    ev.NodeFinished: _node_finished,
    ev.EdgeTaken: _edge_taken,
    ev.ScopeOpened: _scope_opened,
    ev.BranchEnded: _branch_ended,
    ev.JoinDecided: _join_decided,
    ev.SubgraphOpened: _subgraph_opened,
    ev.Degraded: _degraded,
    ev.RouteDecided: _route_decided,
    ev.GateDecided: _gate_decided,
    ev.OpStarted: _op_started,
    ev.OpFinished: _op_finished,
    ev.EffectIntended: _effect_intended,
    ev.Compensated: _compensated,
    ev.ModelStarted: _model_started,
    ev.ModelDelta: _model_delta,
    ev.ModelFinished: _model_finished,
    ev.AttemptFailed: _attempt_failed,
    ev.ApprovalAsked: _approval_asked,
    ev.ApprovalAnswered: _approval_answered,
    ev.ContextMeasured: _context_measured,
    ev.ContextPruned: _context_pruned,
    ev.BreakerChanged: _breaker_changed,
    ev.BackendChanged: _backend_changed,
}
