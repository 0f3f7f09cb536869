"""A gate's retry is a rewind: state restored from a checkpoint, something recorded changed, nothing ambiguous left."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.transform import TransformNode
from engine.run.state import RunState, apply
from tests.graphs import gated, make_graph, node
from tests.running import Ran, ask, run_in
from tests.scripted_backend import ScriptedBackend, fault, model, system_of, text_of


def replayed(ran: Ran) -> RunState:
    """The deciding state, folded from the events."""
    state = RunState()
    for event in ran.events:
        apply(state, event)
    return state


def hashes(ran: Ran) -> list[str]:
    return [body.request_hash for body in ran.all(ev.ModelStarted)]


def assert_no_request_was_repeated(ran: Ran) -> None:
    repeated = [request for request, times in Counter(hashes(ran)).items() if times > 1]
    assert not repeated, "a retry that changes nothing would get the same answer"


def when(expression: str, target: str) -> dict[str, str]:
    return {"expression": expression, "target": target}


async def test_a_retry_is_a_rewind_that_changes_the_request(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["bad again"], ["good"])
    ran = await ask(gated())
    assert (ran.result.text, len(scripted.requests)) == ("good", 3)
    rewound = ran.all(ev.Rewound)
    assert [(body.by, body.to, body.retry.ordinal) for body in rewound] == [("gate", "m", 1), ("gate", "m", 2)]
    assert_no_request_was_repeated(ran)


async def test_visits_get_new_numbers_and_rewound_ones_are_marked_in_the_view(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["good"])
    ran = await ask(gated())
    assert [(body.path, body.visit) for body in ran.all(ev.NodeStarted)] == [
        ("start", 1),
        ("m", 1),
        ("gate", 1),
        ("m", 2),
        ("gate", 2),
        ("end", 1),
    ]
    nodes = ran.view.nodes
    assert [(visit.visit, visit.rewound) for visit in nodes["m"].visits] == [(1, True), (2, False)]
    assert [(visit.visit, visit.rewound) for visit in nodes["gate"].visits] == [(1, True), (2, False)]
    assert not nodes["start"].visits[0].rewound
    messages = [body.message for body in ran.all(ev.NodeFinished)]
    assert len(set(messages)) == len(messages), "messages keep their numbers too"


async def test_what_is_taken_back_is_named_by_its_range(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["good"])
    ran = await ask(gated())
    (event,) = (e for e in ran.events if isinstance(e.body, ev.Rewound))
    assert isinstance(event.body, ev.Rewound)
    first, last = event.body.excluded
    checkpoint = next(e for e in ran.events if isinstance(e.body, ev.Checkpoint))
    assert first == checkpoint.seq
    assert last == event.seq - 1


async def test_variables_and_outputs_are_those_of_the_checkpoint(
    scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remember(self: TransformNode, ctx: NodeContext, message: Any) -> Outcome:
        name = f"seen_{ctx.path}"
        return Outcome(content=message.content, variables={name: [*ctx.variables.get(name, []), ctx.visit]})

    monkeypatch.setattr(TransformNode, "decide", remember)
    graph = make_graph(
        [
            node("start", "entry"),
            node("before", "transform", operation="strip"),
            node("m", "model"),
            node("after", "transform", operation="strip"),
            node(
                "gate",
                "gate",
                conditions=[{"expression": "len(vars.seen_after) < 1 or retries > 0", "target": "end"}],
                default_target="m",
            ),
            node("end", "exit"),
        ],
        [("start", "before"), ("before", "m"), ("m", "after"), ("after", "gate"), ("gate", "m"), ("gate", "end")],
    )
    ran = await ask(graph)
    (rewound,) = ran.all(ev.Rewound)
    assert rewound.state.variables == {"seen_before": [1]}
    assert set(rewound.state.outputs) == {"start", "before"}
    assert ran.view.variables == {"seen_before": [1], "seen_after": [2]}, "the first [1] was taken back"
    assert replayed(ran).variables == ran.view.variables


async def test_a_branch_that_ran_beside_the_gate_starts_again_under_a_new_number(scripted: ScriptedBackend) -> None:
    never = asyncio.Event()
    answers = {"slow": [["x", never], ["slow is back"]], "quick": [["bad"], ["bad"], ["bad"]]}
    scripted.script = lambda request: answers[system_of(request).split()[0]].pop(0)
    graph = make_graph(
        [
            node("start", "entry"),
            node("quick", "model", system_prompt="quick"),
            node("slow", "model", system_prompt="slow"),
            node("gate", "gate", conditions=[when("retries > 0", "nowhere")], default_target="quick"),
            node("nowhere", "transform", operation="truncate", length=1),
            node("end", "exit"),
        ],
        [("start", "quick"), ("start", "slow"), ("quick", "gate"), ("gate", "quick"), ("gate", "nowhere"),
         ("nowhere", "end", 'content == "never"'), ("slow", "end")],
    )  # fmt: skip
    ran = await ask(graph)
    assert (ran.result.text, ran.result.status) == ("slow is back", "committed")
    assert [body.visit for body in ran.all(ev.NodeStarted) if body.path == "slow"] == [1, 2]
    assert [visit.rewound for visit in ran.view.nodes["slow"].visits] == [True, False]
    assert scripted.open_streams == 0


async def test_two_visits_of_one_node_that_waited_at_the_checkpoint_both_run_again(scripted: ScriptedBackend) -> None:
    seen: list[str] = []

    def script(request: Any) -> list[str]:
        seen.append("left" if "LEFT" in text_of(request) else "right")
        return ["bad" if len(seen) < 2 else "good"]

    scripted.script = script
    graph = make_graph(
        [
            node("start", "entry"),
            node("a", "transform", operation="template", template="LEFT"),
            node("b", "transform", operation="template", template="RIGHT"),
            node("m", "model"),
            node("gate", "gate", conditions=[when('content == "good"', "hold")], default_target="m"),
            node("hold", "transform", operation="strip"),
            node("end", "exit"),
        ],
        [("start", "a"), ("start", "b"), ("a", "m"), ("b", "m"), ("m", "gate"), ("gate", "m"), ("gate", "hold"),
         ("hold", "end", "len(content) > 99")],
    )  # fmt: skip
    ran = await ask(graph)
    again = [body.visit for body in ran.all(ev.NodeStarted) if body.path == "m"]
    assert len(set(again)) == len(again)
    (rewound,) = ran.all(ev.Rewound)
    waiting = [activation for activation in rewound.state.frontier if activation.node == "m"]
    assert len({activation.visit for activation in waiting}) == len(waiting) == 2
    assert {activation.source for activation in waiting} == {"a", "b"}
    assert seen[-2:] != ["left", "left"]
    assert set(seen[-2:]) == {"left", "right"}


def escalating(*, max_retries: int = 1) -> GraphSpec:
    """A gate that sends what the small model could not do to another node, which comes before the gate too."""
    return make_graph(
        [
            node("start", "entry"),
            node("small", "model", model="small", system_prompt="small"),
            node("big", "model", model="big", system_prompt="big"),
            node(
                "gate",
                "gate",
                conditions=[{"expression": 'content == "good"', "target": "end"}],
                default_target="big",
                max_retries=max_retries,
            ),
            node("end", "exit"),
        ],
        [("start", "small"), ("small", "gate"), ("big", "gate"), ("gate", "big"), ("gate", "end")],
    )


async def test_a_gate_may_escalate_to_a_node_that_has_not_run_yet(scripted: ScriptedBackend) -> None:
    scripted.installed = [model("small"), model("big", parameters_b=8)]
    scripted.script = lambda request: ["good"] if request.model == "big" else ["bad"]
    ran = await ask(escalating())
    assert (ran.result.status, ran.result.text, ran.result.model) == ("committed", "good", "big")
    assert ran.visited() == ["start", "small", "gate", "big", "gate", "end"]
    assert "An earlier answer was refused" in text_of(scripted.requests[-1])
    assert not ran.view.nodes["small"].visits[0].rewound, "nothing is taken back"
    assert ran.view.retries == 1


async def test_an_escalation_counts_as_a_retry(scripted: ScriptedBackend) -> None:
    scripted.installed = [model("small"), model("big", parameters_b=8)]
    scripted.answers(["bad"])
    ran = await ask(escalating(max_retries=2))
    assert ran.result.reason == "gate_exhausted"
    assert ran.visited().count("big") == 2
    assert_no_request_was_repeated(ran)


async def test_a_target_whose_last_visit_was_taken_back_is_not_a_way_into_the_past(scripted: ScriptedBackend) -> None:
    answers = iter(["first", "second", "bad", "good"])
    scripted.script = lambda _request: [next(answers)]
    graph = make_graph(
        [
            node("start", "entry"),
            node("a", "model", system_prompt="a"),
            node("b", "model", system_prompt="b"),
            node(
                "gate",
                "gate",
                conditions=[
                    {"expression": 'content == "good"', "target": "end"},
                    {"expression": "retries == 0", "target": "a"},
                ],
                default_target="b",
            ),
            node("end", "exit"),
        ],
        [
            ("start", "a"),
            ("a", "b", 'content == "first"'),
            ("a", "gate", 'content != "first"'),
            ("b", "gate"),
            ("gate", "a"),
            ("gate", "b"),
            ("gate", "end"),
        ],
    )
    ran = await ask(graph)
    first, second = ran.all(ev.Rewound)
    assert (first.to, second.to) == ("a", "b")
    assert ran.result.text == "good"
    outputs = {body.message: body.content for body in ran.all(ev.NodeFinished)}
    assert outputs[second.state.outputs["a"]] == "bad", "the answer of the second visit of a, not the one taken back"


async def test_the_model_stage_of_a_router_is_not_asked_the_same_again(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(Choose=['{"labels": ["one"]}'], other=["bad"])
    graph = make_graph(
        [
            node("start", "entry"),
            node(
                "router",
                "router",
                method="model",
                routes=[{"name": "one", "target": "one"}, {"name": "two", "target": "two"}],
            ),
            node("one", "model", system_prompt="one"),
            node("two", "model", system_prompt="two"),
            node("gate", "gate", conditions=[{"expression": "false", "target": "end"}], default_target="router"),
            node("end", "exit"),
        ],
        [("start", "router"), ("router", "one"), ("router", "two"), ("one", "gate"), ("two", "gate"),
         ("gate", "router"), ("gate", "end")],
    )  # fmt: skip
    ran = await ask(graph)
    assert ran.result.reason == "gate_exhausted"
    assert_no_request_was_repeated(ran)
    assert ran.all(ev.RouteDecided)[0].route == "one"


async def test_a_route_that_failed_twice_is_left_out(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"])
    graph = make_graph(
        [
            node("start", "entry"),
            node(
                "router",
                "router",
                method="rules",
                routes=[
                    {"name": "sums", "target": "sums", "domains": ["arithmetic"]},
                    {"name": "rest", "target": "rest"},
                ],
                default_route="rest",
            ),
            node("sums", "model", system_prompt="sums"),
            node("rest", "model", system_prompt="rest"),
            node("gate", "gate", conditions=[{"expression": "false", "target": "end"}], default_target="router"),
            node("end", "exit"),
        ],
        [("start", "router"), ("router", "sums"), ("router", "rest"), ("sums", "gate"), ("rest", "gate"),
         ("gate", "router"), ("gate", "end")],
    )  # fmt: skip
    ran = await ask(graph, "2 + 2")
    decided = ran.all(ev.RouteDecided)
    assert [body.route for body in decided] == ["sums", "sums", "rest"]
    assert "refused" in decided[-1].reason
    assert_no_request_was_repeated(ran)


async def test_cancelling_while_a_retry_waits_for_other_branches_ends_the_run(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["bad", asyncio.Event()])
    async with engine.open() as eng:
        run = eng.start(gated(), "Why?")
        await scripted.busy.wait()
        run.cancel()
        result = await run.result()
    assert result.cancelled
    assert scripted.open_streams == 0


async def test_a_failure_after_a_retry_keeps_the_log_whole(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["par", fault()])
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, gated())
        assert (ran.result.status, ran.result.text) == ("rolled_back", "par")
        assert await eng.view(ran.result.transaction) == ran.view


async def test_the_state_of_the_run_is_the_fold_of_its_stored_events(tmp_path: Path, scripted: ScriptedBackend) -> None:
    live: list[RunState] = []
    original = engine.run.driver.Driver._end  # type: ignore[attr-defined]

    async def end(self: Any, tx: Any, verdict: Any) -> Any:
        terminal = await original(self, tx, verdict)
        live.append(tx.state)
        return terminal

    scripted.answers(["bad"], ["good"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.run.driver.Driver._end", end)
        async with engine.open(tmp_path) as eng:
            ran = await run_in(eng, gated())
            state = RunState()
            for event in await eng.events(ran.result.transaction):
                apply(state, event)
    assert [state] == live
