from __future__ import annotations

from typing import Any

import pytest

from engine import events as ev
from engine.message import Message
from engine.models.protocol import Done
from engine.nodes.checks import REPEATED_TIMES, REPEATED_WORDS, run_checks
from tests.graphs import gated, make_graph, node
from tests.running import Ran, ask
from tests.scripted_backend import Chunk, ScriptedBackend, text_of


def decider(**config: Any) -> Any:
    """entry -> gate -> one of two exits."""
    return make_graph(
        [
            node("start", "entry"),
            node("gate", "gate", **config),
            node("yes", "exit"),
            node("no", "exit", status="fallback"),
        ],
        [("start", "gate"), ("gate", "yes"), ("gate", "no")],
    )


def went_to(ran: Ran) -> str:
    return ran.visited()[-1]


@pytest.mark.parametrize(("question", "target"), [("good", "yes"), ("bad", "no")])
async def test_the_first_true_condition_decides_else_the_default(question: str, target: str) -> None:
    conditions = [{"expression": 'content == "good"', "target": "yes"}]
    assert went_to(await ask(decider(conditions=conditions, default_target="no"), question)) == target


async def test_conditions_are_looked_at_in_order() -> None:
    first = [{"expression": "true", "target": "no"}, {"expression": "true", "target": "yes"}]
    assert went_to(await ask(decider(conditions=first))) == "no"
    assert went_to(await ask(decider(conditions=first[::-1]))) == "yes"


async def test_a_gate_without_a_true_condition_and_without_a_default_fails_with_a_remedy() -> None:
    conditions = [{"expression": "false", "target": "yes"}, {"expression": "false", "target": "no"}]
    ran = await ask(decider(conditions=conditions))
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("gate_without_target", "gate")
    assert "default_target" in ran.result.error.remedy


async def test_a_condition_that_cannot_be_decided_is_a_failure_that_names_the_gate() -> None:
    ran = await ask(decider(conditions=[{"expression": "data.nothing == 1", "target": "yes"}], default_target="no"))
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("condition_failed", "gate")
    assert "data.nothing" in ran.result.error.message


@pytest.mark.parametrize(
    ("text", "data", "failed"),
    [
        ("A good answer.", {}, set()),
        ("", {}, {"not_empty"}),
        (" \n", {}, {"not_empty"}),
        ("A good ans", {"finish": "length"}, {"not_cut_off"}),
        ("a b c d e f " * 6, {}, {"not_repetitive"}),
        ("a b c d e f " * 6, {"finish": "length"}, {"not_cut_off", "not_repetitive"}),
        ("word " * (REPEATED_WORDS + REPEATED_TIMES - 1), {}, set()),
        ("word " * (REPEATED_WORDS + REPEATED_TIMES), {}, {"not_repetitive"}),
    ],
)
def test_checks_find_what_can_be_known_without_a_model(text: str, data: dict[str, Any], failed: set[str]) -> None:
    checks, reasons = run_checks(Message(1, text, data), ())
    assert {name for name, passed in checks.items() if not passed} - {"ok"} == failed
    assert checks["ok"] == (not failed)
    assert len(reasons) == len(failed)


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ("(An earlier answer was refused: it was empty. This is attempt 2.)", False),
        ("Sure! an EARLIER answer was refused, so here it is.", False),
        ("It Was Empty", False),
        ("The sea is blue.", True),
    ],
)
def test_an_answer_that_hands_back_the_remark_about_a_retry_is_refused(answer: str, passed: bool) -> None:
    checks, reasons = run_checks(Message(1, answer), (ev.Retry("it was empty"),))
    assert checks["not_echo"] is passed
    assert run_checks(Message(1, answer), ())[0]["not_echo"], "without a retry there is nothing to hand back"
    assert bool(reasons) is not passed


async def test_the_mode_decides_whether_checks_are_run() -> None:
    checks = decider(mode="checks", conditions=[{"expression": "checks.ok", "target": "yes"}], default_target="no")
    assert went_to(await ask(checks, "fine")) == "yes"
    ran = await ask(checks, "")
    assert went_to(ran) == "no"
    (decided,) = ran.all(ev.GateDecided)
    assert decided.checks["not_empty"] is False
    assert decided.reason == "the answer was empty"
    expression = decider(conditions=[{"expression": "true", "target": "yes"}], default_target="no")
    (decided,) = (await ask(expression, "")).all(ev.GateDecided)
    assert decided.checks == {}


async def test_a_cut_off_answer_is_refused_and_the_reason_joins_the_next_prompt(scripted: ScriptedBackend) -> None:
    scripted.answers([Chunk("A long ans"), Chunk(done=Done("length", 5, 3))], ["A short answer."])
    ran = await ask(gated(expression="checks.ok", mode="checks"))
    assert ran.result.text == "A short answer."
    assert "cut off" not in text_of(scripted.requests[0])
    assert "the answer was cut off; give a shorter one" in text_of(scripted.requests[1])


@pytest.mark.parametrize("max_retries", [0, 1, 3])
async def test_max_retries_bounds_how_often_the_run_is_sent_back(scripted: ScriptedBackend, max_retries: int) -> None:
    scripted.answers(["bad"])
    ran = await ask(gated(max_retries=max_retries))
    assert len(scripted.requests) == max_retries + 1
    assert (ran.result.status, ran.result.reason) == ("rolled_back", "gate_exhausted")
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("gate_exhausted", "gate")
    assert ran.result.text == "bad", "what there was of an answer stays visible"
    assert [body.retries for body in ran.all(ev.GateDecided)] == list(range(max_retries))


async def test_retries_and_their_limit_are_known_to_conditions(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"])
    graph = make_graph(
        [
            node("start", "entry"),
            node("m", "model"),
            node(
                "gate",
                "gate",
                conditions=[{"expression": "retries < max_retries", "target": "m"}],
                default_target="best",
                max_retries=1,
            ),
            node("best", "exit", status="fallback"),
        ],
        [("start", "m"), ("m", "gate"), ("gate", "m"), ("gate", "best")],
    )
    ran = await ask(graph)
    assert (ran.result.status, ran.result.exit, len(scripted.requests)) == ("committed", "fallback", 2)


@pytest.mark.parametrize(
    ("passed", "faulty", "gave_up"), [(True, False, False), (True, True, True), (False, True, False)]
)
def test_an_answer_that_goes_on_with_a_fault_is_one_that_was_given_up_on(
    passed: bool, faulty: bool, gave_up: bool
) -> None:
    assert ev.GateDecided("gate", 1, passed, "end", faulty=faulty).gave_up is gave_up


async def test_a_gate_that_gives_up_says_so_in_the_timeline(scripted: ScriptedBackend) -> None:
    scripted.answers([""])
    graph = make_graph(
        [
            node("start", "entry"),
            node("m", "transform", operation="template", template=" "),
            node(
                "gate",
                "gate",
                mode="checks",
                conditions=[{"expression": "checks.ok", "target": "end"}],
                default_target="sorry",
            ),
            node("end", "exit"),
            node("sorry", "exit", status="fallback"),
        ],
        [("start", "m"), ("m", "gate")],
    )
    ran = await ask(graph)
    assert ran.result.exit == "fallback"
    (entry,) = [each for each in ran.view.timeline if each.kind == "gate_decided"]
    assert (entry.mark, entry.text.startswith("gave up (the answer was empty")) == ("warn", True)
