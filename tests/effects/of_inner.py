"""Cases of the fields of `loop`, `timeout` and `subgraph`."""

from __future__ import annotations

from typing import Any

from engine import events as ev
from tests.effects.case import Case, Document, Seen, Slow, case
from tests.effects.documents import around, chain, says, upper, x
from tests.effects.sights import answer


def looped(*body: Any, **config: Any) -> Document:
    return around(x("loop", **{"body": [each["id"] for each in body], **config}), *body)


def hurried(**config: Any) -> Document:
    """A timeout around `u`; `v` and `w` run instead where the case says so."""
    return around(x("timeout", **{"inner_node": "u", "timeout_ms": 1000, **config}), upper("u"), says("v", "V"))


def _counted(seen: Seen) -> Any:
    """How many iterations there were, or the error."""
    return seen.ran.result.data.get("iterations", answer(seen))


def _late(seen: Seen) -> tuple[str, Any]:
    return answer(seen), seen.ran.result.data.get("timed_out")


def _given(seen: Seen) -> Any:
    """The fields that the sub-graph was given besides its question."""
    return seen.ran.all(ev.SubgraphOpened)[0].inputs


DOTS = says("u", "{{ content }}.")
U, V = says("u", "u({{ content }})"), says("v", "v({{ content }})")
SUBS = {"graphs": {"sub": chain(upper("t"), id="graph.sub")}}
FILES = {f"{name}.yaml": f"""
id: graph.{name}
nodes:
  - {{id: start, type: entry}}
  - {{id: t, type: transform, config: {{operation: {name}}}}}
  - {{id: end, type: exit}}
edges:
  - {{from_node: start, to_node: t}}
  - {{from_node: t, to_node: end}}
""" for name in ("upper", "lower")}  # fmt: skip

CASES: tuple[Case, ...] = (
    case("loop.body", looped(U, V, max_iterations=1), (["u", "v"], "v(u(Why?))"), (["v", "u"], "u(v(Why?))"),
         see=answer),
    case("loop.mode", looped(DOTS), ("fixed_count", 3), ("until_success", 1), see=_counted),
    case("loop.mode (of a condition)", looped(DOTS, condition="data.iteration >= 2"), ("until_condition", 2),
         ("while_condition", 0), see=_counted),
    case("loop.condition", looped(DOTS, mode="until_condition"), ("data.iteration >= 1", 1),
         ("content == 'Why?..'", 2), see=_counted),
    case("loop.max_iterations", looped(DOTS), (1, "Why?."), (4, "Why?...."), see=answer),
    case("loop.max_iterations (in vain)", looped(DOTS, mode="until_condition", condition="data.iteration >= 3"),
         (2, "error loop_exhausted"), (5, 3), see=_counted),
    case("loop.on_exhausted", looped(DOTS, mode="until_condition", condition="content == ''", max_iterations=2),
         ("error", "error loop_exhausted"), ("continue", "Why?.."), see=answer),
    case("timeout.inner_node", hurried(), ("u", "WHY?"), ("v", "V"), see=answer, unchecked="one of them is left over"),
    case("timeout.on_timeout", hurried(), ("error", ("error inner_deadline", None)), ("skip", ("Why?", True)),
         see=_late, slow=Slow("u"), unchecked="the node that could run instead is left over"),
    case("timeout.on_timeout (something else)", hurried(fallback_node="v"), ("fallback", ("V", True)),
         ("skip", ("Why?", True)), see=_late, slow=Slow("u"), unchecked="with skip, what could run instead is unused"),
    case("timeout.fallback_node", hurried(on_timeout="fallback"), ("v", "V"), ("u", "WHY?"), see=answer,
         slow=Slow("u", times=1), unchecked="one of them is left over, or the same as the inner one"),
    case("subgraph.graph_id", around(x("subgraph")), ("upper", "WHY?"), ("lower", "why?"), see=answer, files=FILES),
    case("subgraph.question", around(x("subgraph", graph_id="sub"), **SUBS), ("content", "WHY?"),
         ("data.topic", "CATS"), see=answer, inputs={"topic": "cats"}),
    case("subgraph.input_mapping", around(x("subgraph", graph_id="sub"), **SUBS), ({}, {}),
         ({"about": "data.topic"}, {"about": "cats"}), see=_given, inputs={"topic": "cats"}),
)  # fmt: skip
