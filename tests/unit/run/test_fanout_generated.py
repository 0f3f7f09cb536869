"""Whatever its branches do, a join is decided exactly once, and as a short model of it says."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest
from tests.graphs import Edge, Node, make_graph, node
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend, Step, system_of

Behaviour = tuple[str, str]
"""What a branch does (arrive, fail, end silently; `slow_` after a turn of the loop or later), and what it says."""

DOES = ("arrive", "fail", "silent", "slow_arrive", "slow_fail", "slow_silent", "twice")
SAYS = ("yes", "no", "maybe")


def reference(mode: str, quorum: int, degrade: bool, size: int, order: list[tuple[int, str | None]]) -> str | None:
    """What the join says when branches end in this order, with what they say (None: dead); None where it fails."""
    there: dict[int, str] = {}
    dead = 0
    for branch, said in order:
        there, dead = ({**there, branch: said}, dead) if said is not None else (there, dead + 1)
        texts = [there[number] for number in sorted(there)]
        votes = Counter(texts).most_common(1)
        if mode in ("any", "first_success") and any(t == "yes" or mode == "any" for t in texts):
            return texts[0] if mode == "any" else "yes"
        if mode == "quorum" and len(there) == quorum:
            return "|".join(texts)
        if mode == "majority_vote" and votes and votes[0][1] * 2 > size:
            return votes[0][0]
        if (mode == "quorum" and size - dead < quorum) or (mode in WANT_ALL and dead and not degrade):
            return None
    if not there or mode not in WANT_ALL:
        return None
    texts = [there[number] for number in sorted(there)]
    best = max(texts, key=lambda text: len(text)) if mode == "best_score" else Counter(texts).most_common(1)[0][0]
    return "|".join(texts) if mode == "all" else best


WANT_ALL = ("all", "majority_vote", "best_score")


def graph_of(behaviours: list[Behaviour], join: dict[str, Any]) -> GraphSpec:
    nodes: list[Node] = [
        node("start", "entry"),
        node("fan", "fanout", targets=[f"b{i}" for i in range(len(behaviours))]),
    ]
    edges: list[Edge] = [("start", "fan"), ("join", "end")]
    for number, (does, says) in enumerate(behaviours):
        name, last = f"b{number}", f"s{number}"
        slow = does.startswith("slow_")
        template = '{"score": %d, "text": "%s"}' % (len(says), says)  # noqa: UP031 - braces
        if slow:
            nodes.append(node(name, "model", system_prompt=f"{does} {template}"))
        else:
            nodes.append(node(name, "transform", operation="template", template=template))
        fails = does.endswith("fail")
        nodes.append(node(f"p{number}", "transform", operation="json_parse"))
        nodes.append(node(last, "transform", operation="json_extract", path="nothing" if fails else "text"))
        edges += [(name, f"p{number}"), (f"p{number}", last)]
        edges.append((last, "join", "content == 'never'") if does.endswith("silent") else (last, "join"))
        if does == "twice":
            edges.append((last, "join", "len(content) > 0"))
    nodes += [node("join", "join", **join), node("end", "exit")]
    return make_graph(nodes, edges)


def ended(ran: Ran) -> list[tuple[int, str | None]]:
    """Branches in the order in which they ended, as the log tells it."""
    found: dict[int, str | None] = {}
    texts = {body.message: body.content for body in ran.all(ev.NodeFinished)}
    for event in ran.events:
        body = event.body
        if isinstance(body, ev.EdgeTaken) and body.arrival is not None:
            found.setdefault(body.arrival.branch, texts[body.message])
        elif isinstance(body, ev.BranchEnded):
            found.setdefault(body.token.branch, None)
    return list(found.items())


@pytest.mark.parametrize("cancel", [True, False])
@pytest.mark.parametrize("mode", ["all", "any", "quorum", "first_success", "majority_vote", "best_score"])
@settings(max_examples=20)
@given(data=st.data())
async def test_a_join_is_decided_exactly_once_and_as_the_model_says(
    mode: str, cancel: bool, scripted: ScriptedBackend, data: st.DataObject
) -> None:
    behaviours = data.draw(st.lists(st.tuples(st.sampled_from(DOES), st.sampled_from(SAYS)), min_size=1, max_size=5))
    size = len(behaviours)
    quorum, degrade = data.draw(st.integers(1, size)), data.draw(st.booleans())
    turns = data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    join: dict[str, Any] = {"mode": mode, "cancel_siblings": cancel}
    if mode in WANT_ALL:
        join["on_dead"] = "degrade" if degrade else "fail"
    if mode in ("all", "quorum"):
        join["separator"] = "|"
    join |= {"quorum": {"quorum": quorum}, "first_success": {"success": "content == 'yes'"},
             "best_score": {"score": "json.score"}}.get(mode, {})  # fmt: skip
    waits = list(turns)

    class _Turns(asyncio.Event):
        async def wait(self) -> Any:
            for _ in range(waits.pop() if waits else 0):
                await asyncio.sleep(0)
            return True

    def script(request: ChatRequest) -> list[Step]:
        does, text = system_of(request).split(maxsplit=1)
        broken = EngineError(ErrorClass.INVALID_REQUEST, "scripted", "It failed.")
        return [_Turns(), broken if does == "slow_fail" and len(turns) % 2 else text]

    scripted.script = script
    async with engine.open() as eng:
        ran = await run_in(eng, graph_of(behaviours, join))
        assert scripted.open_streams == 0
    (decided,) = ran.all(ev.JoinDecided)
    assert ran.visited().count("join") == 1
    order = ended(ran)
    assert len(order) == len(dict(order))
    expected = reference(mode, quorum, degrade, size, order)
    assert decided.satisfied == (expected is not None)
    if expected is None:
        assert ran.result.error is not None
        assert (ran.result.status, ran.result.error.code) == ("rolled_back", "join_unsatisfied")
    else:
        assert (ran.result.status, ran.result.text) == ("committed", expected)
    for number, (does, says) in enumerate(behaviours):  # what a branch came to is what it was made to do
        if number in dict(order) and number not in decided.cancelled:
            arrives = does.endswith("arrive") or does == "twice"
            assert dict(order)[number] == (says if arrives else None)
    assert set(decided.cancelled) == (set(range(size)) - {b for b, _ in order} if cancel else set())
