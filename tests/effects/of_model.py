"""Cases of the fields of `model` and `agent`: what both have, and what each has for itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from engine import events as ev
from engine.errors import ErrorClass
from engine.models.protocol import ChatRequest
from tests.effects.case import Case, Document, Seen, case
from tests.effects.documents import chain, graph, says, x
from tests.effects.sights import answer, calls, models_asked, system, told
from tests.graphs import node
from tests.scripted_backend import WITH_TOOLS, Step, call, fault, model, tool_model

TWO = (tool_model("small"), tool_model("big"))
SCHEMA = {"type": "object", "required": ["city"]}
PROMPTS = {f"prompts/{name}.yaml": f"id: {name}\nsystem: Be {name}.\n" for name in ("brief", "long")}
NEEDED: dict[str, dict[str, Any]] = {"model": {}, "agent": {"tool_ids": ["calculator"]}}
"""Fields without which a node of the type is none."""


def asking(type_: str, **config: Any) -> Document:
    return chain(x(type_, **NEEDED[type_], **config))


def after(type_: str, **config: Any) -> Document:
    """A node that asks the small model, and one after it."""
    return chain(node("first", "model", model="small"), x(type_, **NEEDED[type_], **config))


def beside(type_: str, **config: Any) -> Document:
    """A node that asks the small model, and one beside it."""
    branches = [node("first", "model", model="small"), x(type_, **NEEDED[type_], **config)]
    nodes = [node("start", "entry"), node("out", "fanout", targets=["first", "x"]), *branches]
    nodes += [node("join", "join"), node("end", "exit")]
    edges = [("first", "join"), ("x", "join"), ("join", "end")]
    return graph(nodes, [("start", "out"), *edges])


def with_tools(type_: str, **config: Any) -> Document:
    more = {"tools_enabled": True, "tool_ids": ["calculator"]} if type_ == "model" else NEEDED[type_]
    return chain(x(type_, **{**more, **config}))


def city_at_last(request: ChatRequest) -> list[Step]:
    """Words first, JSON when they were not usable."""
    return ['{"city": "Rome"}' if "not usable" in request.messages[-1].content else "Rome"]


def small_fails(request: ChatRequest) -> list[Step]:
    return [fault(ErrorClass.SERVER) if request.model == "small" else f"I am {request.model}"]


def always_calls(request: ChatRequest) -> list[Step]:
    """Another calculation in every round, until there are no tools any more."""
    return [call("calculator", expression=f"{len(request.messages)}+1") if request.tools else "at last"]


def _request(field: str) -> Any:
    """One field of the first request."""
    return lambda seen: getattr(seen.requests[0], field)


def _offered(seen: Seen) -> list[str]:
    """The tools that the model could call."""
    return [tool["function"]["name"] for tool in seen.requests[0].tools]


def _rounds(seen: Seen) -> list[bool]:
    """For each call of the model whether tools were offered in it."""
    return [bool(request.tools) for request in seen.requests]


def _asked(seen: Seen) -> int:
    """How often a model was asked."""
    return len(seen.requests)


def _shown(seen: Seen) -> list[bool]:
    """For each call of the model whether its text is shown while it grows."""
    return [body.stream for body in seen.ran.all(ev.ModelStarted)]


def _of_both(type_: str) -> Iterator[Case]:
    plain, able = asking(type_), (tool_model(),)
    yield case(f"{type_}.model", plain, ("small", ["small"]), ("big", ["big"]), see=models_asked, models=TWO)
    yield case(
        f"{type_}.prompt_id", plain, (None, ""), ("brief", "Be brief."), ("long", "Be long."), see=system, files=PROMPTS
    )
    yield case(f"{type_}.system_prompt", plain, ("", ""), ("Be kind.", "Be kind."), see=system)
    yield case(f"{type_}.temperature", plain, (0.0, 0.0), (1.5, 1.5), see=_request("temperature"))
    yield case(f"{type_}.max_tokens", plain, (10, 10), (99, 99), see=_request("max_tokens"))
    yield case(f"{type_}.seed", plain, (None, None), (7, 7), see=_request("seed"))
    yield case(
        f"{type_}.fallback_models",
        asking(type_, model="small"),
        ([], "error scripted"),
        (["big"], "I am big"),
        see=answer,
        script=small_fails,
        models=TWO,
    )
    yield case(
        f"{type_}.fallback (busy)",
        beside(type_, model="small", fallback_models=["big"]),
        ("sequential", ["small", "small"]),
        ("load_balanced", ["small", "big"]),
        see=models_asked,
        models=TWO,
    )
    yield case(
        f"{type_}.fallback (measured)",
        after(type_, model="small", fallback_models=["big"]),
        ("sequential", ["small", "small"]),
        ("fastest", ["small", "big"]),
        see=models_asked,
        models=TWO,
    )
    yield case(
        f"{type_}.escalate",
        asking(type_, model="@general"),
        (False, "error scripted"),
        (True, "I am big"),
        see=answer,
        script=small_fails,
        models=(model("small", parameters_b=3.0, capabilities=WITH_TOOLS), tool_model("big")),
    )
    yield case(
        f"{type_}.output_schema", plain, (None, "Rome"), (SCHEMA, '{"city": "Rome"}'), see=answer, script=city_at_last
    )
    yield case(
        f"{type_}.tool_ids",
        with_tools(type_),
        (["calculator"], ["calculator"]),
        (["text_stats", "code"], ["text_stats", "code"]),
        see=_offered,
        models=able,
    )


def wired(**config: Any) -> Document:
    """entry -> FIRST -> SECOND -> model -> exit."""
    nodes = [node("start", "entry"), says("first", "FIRST"), says("second", "SECOND"), x("model", **config)]
    nodes.append(node("end", "exit"))
    return graph(nodes, list(itertools.pairwise(each["id"] for each in nodes)))


def asked_twice(**config: Any) -> Document:
    """Two nodes that ask the same."""
    nodes = [node("start", "entry"), node("first", "model", cache=True), x("model", input=[], **config)]
    nodes.append(node("end", "exit"))
    return graph(nodes, list(itertools.pairwise(each["id"] for each in nodes)))


def _told(*texts: str) -> list[tuple[str, str]]:
    return [("user", "\n\n".join(texts))]


CASES: tuple[Case, ...] = (
    *_of_both("model"),
    *_of_both("agent"),
    case("model.stream", asking("model"), (True, [True]), (False, [False]), see=_shown),
    case("model.tools_enabled", with_tools("model"), (True, ["calculator"]), (False, []), see=_offered,
         models=(tool_model(),), unchecked="tools that may not be called are left over"),
    case("model.max_tool_rounds", with_tools("model"), (1, [True, False]), (2, [True, True, False]), see=_rounds,
         script=always_calls, models=(tool_model(),)),
    case("model.input", wired(), (None, _told("SECOND", "Why?")), (["first"], _told("FIRST", "Why?")),
         ([], _told("Why?")), see=told),
    case("model.cache", asked_twice(), (False, 2), (True, 1), see=_asked),
    case("agent.max_steps", asking("agent"), (1, [False]), (3, [True, True, False]), see=_rounds, script=always_calls,
         models=(tool_model(),)),
    case("agent.budget", asking("agent"), (None, 6), (1, 2), see=calls, script=always_calls, models=(tool_model(),)),
)  # fmt: skip
