"""Cases of the fields of `gate` and of its conditions."""

from __future__ import annotations

import json
from typing import Any

from engine import events as ev
from engine.models.protocol import ChatRequest
from tests.effects.case import Case, Document, Seen, case
from tests.effects.documents import graph, leading_to, x
from tests.effects.sights import calls, exit_of, models_asked, system
from tests.graphs import node
from tests.scripted_backend import Step, model

GOOD, ALWAYS = "content == 'good'", "1 == 1"


def when(expression: str, target: str) -> dict[str, Any]:
    return {"expression": expression, "target": target}


def deciding(**config: Any) -> Document:
    """entry -> gate -> one of two exits."""
    return leading_to(x("gate", **{"default_target": "no", **config}), "yes", "no", edges=BOTH)


BOTH = [("x", "yes", "status == 'failed' and content == ''"), ("x", "no", "status == 'failed' and content == ''")]
"""Edges that are never taken: they keep both exits in reach whatever the gate's targets are."""


def judging(**config: Any) -> Document:
    return deciding(mode="llm", **{"conditions": [when("judge.passed", "yes")], **config})


def repeating(**config: Any) -> Document:
    """entry -> model -> gate -> exit, or back to the model."""
    return graph(
        [
            node("start", "entry"),
            node("m", "model", model="@general"),
            x("gate", conditions=[when(GOOD, "end")], default_target="m", **config),
            node("end", "exit"),
        ],
        [("start", "m"), ("m", "x")],
    )


def seven(_request: ChatRequest) -> list[Step]:
    return [json.dumps({"reason": "not bad", "score": 7})]


def bad(_request: ChatRequest) -> list[Step]:
    return ["bad"]


def _looked(seen: Seen) -> tuple[bool, int]:
    """(whether checks were run, how often a judge was asked)."""
    return bool(seen.ran.all(ev.GateDecided)[0].checks), calls(seen)


PROMPTS = {f"prompts/{name}.yaml": f"id: {name}\nsystem: Be {name}.\n" for name in ("strict", "mild")}
ABLE = (model("one", parameters_b=8), model("two", parameters_b=14))

CASES: tuple[Case, ...] = (
    case("gate.mode", deciding(conditions=[when(ALWAYS, "yes")]), ("expression", (False, 0)), ("checks", (True, 0)),
         ("llm", (False, 1)), ("hybrid", (True, 1)), see=_looked, script=seven, models=ABLE),
    case("gate.model", judging(), ("one", ["one"]), ("two", ["two"]), see=models_asked, script=seven, models=ABLE),
    case("gate.prompt_id", judging(), (None, "You grade"), ("strict", "Be strict"), ("mild", "Be mild.\n"),
         see=lambda seen: system(seen)[:9], script=seven, files=PROMPTS),
    case("gate.pass_score", judging(), (0.6, "yes"), (0.8, "no"), see=exit_of, script=seven),
    case("gate.conditions", deciding(), ([], "no"), ([when(GOOD, "yes")], "yes"), see=exit_of, question="good"),
    case("gate.default_target", deciding(), ("yes", "yes"), ("no", "no"), (None, "error gate_without_target"),
         see=exit_of),
    case("gate.max_retries", repeating(), (0, 1), (2, 3), see=calls, script=bad),
    case("gate.escalate", repeating(max_retries=1), (False, ["low", "low"]), (True, ["low", "high"]), see=models_asked,
         script=bad, models=(model("low", parameters_b=3), model("high", parameters_b=8))),
    case("GateConditionSpec.expression", deciding(conditions=[when(GOOD, "yes")]), (GOOD, "no"), (ALWAYS, "yes"),
         see=exit_of, inside=("conditions", 0)),
    case("GateConditionSpec.target", deciding(conditions=[when(ALWAYS, "yes")]), ("yes", "yes"), ("no", "no"),
         see=exit_of, inside=("conditions", 0)),
)  # fmt: skip
