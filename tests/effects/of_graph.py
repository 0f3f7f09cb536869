"""Cases of the fields of graphs, nodes, edges and prompts."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import yaml

from engine import events as ev
from engine.graph.dot import to_dot
from tests.effects.case import Case, Document, Place, Seen, case, position
from tests.effects.documents import chain, graph, upper, x
from tests.effects.sights import answer, begun, exit_of, system, told, visited
from tests.graphs import node
from tests.scripted_backend import Step
from tinyllm_tui.cli import main

SIMPLE = chain(x("transform", operation="upper"))
LOWER = node("l", "transform", operation="lower")
BROKEN = node("x", "transform", operation="json_parse")


def place(document: Document, name: str) -> Place:
    return "nodes", position(document, name)


def shown(seen: Seen) -> str:
    """The first line that `graph show` prints."""
    file = seen.folder / "shown.yaml"
    file.write_text(yaml.safe_dump(seen.document, sort_keys=False))
    (seen.folder / "empty.yaml").write_text("")
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        main(["graph", "show", str(file), "--config", str(seen.folder / "empty.yaml")])
    return printed.getvalue().splitlines()[0]


def recorded(*names: str | int) -> Any:
    """A value of the graph as the `begin` event keeps it."""

    def see(seen: Seen) -> Any:
        here: Any = begun(seen)
        for name in names:
            here = here[name]
        return here

    return see


def _breaker(seen: Seen) -> str:
    """The key under which the breaker of the node that failed is kept."""
    return seen.ran.all(ev.BreakerChanged)[0].breaker.key


def _title(seen: Seen) -> str:
    """What the drawing calls the graph."""
    return to_dot(seen.spec).splitlines()[0]


def _label(seen: Seen) -> str:
    """What the drawing calls the node `x`."""
    return to_dot(seen.spec).splitlines()[3].partition("label=")[2]


# -- the graph ---------------------------------------------------------------------------------------------------------

TWO_ENTRIES = graph(
    [node("a", "entry"), node("b", "entry"), upper("u"), LOWER, node("end", "exit")],
    [("a", "u"), ("b", "l"), ("u", "end"), ("l", "end")],
)
TWO_EXITS = graph(
    [node("start", "entry"), node("x", "gate", default_target="one", conditions=[{"expression": "content == ''",
     "target": "two"}]), node("one", "exit"), node("two", "exit")],
    [("start", "x")],
)  # fmt: skip
REPEATING = graph(
    [node("start", "entry"), upper("u"), node("g", "gate", default_target="end", conditions=[{"expression":
     "content == ''", "target": "u"}]), node("end", "exit")],
    [("start", "u"), ("u", "g")],
)  # fmt: skip
FAILING_NODE = chain(x("transform", operation="regex_extract", pattern="[0-9]+"))
FAILING = graph(
    [node("start", "entry"), BROKEN, node("one", "exit"), node("two", "exit", status="fallback")],
    [("start", "x"), ("x", "one", "content != ''"), ("x", "two", "content == ''")],
)
GRAPHS = chain(x("subgraph", graph_id="sub"))


def _sub(name: str) -> Document:
    return {"sub": chain(node("t", "transform", operation=name), id="graph.sub")}


def _way(seen: Seen) -> tuple[str | None, bool]:
    """(status of the exit or None, whether the answer is called partial)."""
    return seen.ran.result.exit, bool(seen.ran.result.data.get("partial"))


PROMPTED = chain(x("model", prompt_id="p"))


def _prompt(system_text: str) -> dict[str, Any]:
    return {"p": {"id": "p", "system": system_text}}


OF_GRAPHS: tuple[Case, ...] = (
    case("GraphSpec.id", FAILING_NODE, ("graph.one", "graph.one/x"), ("graph.two", "graph.two/x"), see=_breaker,
         at=()),
    case("GraphSpec.version", SIMPLE, ("1.0.0", "graph.effects 1.0.0  graph.effects"),
         ("2.1.0", "graph.effects 2.1.0  graph.effects"), see=shown, at=()),
    case("GraphSpec.name", SIMPLE, ("", 'digraph "graph.effects" {'), ("Shouting", 'digraph "Shouting" {'), see=_title,
         at=()),
    case("GraphSpec.description", SIMPLE, ("", "graph.effects 1.0.0  graph.effects"),
         ("For shouting.", "graph.effects 1.0.0  For shouting."), see=shown, at=()),
    case("GraphSpec.metadata", SIMPLE, ({}, {}), ({"team": "a"}, {"team": "a"}), see=recorded("metadata"), at=()),
    case("GraphSpec.nodes", SIMPLE, (SIMPLE["nodes"], "WHY?"),
         ([node("start", "entry"), {**LOWER, "id": "x"}, node("end", "exit")], "why?"), see=answer, at=()),
    case("GraphSpec.edges", graph([node("start", "entry"), upper("x"), LOWER, node("end", "exit")], []),
         ([{"from_node": "start", "to_node": "x"}, {"from_node": "x", "to_node": "l"}, {"from_node": "l", "to_node":
         "end"}], "why?"), ([{"from_node": "start", "to_node": "l"}, {"from_node": "l", "to_node": "x"}, {"from_node":
         "x", "to_node": "end"}], "WHY?"), see=answer, at=()),
    case("GraphSpec.entry_points", TWO_ENTRIES, (["a", "b"], "WHY?"), (["b", "a"], "why?"),
         (["a"], "refused id"), see=answer, at=()),
    case("GraphSpec.exit_points", TWO_EXITS, (["one", "two"], "Why?"), (["one"], "refused id"), see=answer, at=()),
    case("GraphSpec.protected", SIMPLE, (False, False), (True, True), see=recorded("protected"), at=()),
    case("GraphSpec.allow_cycles", REPEATING, (True, "WHY?"), (False, "refused target"), see=answer, at=()),
    case("GraphSpec.degradation", FAILING, ("fail_fast", (None, False)), ("skip_failed", ("fallback", True)), see=_way,
         at=()),
    case("GraphSpec.degradation (to a node)", {**FAILING, "fallback_node": "two"}, ("fallback", ("fallback", True)),
         ("fail_fast", (None, False)), see=_way, at=(), unchecked="with fail_fast the fallback_node is unused"),
    case("GraphSpec.fallback_node", {**FAILING, "degradation": "fallback"}, ("one", "one"), ("two", "two"), see=exit_of,
         at=()),
    case("GraphSpec.memory", SIMPLE, (True, True), (False, False), see=recorded("memory"), at=()),
    case("GraphSpec.prompts", PROMPTED, (_prompt("Be brief."), "Be brief."), (_prompt("Be long."), "Be long."),
         see=system, at=()),
    case("GraphSpec.graphs", GRAPHS, (_sub("upper"), "WHY?"), (_sub("lower"), "why?"), see=answer, at=()),
)  # fmt: skip

# -- nodes and edges ---------------------------------------------------------------------------------------------------

AT_X = place(SIMPLE, "x")
TWO_WAYS = graph(
    [node("start", "entry"), upper("u"), LOWER, node("end", "exit")],
    [("start", "u"), ("start", "l"), ("u", "end"), ("l", "end")],
)
NEVER = "content == 'never'"
FROM = graph(
    [node("start", "entry"), upper("u"), LOWER, node("end", "exit")],
    [("u", "end"), ("start", "u"), ("u", "l", "content == 'WHY?'"), ("u", "end", NEVER), ("l", "end", NEVER)],
)
TO = graph(
    [node("start", "entry"), upper("u"), LOWER, node("end", "exit")],
    [("start", "u"), ("start", "u", NEVER), ("start", "l", NEVER), ("u", "end"), ("l", "end")],
)

OF_NODES: tuple[Case, ...] = (
    case("NodeSpec.id", SIMPLE, ("x", "WHY?"), ("y", "refused to_node"), see=answer, at=AT_X),
    case("NodeSpec.type", chain(node("x", "model")), ("model", "Answer to: Why?"), ("join", "Why?"), see=answer,
         at=AT_X),
    case("NodeSpec.name", SIMPLE, ("", '"x"];'), ("Shouting", '"Shouting"];'), see=_label, at=AT_X),
    case("NodeSpec.description", SIMPLE, ("", ""), ("Shouts.", "Shouts."), see=recorded(*AT_X, "description"), at=AT_X),
    case("NodeSpec.config", SIMPLE, ({"operation": "upper"}, "WHY?"), ({"operation": "lower"}, "why?"), see=answer,
         at=AT_X),
    case("EdgeSpec.from_node", FROM, ("u", ["start", "u", "end"]), ("l", ["start", "u", "l", "end"]), see=visited,
         at=("edges", 0)),
    case("EdgeSpec.to_node", TO, ("u", "WHY?"), ("l", "why?"), see=answer, at=("edges", 0)),
    case("EdgeSpec.condition", TWO_WAYS, (None, "WHY?"), ("content == 'x'", "why?"), see=answer, at=("edges", 0)),
    case("EdgeSpec.weight", TWO_WAYS, (1.0, ["start", "u", "l", "end"]), (2.0, ["start", "u", "end"]), see=visited,
         at=("edges", 0)),
)  # fmt: skip

# -- prompts -----------------------------------------------------------------------------------------------------------


def asking(**prompt: Any) -> Document:
    return chain(x("model", prompt_id="p"), prompts={"p": {"id": "p", **prompt}})


def _rome(request: Any) -> list[Step]:
    return ['{"city": "Rome"}' if "not usable" in request.messages[-1].content else "Rome"]


EXAMPLE = {"user": "1 + 1?", "assistant": "2"}
AT_P: Place = ("prompts", "p")
BY_VERSION = chain(x("model", prompt_id="p@2.0.0"), prompts={"p@2.0.0": {"id": "p"}})
SCHEMA = {"type": "object", "required": ["city"]}

OF_PROMPTS: tuple[Case, ...] = (
    case("PromptSpec.id", asking(), ("p", "Answer to: Why?"), ("q", "refused id"), see=answer, at=AT_P),
    case("PromptSpec.version", BY_VERSION, ("2.0.0", "Answer to: Why?"), ("1.0.0", "refused id"), see=answer,
         at=("prompts", "p@2.0.0")),
    case("PromptSpec.description", asking(), ("", ""), ("Terse.", "Terse."), see=recorded(*AT_P, "description"),
         at=AT_P),
    case("PromptSpec.system", asking(), ("", ""), ("Be brief.", "Be brief."), see=system, at=AT_P),
    case("PromptSpec.user", asking(), ("{{ question }}", [("user", "Why?")]),
         ("Say: {{ question }}", [("user", "Say: Why?")]), see=told, at=AT_P),
    case("PromptSpec.examples", asking(), ([], [("user", "Why?")]),
         ([EXAMPLE], [("user", "1 + 1?"), ("assistant", "2"), ("user", "Why?")]), see=told, at=AT_P),
    case("PromptSpec.output_schema", asking(), (None, "Rome"), (SCHEMA, '{"city": "Rome"}'), see=answer, script=_rome,
         at=AT_P),
    case("ExampleSpec.user", asking(examples=[EXAMPLE]), ("1 + 1?", ("user", "1 + 1?")), ("2 - 0?", ("user", "2 - 0?")),
         see=lambda seen: told(seen)[0], at=(*AT_P, "examples", 0)),
    case("ExampleSpec.assistant", asking(examples=[EXAMPLE]), ("2", ("assistant", "2")), ("two", ("assistant", "two")),
         see=lambda seen: told(seen)[1], at=(*AT_P, "examples", 0)),
)  # fmt: skip

CASES: tuple[Case, ...] = (*OF_GRAPHS, *OF_NODES, *OF_PROMPTS)
