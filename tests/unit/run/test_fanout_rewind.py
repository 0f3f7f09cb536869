"""A gate's retry while branches run in parallel: what is restored, and what the retry changes."""

from __future__ import annotations

import asyncio
from typing import Any

from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.run.state import RunState, apply
from tests.graphs import make_graph, node
from tests.running import Ran, ask
from tests.scripted_backend import ScriptedBackend, system_of, text_of


def states(ran: Ran) -> list[tuple[ev.Event, RunState]]:
    """Every event with the state before it, folded anew."""
    found = []
    for number, event in enumerate(ran.events):
        state = RunState()
        for earlier in ran.events[:number]:
            apply(state, earlier)
        found.append((event, state))
    return found


def gated_branch(join: dict[str, Any], *, back: str = "a") -> GraphSpec:
    """entry -> fan-out -> (a -> gate, which may send back) and b -> join -> exit."""
    return make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["a", "b"]),
            node("a", "model", system_prompt="a"),
            node("b", "model", system_prompt="b"),
            node("better", "model", system_prompt="better"),
            node(
                "gate", "gate", conditions=[{"expression": "content == 'good'", "target": "join"}], default_target=back
            ),
            node("join", "join", separator="/", **join),
            node("end", "exit"),
        ],
        [("start", "fan"), ("a", "gate"), ("gate", "join"), ("gate", back), ("b", "join"), ("join", "end"),
         *([("better", "gate")] if back == "better" else [("a", "better", "content == 'never'"), ("better", "gate")])],
    )  # fmt: skip


async def test_a_retry_inside_a_branch_restores_the_open_scope(scripted: ScriptedBackend) -> None:
    answers = {"a": [["bad"], ["good"]], "b": [["b"], ["b"]]}
    scripted.script = lambda request: answers[system_of(request).split()[0]].pop(0)
    ran = await ask(gated_branch({}))
    assert (ran.result.status, ran.result.text) == ("committed", "good/b")
    (rewound,) = ran.all(ev.Rewound)
    checkpoint = next(
        (event, state)
        for event, state in states(ran)
        if isinstance(event.body, ev.Checkpoint) and event.body.number == rewound.checkpoint
    )
    before = checkpoint[1]
    after = RunState()
    for event in ran.events:
        apply(after, event)
        if event.body is rewound:
            break
    assert after.scopes == before.scopes
    assert after.live == before.live
    assert [(a.node, a.tokens) for a in after.frontier.values()] == [
        (a.node, a.tokens) for a in before.frontier.values()
    ]
    assert ran.visited().count("join") == 1


async def test_a_retry_after_the_join_opens_the_decided_scope_again(scripted: ScriptedBackend) -> None:
    """What the first decision did not need is needed again: `a` fails in the second attempt, and `b` answers."""
    never, b_started = asyncio.Event(), asyncio.Event()

    def script(request: Any) -> list[Any]:
        if system_of(request).startswith("a"):
            return [b_started, "bad"] if len(attempts("a")) == 1 else [asyncio.Event(), "unreached"]
        b_started.set()
        return ["part", never] if len(attempts("b")) == 1 else ["good"]

    def attempts(name: str) -> list[Any]:
        return [request for request in scripted.requests if system_of(request).startswith(name)]

    scripted.script = script
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["a", "b"]),
            node("a", "model", system_prompt="a"),
            node("b", "model", system_prompt="b"),
            node("join", "join", mode="any"),
            node("gate", "gate", conditions=[{"expression": "content == 'good'", "target": "end"}], default_target="a"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("a", "join"), ("b", "join"), ("join", "gate"), ("gate", "a"), ("gate", "end")],
    )
    ran = await ask(graph)
    assert (ran.result.status, ran.result.text) == ("committed", "good")
    assert [decided.cancelled for decided in ran.all(ev.JoinDecided)] == [(1,), (0,)]
    assert scripted.open_streams == 0


async def test_a_gate_in_a_branch_may_escalate_without_losing_the_branch(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(a=["bad"], b=["b"], better=["good"])
    ran = await ask(gated_branch({}, back="better"))
    assert (ran.result.status, ran.result.text) == ("committed", "good/b")


async def test_a_gate_sends_its_own_branch_back_and_not_another(scripted: ScriptedBackend) -> None:
    """The first branch is refused after the second one has been at the node to which the gate sends back."""
    second_drafted = asyncio.Event()
    drafted: list[str] = []

    def script(request: Any) -> list[Any]:
        item = "one" if "item one" in text_of(request) else "two"
        if system_of(request).startswith("check"):
            return [second_drafted, "bad" if item == "one" and drafted.count("one") == 1 else "good"]
        if system_of(request).startswith("wait"):
            return ["item two"]
        drafted.append(item)
        if item == "two":
            second_drafted.set()
        return [f"item {item}"]

    scripted.script = script
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["one", "two"]),
            node("one", "transform", operation="template", template="item one"),
            node("two", "model", system_prompt="wait"),
            node("m", "model", system_prompt="draft"),
            node("check", "model", system_prompt="check"),
            node(
                "gate", "gate", conditions=[{"expression": "content == 'good'", "target": "join"}], default_target="m"
            ),
            node("join", "join", separator="/"),
            node("end", "exit"),
        ],
        [
            *(("fan", "one"), ("fan", "two"), ("start", "fan"), ("one", "m"), ("two", "m"), ("m", "check")),
            *(("check", "gate"), ("gate", "m"), ("gate", "join"), ("join", "end")),
        ],
    )
    ran = await ask(graph)
    assert (ran.result.status, ran.result.text) == ("committed", "good/good"), ran.result.error
    (rewound,) = ran.all(ev.Rewound)
    assert drafted[:2] == ["one", "two"], "the second branch was the later one"
    assert drafted.count("one") == 2, "the branch that was refused drafts again"
    waiting = {(a.node, a.tokens[-1].branch) for a in rewound.state.frontier}
    assert ("m", 0) in waiting
