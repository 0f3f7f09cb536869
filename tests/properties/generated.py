"""Generated graphs that are valid, and what a short model of them says of a run: which nodes are visited, which of them
get the marker of the question, and what becomes of the run when one of their models fails.

A graph is a sequence of parts between an entry and an exit. A part is a node, or holds sequences itself: ways of which
one is taken, branches that meet at a join, a body that a gate sends back, a loop, a node with a deadline, a sub-graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from engine.graph.spec import GraphSpec
from tests.graphs import Edge, Node, make_graph, node

MARKER = "4711-0815"
QUESTION = f"Look at {MARKER}."
ITEMS = [f"one {MARKER}", f"two {MARKER}", f"three {MARKER}"]
INPUTS = {"score": 1, "lists": {"items": ITEMS}}

Carried = bool | None
"""Whether a text has the marker; None: it depends on which branch is quicker."""

# -- what is drawn -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One node. `echo` and `mute` are models: one says whether it saw the marker, the other never says it."""

    kind: str


@dataclass(frozen=True)
class Ways:
    """A node with several ways on, of which the first is taken."""

    by: str
    ways: tuple[Sequence, ...]


@dataclass(frozen=True)
class Branches:
    """A fan-out and its join."""

    branches: tuple[Sequence, ...]
    join: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Each:
    """A fan-out over a list, and its join."""

    branch: Sequence


@dataclass(frozen=True)
class Again:
    """A body that a gate sends back so many times."""

    body: Sequence
    times: int


@dataclass(frozen=True)
class Loop:
    body: tuple[Step, ...]
    times: int


@dataclass(frozen=True)
class Limited:
    """A node with a deadline that it does not reach."""

    step: Step


@dataclass(frozen=True)
class Inside:
    """A sub-graph."""

    body: Sequence


Part = Step | Ways | Branches | Each | Again | Loop | Limited | Inside
Sequence = tuple[Part, ...]

TRANSFORMS: dict[str, dict[str, Any]] = {
    "strip": {"operation": "strip"},
    "upper": {"operation": "upper"},
    "wrap": {"operation": "json_wrap", "key": "text"},
    "fill": {"operation": "template", "template": "<{{ content }}>"},
    "ask": {"operation": "template", "template": "Again: {{ question }}"},
    "forget": {"operation": "template", "template": "nothing of it"},
    "replace": {"operation": "regex_replace", "pattern": "[0-9]+", "replacement": "n"},
    "find": {"operation": "regex_extract", "pattern": r"\d{4}-\d{4}", "default": "none"},
    "split": {"operation": "split", "separator": " "},
}
MODELS = ("echo", "mute")
JOINS: list[dict[str, Any]] = [
    {"mode": "all"},
    {"mode": "all", "on_dead": "degrade", "separator": " | "},
    {"mode": "any"},
    {"mode": "any", "cancel_siblings": False},
    {"mode": "first_success"},
    {"mode": "first_success", "success": "len(content) > 0"},
    {"mode": "majority_vote"},
    {"mode": "majority_vote", "on_dead": "degrade"},
    {"mode": "best_score"},
    {"mode": "best_score", "on_dead": "degrade"},
]

steps = st.builds(Step, st.sampled_from([*TRANSFORMS, *MODELS, *MODELS, *MODELS]))


def _joins(size: int) -> st.SearchStrategy[tuple[tuple[str, Any], ...]]:
    quorums = [{"mode": "quorum", "quorum": wanted} for wanted in range(1, size + 1)]
    return st.sampled_from([tuple(join.items()) for join in [*JOINS, *quorums]])


def _holding(inner: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    body = st.lists(inner, min_size=1, max_size=2).map(tuple)
    some = st.lists(body, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Ways, st.sampled_from(["edges", "router", "gate"]), some),
        some.flatmap(lambda found: st.builds(Branches, st.just(found), _joins(len(found)))),
        st.builds(Each, st.lists(steps, min_size=1, max_size=2).map(tuple)),
        st.builds(Again, body, st.integers(0, 1)),
        st.builds(Loop, st.lists(steps, min_size=1, max_size=2).map(tuple), st.integers(1, 3)),
        st.builds(Limited, steps),
        st.builds(Inside, body),
        inner,
    )


sequences: st.SearchStrategy[Sequence] = st.lists(
    st.recursive(steps, _holding, max_leaves=8), min_size=1, max_size=3
).map(tuple)

# -- what it becomes ---------------------------------------------------------------------------------------------------


@dataclass
class Expected:
    """What is to be seen of a node."""

    received: set[bool] = field(default_factory=set)
    """Whether the messages that it gets may have the marker, and may have it not."""
    sure: bool = False
    """It is visited in every run without faults."""
    survived: Carried = False
    """For a model: whether the run goes on when it fails; None: it depends on which branch is quicker."""


@dataclass
class Built:
    """A generated graph, and the model of it."""

    graph: GraphSpec
    nodes: dict[str, Expected]
    models: tuple[str, ...]
    """Models that are visited in every run without faults."""


class Builder:
    """Makes the nodes and edges of parts, and on the way follows the marker through them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.graphs: dict[str, Any] = {}
        self.expected: dict[str, Expected] = {}
        self.models: list[str] = []
        self._count = 0
        self._sure = True
        self._asked: Carried = True
        """Whether the question of the (sub-)graph has the marker."""
        self._joins: list[tuple[dict[str, Any], int]] = []
        """The joins of the branches that are being built, with their sizes, the innermost last."""

    def add(self, kind: str, carried: Carried, name: str = "", **config: Any) -> str:
        """A node that gets a message which has the marker or not; its id."""
        self._count += 1
        made = f"{name or kind}_{self._count}"
        self.nodes.append(node(made, kind, **config))
        expected = self.expected.setdefault(made, Expected())
        self._receives(made, carried)
        expected.sure = self._sure
        return made

    def sequence(self, parts: Sequence, carried: Carried) -> tuple[str, str, Carried]:
        """First node, last node, and whether what comes out has the marker."""
        first = last = ""
        for part in parts:
            begins, ends, carried = self.part(part, carried)
            if last:
                self.edges.append((last, begins))
            first, last = first or begins, ends
        return first, last, carried

    def part(self, part: Part, carried: Carried) -> tuple[str, str, Carried]:
        match part:
            case Step():
                made = self.step(part, carried)
                return made, made, self.after(part, carried)
            case Ways():
                return self.ways(part, carried)
            case Branches():
                return self.branches(part, carried)
            case Each():
                return self.each(part, carried)
            case Again():
                return self.again(part, carried)
            case Loop():
                return self.loop(part, carried)
            case Limited():
                inner = self.step(part.step, carried)
                made = self.add("timeout", carried, inner_node=inner, timeout_ms=600_000, on_timeout="error")
                return made, made, self.after(part.step, carried)
            case Inside():
                return self.inside(part, carried)

    def step(self, step: Step, carried: Carried) -> str:
        if step.kind not in MODELS:
            return self.add("transform", carried, step.kind, **TRANSFORMS[step.kind])
        made = self.add("model", carried, step.kind)
        self.nodes[-1]["config"]["system_prompt"] = f"{step.kind} {made}"
        self.expected[made].survived = self._survives()
        if self._sure:
            self.models.append(made)
        return made

    def after(self, step: Step, carried: Carried) -> Carried:
        match step.kind:
            case "forget" | "replace" | "mute":
                return False
            case "ask":
                return self._asked
            case "echo":
                return True if self._asked else carried
            case _:
                return carried

    def ways(self, part: Ways, carried: Carried) -> tuple[str, str, Carried]:
        place = len(self.nodes)
        self.nodes.append({})  # its config names nodes that are made after it
        firsts: list[str] = []
        lasts: list[str] = []
        after = carried
        for number, way in enumerate(part.ways):
            with self._only_if(number == 0):
                first, last, out = self.sequence(way, carried)
            firsts.append(first)
            lasts.append(last)
            after = out if number == 0 else after
        made = self._chooser(part.by, firsts, carried)
        self.nodes[place] = self.nodes.pop()
        if part.by == "edges":
            taken: Edge = (made, firsts[0], "len(content) >= 0")
            self.edges += [taken, *((made, other, "len(content) < 0") for other in firsts[1:])]
        meet = self.add("transform", after, "meet", operation="strip")
        self.edges += [(last, meet) for last in lasts]
        return made, meet, after

    def _chooser(self, by: str, ways: list[str], carried: Carried) -> str:
        if by == "router":
            routes = [{"name": f"route_{way}", "target": way} for way in ways]
            return self.add("router", carried, method="rules", routes=routes, default_route=f"route_{ways[0]}")
        if by == "gate":
            never = [{"expression": "len(content) < 0", "target": way} for way in ways[1:]]
            return self.add("gate", carried, conditions=never, default_target=ways[0])
        return self.add("transform", carried, "choose", operation="strip")

    def branches(self, part: Branches, carried: Carried) -> tuple[str, str, Carried]:
        join, size = dict(part.join), len(part.branches)
        place = len(self.nodes)
        self.nodes.append({})
        firsts: list[str] = []
        lasts: list[str] = []
        outs: list[Carried] = []
        for branch in part.branches:
            with self._branch_of(join, size):
                first, last, out = self.sequence(branch, carried)
            firsts.append(first)
            lasts.append(last)
            outs.append(out)
        made = self.add("fanout", carried, targets=firsts)
        self.nodes[place] = self.nodes.pop()
        after = _joined(join, outs)
        meet = self.add("join", None, **join)
        self.edges += [(last, meet) for last in lasts]
        return made, meet, after

    def each(self, part: Each, carried: Carried) -> tuple[str, str, Carried]:
        place = len(self.nodes)
        self.nodes.append({})
        join: dict[str, Any] = {"mode": "all"}
        with self._branch_of(join, len(ITEMS)):
            first, last, out = self.sequence(part.branch, True)
        made = self.add("fanout", carried, "each", targets=[first], over="lists.items")
        self.nodes[place] = self.nodes.pop()
        meet = self.add("join", None, **join)
        self.edges.append((last, meet))
        return made, meet, out

    def again(self, part: Again, carried: Carried) -> tuple[str, str, Carried]:
        begin = self.add("transform", carried, "again", operation="strip")
        first, last, after = self.sequence(part.body, carried)
        gate = self.add("gate", after, conditions=[], max_retries=2)
        end = self.add("transform", after, "enough", operation="strip")
        enough = {"expression": f"retries >= {part.times}", "target": end}
        self._config_of(gate).update(conditions=[enough], default_target=begin)
        self.edges += [(begin, first), (last, gate)]
        return begin, end, after

    def loop(self, part: Loop, carried: Carried) -> tuple[str, str, Carried]:
        body = [self.step(step, carried) for step in part.body]
        made = self.add("loop", carried, body=body, max_iterations=part.times)
        for name in body:
            self.expected[name].received.clear()
        for _ in range(part.times):
            for step, name in zip(part.body, body, strict=True):
                self._receives(name, carried)
                carried = self.after(step, carried)
        return made, made, carried

    def inside(self, part: Inside, carried: Carried) -> tuple[str, str, Carried]:
        outer, asked = (self.nodes, self.edges, self.graphs), self._asked
        self.nodes, self.edges, self.graphs, self._asked = [], [], {}, carried
        spec, after = self.whole(part.body, carried)
        (self.nodes, self.edges, self.graphs), self._asked = outer, asked
        self._count += 1
        name = f"graph_{self._count}"
        self.graphs[name] = spec
        given = {"score": "data.score", "lists": "data.lists"}
        made = self.add("subgraph", carried, graph_id=name, input_mapping=given)
        return made, made, after

    def whole(self, parts: Sequence, carried: Carried, status: str = "success") -> tuple[dict[str, Any], Carried]:
        """A graph of its own, and whether its answer has the marker."""
        start = self.add("entry", carried)
        first, last, after = self.sequence(parts, carried)
        end = self.add("exit", after, status=status)
        self.edges += [(start, first), (last, end)]
        spec = make_graph(self.nodes, self.edges, valid=False, graphs=self.graphs)
        return spec.model_dump(mode="json"), after

    def _receives(self, name: str, carried: Carried) -> None:
        self.expected[name].received |= {True, False} if carried is None else {carried}

    def _config_of(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.nodes if each.get("id") == name)["config"]
        return found

    @contextmanager
    def _only_if(self, sure: bool) -> Iterator[None]:
        before, self._sure = self._sure, self._sure and sure
        yield
        self._sure = before

    @contextmanager
    def _branch_of(self, join: dict[str, Any], size: int) -> Iterator[None]:
        self._joins.append((join, size))
        with self._only_if(join["mode"] in ("all", "best_score") or join.get("quorum") == size):
            yield
        self._joins.pop()

    def _survives(self) -> Carried:
        """Whether the run goes on when what is being built fails: the innermost join that can do without it decides."""
        for join, size in reversed(self._joins):
            mode, degrades = join["mode"], join.get("on_dead") == "degrade"
            if mode == "majority_vote" and not degrades:
                return None
            enough = join["quorum"] if mode == "quorum" else 1
            if size - 1 >= enough and (mode in ("any", "first_success", "quorum") or degrades):
                return True
        return False


def _joined(join: dict[str, Any], outs: list[Carried]) -> Carried:
    """Whether what a join makes of its branches has the marker."""
    if len(set(outs)) == 1:
        return outs[0]
    whole = join["mode"] == "all" or join.get("quorum") == len(outs)
    return True if whole and True in outs else None


def build(parts: Sequence, status: str = "success", **fields: Any) -> Built:
    """A graph of some parts, checked as the loader checks it.

    Args:
        parts: what is between its entry and its exit.
        status: of its exit.
        fields: further fields of the graph.
    """
    builder = Builder()
    builder.whole(parts, True, status)
    graph = make_graph(builder.nodes, builder.edges, graphs=builder.graphs, **fields)
    return Built(graph, builder.expected, tuple(builder.models))
