"""Cases of the fields of `router` and of its routes."""

from __future__ import annotations

import json
from typing import Any

from engine import events as ev
from engine.models.protocol import ChatRequest
from tests.effects.case import Case, Document, Seen, case
from tests.effects.documents import graph, says, x
from tests.effects.sights import answer, models_asked, route, system, told
from tests.graphs import node
from tests.scripted_backend import Step, model

CODE = ["Write a Python function", "Fix this bug in my program", "Explain this Java class", "Write a shell script",
        "Refactor this method"]  # fmt: skip
MATH = ["Solve the equation", "What is the integral of x", "Compute the sum of the numbers", "How much is the area",
        "Calculate the probability"]  # fmt: skip
BOTH = ["Write a program that solves an equation", "A script that computes a sum", "Code for the area of a circle",
        "A function for the integral of x", "Program the probability of a six"]  # fmt: skip


def to(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "target": name, **fields}


def routed(*routes: dict[str, Any], **config: Any) -> Document:
    """entry -> router -> a node for each of a, b, c and d, which says its name -> join -> exit."""
    config = {"routes": list(routes or (to("a"), to("b"), to("c"))), "default_route": "d", **config}
    names = ("a", "b", "c", "d")
    return graph(
        [
            node("start", "entry"),
            x("router", **config),
            *(says(name, f"{name.upper()}: {{{{ content }}}}") for name in names),
            node("j", "join", separator=" "),
            node("end", "exit"),
        ],
        [
            ("start", "x"),
            *(("start", name, "content == 'never'") for name in names),
            *((name, "j") for name in names),
            ("j", "end"),
        ],
    )


def labelled(*names: str) -> Any:
    """The labels that the router's model names."""

    def script(_request: ChatRequest) -> list[Step]:
        return [json.dumps({"labels": names})]

    return {"script": script, "models": (model("able", parameters_b=3), model("other", parameters_b=4))}


def by_model(**config: Any) -> Document:
    return routed(**{"method": "model", "multi_label": True, **config})


def learnt(first: list[str] = CODE, **config: Any) -> Document:
    return routed(to("a", utterances=first), to("b", utterances=MATH), **config)


def _found(seen: Seen) -> tuple[str, ...]:
    return seen.ran.all(ev.RouteDecided)[0].labels


def _stage(seen: Seen) -> tuple[str, str]:
    decided = seen.ran.all(ev.RouteDecided)[0]
    return decided.stage, decided.route


def _stages(seen: Seen) -> list[str]:
    return [stage for stage, _ in seen.ran.all(ev.RouteDecided)[0].stages]


def _described(seen: Seen) -> bool:
    return "a: for programs" in system(seen)


TWO = labelled("a", "b")
AB = {"domains": ["a", "b"], "target": "c"}
PROMPTS = {
    "prompts/sort.yaml": "id: sort\nsystem: Sort it.\nuser: '{{ question }} {{ routes[0].name }}'\n",
    "prompts/pick.yaml": "id: pick\nsystem: Pick one.\n",
}

CASES: tuple[Case, ...] = (
    case("router.model", by_model(), ("able", ["able"]), ("other", ["other"]), see=models_asked, **TWO),
    case("router.prompt_id", by_model(), (None, "Choose t"), ("sort", "Sort it."), ("pick", "Pick one"),
         see=lambda seen: system(seen)[:8], files=PROMPTS, **TWO),
    case("router.prompt_id (what stands for the question)", by_model(), ("sort", "Why? a"), ("pick", "Why?"),
         see=lambda seen: told(seen)[-1][1], files=PROMPTS, **TWO),
    case("router.routes", routed(), ([to("a")], "D: 1+1"), ([to("a", domains=["arithmetic"])], "A: 1+1"),
         see=answer, question="1+1"),
    case("router.compound_routes", by_model(), ([], "a"), ([AB], "a+b"), see=route, **TWO),
    case("router.default_route", routed(), ("d", "D: Why?"), ("a", "A: Why?"), (None, "error no_route"), see=answer),
    case("router.confidence_threshold", learnt(), (0.1, ("words", "a")), (1.0, ("default", "d")), see=_stage,
         question=CODE[0]),
    case("router.multi_label", routed(method="model"), (False, ("a",)), (True, ("a", "b")), see=_found, **TWO),
    case("router.max_labels", by_model(), (1, ("a",)), (2, ("a", "b")), see=_found, **TWO),
    case("router.fanout_enabled", by_model(), (False, "A: Why?"), (True, "A: Why? B: Why?"), see=answer, **TWO),
    case("router.margin", learnt(), (0.0, ("words", "a")), (1.0, ("model", "b")), see=_stage, question=CODE[0],
         **labelled("b")),
    case("router.method", learnt(margin=1.0), ("auto", ["rule", "words", "model"]), ("rules", ["rule"]),
         ("embedding", ["rule", "words"]), ("model", ["model"]), see=_stages, question=CODE[0], **labelled("b")),
    case("RouteSpec.name", routed(), ("a", "A: tell me"), ("z", "D: /a tell me"), see=answer, question="/a tell me",
         inside=("routes", 0)),
    case("RouteSpec.description", by_model(), ("", False), ("for programs", True), see=_described,
         inside=("routes", 0), **TWO),
    case("RouteSpec.target", by_model(), ("a", "A: Why?"), ("d", "D: Why?"), see=answer, inside=("routes", 0), **TWO),
    case("RouteSpec.priority", by_model(), (0, "a"), (5, "b"), see=route, inside=("routes", 1), **TWO),
    case("RouteSpec.domains", routed(), ([], "D: /python tell me"), (["python"], "A: tell me"), see=answer,
         question="/python tell me", inside=("routes", 0)),
    case("RouteSpec.domains (fence)", routed(), ([], "d"), (["fence"], "a"), see=route, question="```\nx = 1\n```",
         inside=("routes", 0)),
    case("RouteSpec.domains (arithmetic)", routed(), ([], "d"), (["arithmetic"], "a"), see=route, question="2*3",
         inside=("routes", 0)),
    case("RouteSpec.utterances", learnt(), (CODE, ("words", "a")), ([], ("default", "d")), see=_stage,
         question=CODE[0], inside=("routes", 0)),
    case("CompoundRouteSpec.domains", by_model(compound_routes=[AB]), (["a", "b"], "a+b"), (["a", "c"], "a"), see=route,
         inside=("compound_routes", 0), **TWO),
    case("CompoundRouteSpec.target", by_model(compound_routes=[AB]), ("c", "C: Why?"), ("d", "D: Why?"), see=answer,
         inside=("compound_routes", 0), **TWO),
    case("CompoundRouteSpec.priority",
         by_model(compound_routes=[{"domains": ["a", "b"], "target": "c"}, {"domains": ["b", "c"], "target": "d"}]),
         (0, "a+b"), (1, "b+c"), see=route, inside=("compound_routes", 1), **labelled("a", "b", "c")),
    case("CompoundRouteSpec.utterances", learnt(multi_label=True, compound_routes=[AB]), ([], ()),
         (BOTH, ("a", "b")), see=lambda seen: tuple(sorted(_found(seen))), question=BOTH[0],
         inside=("compound_routes", 0)),
)  # fmt: skip
