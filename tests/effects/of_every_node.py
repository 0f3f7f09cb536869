"""Cases of the fields that every node has, for each type of node."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine import events as ev
from engine.errors import ErrorClass
from engine.models.protocol import ChatRequest, ModelInfo
from tests.approvers import Answer, yes
from tests.effects.case import Case, Document, Seen, Slow, case, position
from tests.effects.documents import around, chain, graph, leading_to, says, upper, x
from tests.effects.sights import attempts, calls
from tests.graphs import node
from tests.scripted_backend import Script, Step, fault, model


@dataclass(frozen=True, slots=True)
class Sample:
    """A node `x` of one type that does what it is for, and takes more than no time when the case says so."""

    graph: Document
    asks_model: bool = False
    """Its retry is that of its model call, not that of the visit."""
    slow: str = "x"
    """The node that takes its time."""
    error: str = "node_deadline"
    """Code of the error when that is too long."""
    script: Script | None = None
    models: Sequence[ModelInfo] = ()
    person: Answer | None = None


def _choice(request: ChatRequest) -> list[Step]:
    """What a router's model, a judge and any other model answer."""
    return [json.dumps({"labels": ["a"], "score": 9, "reason": "good"})]


ABLE = (model("able", parameters_b=3),)
SUB = chain(upper("u"), id="graph.sub")

SAMPLES: dict[str, Sample] = {
    "entry": Sample(chain(entry=x("entry"))),
    "exit": Sample(chain(exit_=x("exit"))),
    "router": Sample(
        leading_to(x("router", method="model", routes=[{"name": "a", "target": "end"}]), "end"),
        asks_model=True,
        script=_choice,
        models=ABLE,
    ),
    "model": Sample(chain(x("model")), asks_model=True),
    "gate": Sample(
        chain(node("m", "model", model="small"), x("gate", mode="llm", model="able", default_target="end")),
        asks_model=True,
        script=_choice,
        models=(model(), *ABLE),
    ),
    "transform": Sample(chain(x("transform", operation="upper"))),
    "fanout": Sample(
        graph(
            [node("start", "entry"), x("fanout", targets=["u"]), upper("u"), node("j", "join"), node("end", "exit")],
            [("start", "x"), ("u", "j"), ("j", "end")],
        )
    ),
    "join": Sample(chain(node("fan", "fanout", targets=["u"]), upper("u"), x("join"))),
    "tool": Sample(chain(says("sum", "1+1"), x("tool", tool_id="calculator", input_mapping={"expression": "content"}))),
    "loop": Sample(around(x("loop", body=["u"], max_iterations=1), upper("u"))),
    "timeout": Sample(around(x("timeout", inner_node="u"), upper("u")), slow="u", error="inner_deadline"),
    "subgraph": Sample(around(x("subgraph", graph_id="sub"), graphs={"sub": SUB})),
    "approval": Sample(chain(x("approval")), person=yes),
    "agent": Sample(chain(x("agent", tool_ids=["calculator"])), asks_model=True),
}

WITHOUT_MODEL: dict[str, Sample] = {
    "router": Sample(leading_to(x("router", method="rules", routes=[{"name": "a", "target": "end"}],
                                  default_route="a"), "end")),
    "gate": Sample(leading_to(x("gate", default_target="end"), "end")),
    "transform": Sample(chain(x("transform", operation="regex_extract", pattern="W"))),
}  # fmt: skip
"""Nodes of these types that work in another way: routers and gates that ask no model, transforms that wait."""

ONCE_MORE = {"attempts": 2, "base_delay_ms": 0}


def _with(sample: Sample, **config: Any) -> Document:
    nodes = list(sample.graph["nodes"])
    index = position(sample.graph, "x")
    nodes[index] = {**nodes[index], "config": {**nodes[index]["config"], **config}}
    return {**sample.graph, "nodes": nodes}


def _broken(_request: ChatRequest) -> list[Step]:
    return [fault(ErrorClass.CONNECTION)]


def _error(seen: Seen) -> str:
    """Code of the error; empty where there is none."""
    return seen.ran.result.error.code if seen.ran.result.error is not None else ""


def _ended(seen: Seen) -> tuple[str, list[int]]:
    return _error(seen), attempts(seen)


def _of_type(type_: str, sample: Sample, note: str = "") -> Iterator[Case]:
    told: dict[str, Any] = {"script": sample.script, "models": sample.models, "person": sample.person}
    limited = _with(sample, timeout_ms=1000)
    yield case(
        f"{type_}.timeout_ms{note}", sample.graph, (1000, sample.error), (60_000, ""), see=_error,
        slow=Slow(sample.slow), **told,
    )  # fmt: skip
    if sample.asks_model:
        broken = {**told, "script": _judged_badly if type_ == "gate" else _broken}
        first = int(type_ == "gate")  # the call of the model whose answer is judged
        yield case(f"{type_}.retry{note}", sample.graph, (None, 3 + first), (ONCE_MORE, 2 + first), see=calls, **broken)
        yield case(
            f"{type_}.idempotent{note}", _with(sample, retry=ONCE_MORE), (True, 2 + first), (False, 1 + first),
            see=calls, **broken,
        )  # fmt: skip
        return
    once = Slow(sample.slow, times=1)
    yield case(
        f"{type_}.retry{note}", limited, (None, (sample.error, [1])), (ONCE_MORE, ("", [1, 2])), see=_ended,
        slow=once, **told,
    )  # fmt: skip
    yield case(
        f"{type_}.idempotent{note}", _with(sample, timeout_ms=1000, retry=ONCE_MORE), (True, ("", [1, 2])),
        (False, (sample.error, [1])), see=_ended, slow=once, **told,
    )  # fmt: skip


def _judged_badly(request: ChatRequest) -> list[Step]:
    return ["An answer."] if request.model == "small" else _broken(request)


def _waits(seen: Seen) -> list[int | None]:
    """Milliseconds before each further attempt of the model call."""
    return [body.retry_in_ms for body in seen.ran.all(ev.AttemptFailed)]


_SLOW_TRANSFORM = chain(x("transform", operation="upper", timeout_ms=1000, retry={"base_delay_ms": 0}))
_BROKEN_MODEL = chain(x("model", retry={}))

CASES: tuple[Case, ...] = (
    *(each for type_, sample in SAMPLES.items() for each in _of_type(type_, sample)),
    *(each for type_, sample in WITHOUT_MODEL.items() for each in _of_type(type_, sample, " (in another way)")),
    case("RetrySpec.attempts (of visits)", _SLOW_TRANSFORM, (2, ("node_deadline", [1, 2])), (3, ("", [1, 2, 3])),
         see=_ended, inside=("retry",), slow=Slow(times=2)),
    case("RetrySpec.attempts (of model calls)", chain(x("model", retry={"base_delay_ms": 0})), (1, 1), (4, 4),
         see=calls, inside=("retry",), script=_broken),
    case("RetrySpec.base_delay_ms (of visits)", _SLOW_TRANSFORM, (0, [0.0, 0.0]), (1, [0.001, 0.002]),
         see=lambda seen: seen.back_offs, inside=("retry",), slow=Slow(times=2)),
    case("RetrySpec.base_delay_ms (of model calls)", _BROKEN_MODEL, (0, [0, 0, None]), (1, [1, 2, None]), see=_waits,
         inside=("retry",), script=_broken, longest_waits=True),
)  # fmt: skip
