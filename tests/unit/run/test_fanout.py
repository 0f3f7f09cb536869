"""Branches that run in parallel: scopes, joins, dead branches, siblings that are not needed, and what ends a run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.graph.spec import GraphSpec
from engine.run.state import RunState, apply
from tests.graphs import Edge, Node, make_graph, node
from tests.running import Ran, ask, run_in
from tests.scripted_backend import ScriptedBackend, fault, system_of, text_of


def says(id: str, text: str | None = None) -> Node:  # noqa: A002
    """A branch that arrives at once with a text of its own."""
    return node(id, "transform", operation="template", template=text or id)


def fails(id: str) -> Node:  # noqa: A002
    return node(id, "transform", operation="json_parse")


def asks(id: str) -> Node:  # noqa: A002
    """A branch that asks a model; the script knows it by its id."""
    return node(id, "model", system_prompt=id)


def fanned(
    *branches: Node,
    silent: tuple[str, ...] = (),
    more: tuple[Node, ...] = (),
    edges: tuple[Edge, ...] = (),
    **join: Any,
) -> GraphSpec:
    """entry -> fan-out -> every branch -> join -> exit; from a silent branch no edge is taken."""
    ids = [each["id"] for each in branches]
    return make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=ids),
            *branches,
            *more,
            node("join", "join", **join),
            node("end", "exit"),
        ],
        [
            ("start", "fan"),
            *((each, "join", "content == 'never'") if each in silent else (each, "join") for each in ids),
            ("join", "end"),
            *edges,
        ],
    )


def outcomes(ran: Ran) -> dict[str, str]:
    """Node -> outcome of its latest visit."""
    return {body.path: body.outcome for body in ran.all(ev.NodeFinished)}


def the_join(ran: Ran) -> ev.JoinDecided:
    (decided,) = ran.all(ev.JoinDecided)
    return decided


def code_of(ran: Ran) -> str:
    assert ran.result.error is not None
    return ran.result.error.code


def replayed(events: list[ev.Event]) -> RunState:
    state = RunState()
    for event in events:
        apply(state, event)
    return state


# -- branches ----------------------------------------------------------------------------------------------------------


async def test_branches_of_a_fan_out_are_in_flight_at_the_same_time(scripted: ScriptedBackend) -> None:
    met = asyncio.Event()

    def script(request: Any) -> list[Any]:
        if scripted.open_streams == 2:
            met.set()
        return [met, system_of(request)]

    scripted.script = script
    ran = await ask(fanned(asks("a"), asks("b")))
    assert ran.result.text == "a\n\nb"
    assert scripted.most_open == 2


async def test_answers_are_joined_in_order_of_the_branches_whichever_comes_first(scripted: ScriptedBackend) -> None:
    late = asyncio.Event()

    def script(request: Any) -> list[Any]:
        if system_of(request) == "a":
            return [late, "first"]
        late.set()
        return ["second"]

    scripted.script = script
    ran = await ask(fanned(asks("a"), asks("b")))
    assert ran.result.text == "first\n\nsecond"
    assert ran.result.data["answers"] == ["first", "second"]


async def test_a_node_with_several_edges_opens_a_scope_where_these_meet() -> None:
    graph = make_graph(
        [node("start", "entry"), says("a"), says("b"), node("join", "join"), node("end", "exit")],
        [("start", "a"), ("start", "b"), ("a", "join"), ("b", "join"), ("join", "end")],
    )
    ran = await ask(graph)
    assert ran.result.text == "a\n\nb"
    (opened,) = ran.all(ev.ScopeOpened)
    assert (opened.scope, opened.join, opened.branches) == ("start#1", "join", ("a", "b"))


async def test_branches_that_cannot_come_together_race_for_the_exits(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(slow=["part", asyncio.Event()])
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["slow", "quick"]),
            asks("slow"),
            says("quick"),
            node("one", "exit"),
            node("two", "exit", status="fallback"),
        ],
        [("start", "fan"), ("slow", "one"), ("quick", "two")],
    )
    ran = await ask(graph)
    assert (ran.result.text, ran.result.exit) == ("quick", "fallback")
    assert ran.all(ev.ScopeOpened) == []
    assert scripted.open_streams == 0


# -- dead branches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["all", "any", "quorum", "first_success", "majority_vote", "best_score"])
@pytest.mark.parametrize("silent", [True, False])
async def test_a_join_whose_branches_all_end_fails_and_never_answers_with_the_question(mode: str, silent: bool) -> None:
    extra: dict[str, Any] = {"quorum": 1} if mode == "quorum" else {}
    branches = (says("a"), says("b")) if silent else (fails("a"), fails("b"))
    ran = await ask(fanned(*branches, silent=("a", "b") if silent else (), mode=mode, **extra))
    assert (ran.result.status, code_of(ran)) == ("rolled_back", "join_unsatisfied")
    decided = the_join(ran)
    assert (decided.satisfied, decided.inputs) == (False, ())
    assert next(body.reason for body in ran.all(ev.BranchEnded)) == ("ended" if silent else "failed")


async def test_a_majority_that_a_dead_branch_forbids_is_refused_by_the_node_too() -> None:
    branches = (says("a", "yes"), says("b", "yes"), fails("c"), says("d", "no"), says("e", "no"))
    ran = await ask(fanned(*branches, mode="majority_vote", on_dead="fail"))
    assert the_join(ran).satisfied is False
    assert (ran.result.status, code_of(ran)) == ("rolled_back", "join_unsatisfied")


async def test_a_failure_in_a_branch_can_be_handled_by_an_edge(scripted: ScriptedBackend) -> None:
    graph = fanned(
        fails("a"), says("b"), more=(says("rescue", "rescued"),),
        edges=(("a", "rescue", "status == 'failed'"), ("rescue", "join")),
    )  # fmt: skip
    ran = await ask(graph)
    assert ran.result.text == "rescued\n\nb"
    assert ran.all(ev.BranchEnded) == []


async def test_a_join_that_fails_can_be_handled_by_an_edge() -> None:
    graph = fanned(
        fails("a"), fails("b"), more=(says("sorry"),),
        edges=(("join", "sorry", "error == 'join_unsatisfied'"), ("sorry", "end")),
    )  # fmt: skip
    assert (await ask(graph)).result.text == "sorry"


# -- siblings ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_task_left")
async def test_siblings_that_are_not_needed_are_cancelled_and_their_streams_closed(scripted: ScriptedBackend) -> None:
    started = asyncio.Event()

    def script(request: Any) -> list[Any]:
        if system_of(request) == "slow":
            started.set()
            return ["part", asyncio.Event()]
        return [started, "quick"] if system_of(request) == "quick" else ["after"]

    scripted.script = script
    open_at_the_end: list[int] = []
    tail = asks("tail")
    graph = make_graph(
        [
            node("start", "entry"), node("fan", "fanout", targets=["slow", "quick"]), asks("slow"), asks("quick"),
            node("join", "join", mode="any"), tail, node("end", "exit"),
        ],
        [("start", "fan"), ("slow", "join"), ("quick", "join"), ("join", "tail"), ("tail", "end")],
    )  # fmt: skip
    async with engine.open() as eng:
        run = eng.start(graph, "Why?")
        events = []
        async for event in run.events():
            events.append(event)
            if isinstance(event.body, ev.ModelStarted) and event.body.path == "tail":
                open_at_the_end.append(scripted.open_streams)
        result = await run.result()
    assert result.text == "after"
    finished = {e.body.path: e.body.outcome for e in events if isinstance(e.body, ev.NodeFinished)}
    assert finished["slow"] == "cancelled"
    assert scripted.open_streams == 0
    (decided,) = [e.body for e in events if isinstance(e.body, ev.JoinDecided)]
    assert decided.cancelled == (0,)
    ended = next(i for i, e in enumerate(events) if isinstance(e.body, ev.NodeFinished) and e.body.path == "slow")
    assert ended < len(events) - 2, "ended by its join, not by the end of the run"


async def test_a_sibling_that_has_not_begun_is_skipped_and_costs_no_step(scripted: ScriptedBackend) -> None:
    ran = await ask(fanned(asks("m"), says("quick"), mode="any"), config=EngineConfig(max_steps=5))
    assert ran.result.text == "quick"
    assert outcomes(ran)["m"] == "skipped"
    assert scripted.requests == []
    assert len(ran.all(ev.NodeStarted)) == 5
    assert not any(replayed(ran.events[:-1]).live.values())


async def test_siblings_that_may_end_do_so_and_come_too_late(scripted: ScriptedBackend) -> None:
    goes_on = asyncio.Event()

    def script(request: Any) -> list[Any]:
        if system_of(request) == "slow":
            return [goes_on, "late"]
        if system_of(request) == "tail":
            goes_on.set()
            return [wait_for_late, "after " + text_of(request).split()[0]]
        return ["quick"]

    wait_for_late = asyncio.Event()
    scripted.script = script
    graph = make_graph(
        [
            node("start", "entry"), node("fan", "fanout", targets=["slow", "quick"]), asks("slow"), asks("quick"),
            node("join", "join", mode="any", cancel_siblings=False), asks("tail"), node("end", "exit"),
        ],
        [("start", "fan"), ("slow", "join"), ("quick", "join"), ("join", "tail"), ("tail", "end")],
    )  # fmt: skip
    async with engine.open() as eng:
        run = eng.start(graph, "Why?")
        events = []
        async for event in run.events():
            events.append(event)
            if isinstance(event.body, ev.EdgeTaken) and event.body.source == "slow":
                wait_for_late.set()
        result = await run.result()
    ran = Ran(result, events)
    assert result.text == "after quick"
    assert outcomes(ran)["slow"] == "ok"
    assert (the_join(ran).cancelled, len(the_join(ran).inputs)) == ((), 1)
    assert ran.visited().count("join") == 1
    assert len(replayed(events[:-1]).scopes["fan#1"].arrived) == 1


# -- arriving ----------------------------------------------------------------------------------------------------------


async def test_a_branch_that_arrives_twice_counts_once(scripted: ScriptedBackend) -> None:
    late = asyncio.Event()
    scripted.script = lambda request: [late, "b"]
    graph = fanned(
        says("a"), asks("b"), more=(says("c"), says("d")),
        edges=(("a", "c"), ("a", "d"), ("c", "join"), ("d", "join")), mode="quorum", quorum=2, silent=("a",),
    )  # fmt: skip
    async with engine.open() as eng:
        run = eng.start(graph, "Why?")
        events = []
        async for event in run.events():
            events.append(event)
            if isinstance(event.body, ev.NodeFinished) and event.body.path == "d":
                late.set()
        result = await run.result()
    ran = Ran(result, events)
    assert result.text == "c\n\nb"
    assert [body.scope for body in ran.all(ev.ScopeOpened)] == ["fan#1"]
    assert ran.visited().count("join") == 1


async def test_two_edges_from_a_branch_to_its_join_are_one_arrival() -> None:
    graph = fanned(says("a"), says("b"), edges=(("a", "join", "len(content) > 0"),), mode="all")
    ran = await ask(graph)
    assert ran.result.text == "a\n\nb"
    assert len(the_join(ran).inputs) == 2


# -- nested scopes -----------------------------------------------------------------------------------------------------


def nested(*, inner: dict[str, Any], outer: dict[str, Any], x: Node, y: Node, b: Node, **silent: str) -> GraphSpec:
    """entry -> outer fan-out -> (inner fan-out -> x, y -> inner join) and b -> outer join -> exit."""
    return make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["inner", b["id"]]),
            node("inner", "fanout", targets=["x", "y"]),
            x,
            y,
            b,
            node("join1", "join", **inner),
            node("join2", "join", **outer),
            node("end", "exit"),
        ],
        [
            ("start", "fan"),
            ("x", "join1"),
            ("y", "join1"),
            ("join1", "join2", silent["join1"]) if "join1" in silent else ("join1", "join2"),
            (b["id"], "join2"),
            ("join2", "end"),
        ],
    )


async def test_scopes_are_nested() -> None:
    ran = await ask(nested(inner={"separator": " "}, outer={"separator": "/"}, x=says("x"), y=says("y"), b=says("b")))
    assert ran.result.text == "x y/b"
    opened = ran.all(ev.ScopeOpened)
    assert [(body.scope, body.join, body.outer) for body in opened] == [
        ("fan#1", "join2", ()),
        ("inner#1", "join1", (ev.Token("fan#1", 0),)),
    ]


async def test_an_inner_join_that_cannot_be_satisfied_ends_its_outer_branch() -> None:
    graph = nested(inner={}, outer={"mode": "all", "on_dead": "degrade"}, x=says("x"), y=fails("y"), b=says("b"))
    ran = await ask(graph)
    assert ran.result.text == "b"
    assert ran.result.data["partial"] is True
    assert [(body.token, body.reason) for body in ran.all(ev.BranchEnded)] == [
        (ev.Token("inner#1", 1), "failed"),
        (ev.Token("fan#1", 0), "failed"),
    ]


@pytest.mark.parametrize("begun", [True, False])
async def test_a_cancelled_sibling_that_outlives_its_inner_join_does_not_hold_up_the_outer_one(
    scripted: ScriptedBackend, begun: bool
) -> None:
    started = asyncio.Event()

    def script(request: Any) -> list[Any]:
        if system_of(request) == "y":
            started.set()
            return ["part", asyncio.Event()]
        return [started, "x"]

    scripted.script = script
    graph = nested(
        inner={"mode": "any"}, outer={"mode": "all", "on_dead": "degrade"},
        x=asks("x") if begun else says("x"), y=asks("y"), b=says("b"), join1="content == 'never'",
    )  # fmt: skip
    ran = await ask(graph)
    assert (ran.result.status, ran.result.text) == ("committed", "b")
    assert outcomes(ran)["y"] == ("cancelled" if begun else "skipped")
    assert scripted.open_streams == 0


async def test_cancelling_a_branch_cancels_the_branches_inside_it(scripted: ScriptedBackend) -> None:
    both = asyncio.Event()

    def script(request: Any) -> list[Any]:
        if system_of(request) == "b":
            return [both, "b"]
        if scripted.open_streams == 3:
            both.set()
        return ["part", asyncio.Event()]

    scripted.script = script
    ran = await ask(nested(inner={}, outer={"mode": "any"}, x=asks("x"), y=asks("y"), b=asks("b")))
    assert ran.result.text == "b"
    assert (outcomes(ran)["x"], outcomes(ran)["y"]) == ("cancelled", "cancelled")
    assert "join1" not in ran.visited()
    assert scripted.open_streams == 0


# -- fan-out over a list -----------------------------------------------------------------------------------------------


def over_list(branch: Node, *, join: dict[str, Any] | None = None, **fan: Any) -> GraphSpec:
    """entry -> JSON -> one branch for each item of `json.parts` -> join -> exit."""
    return make_graph(
        [
            node("start", "entry"),
            node("parse", "transform", operation="json_parse"),
            node("fan", "fanout", targets=[branch["id"]], over="json.parts", **fan),
            branch,
            node("join", "join", **(join or {"separator": "|"})),
            node("end", "exit"),
        ],
        [("start", "parse"), ("parse", "fan"), (branch["id"], "join"), ("join", "end")],
    )


async def test_a_list_is_worked_on_in_parallel_and_its_order_is_kept(scripted: ScriptedBackend) -> None:
    gates = {name: asyncio.Event() for name in "abc"}
    follows = {"c": "b", "b": "a"}
    gates["c"].set()

    def script(request: Any) -> list[Any]:
        item = text_of(request).split()[1]  # of `part a`, which stands before the question
        return [gates[item], item.upper(), _set(gates.get(follows.get(item, "")))]

    class _Setting(asyncio.Event):
        def __init__(self, other: asyncio.Event | None) -> None:
            super().__init__()
            self._other = other

        async def wait(self) -> Any:
            if self._other is not None:
                self._other.set()
            return True

    def _set(other: asyncio.Event | None) -> asyncio.Event:
        return _Setting(other)

    scripted.script = script
    ran = await ask(over_list(node("m", "model")), '{"parts": ["part a", "part b", "part c"]}')
    assert ran.result.text == "A|B|C"
    assert [body.data["item"] for body in ran.all(ev.MessageAdded)] == [0, 1, 2]
    arrivals = [body.arrival.branch for body in ran.all(ev.EdgeTaken) if body.arrival is not None]
    assert arrivals == [2, 1, 0], "the last was the first to arrive"


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_a_list_of_any_length_is_joined_in_the_same_way(count: int) -> None:
    parts = ", ".join(f'"{number}"' for number in range(count))
    strip = node("t", "transform", operation="strip")
    ran = await ask(over_list(strip), f'{{"parts": [{parts}]}}')
    assert ran.result.text == "|".join(map(str, range(count)))
    assert ran.result.data["joined"] == count
    degraded = await ask(over_list(fails("t"), join={"on_dead": "degrade"}), '{"parts": ["[1]", "x"]}')
    assert (degraded.result.text, degraded.result.data["partial"]) == ("[1]", True)
    refused = await ask(over_list(fails("t")), '{"parts": ["x"]}')
    assert code_of(refused) == "join_unsatisfied", "one item is joined as several are"


async def test_a_fan_out_without_a_list_fails_with_its_remedy() -> None:
    for question in ('{"parts": []}', '{"parts": "text"}', "{}"):
        ran = await ask(over_list(says("t")), question)
        assert code_of(ran) == "nothing_to_fan_out"
        assert ran.result.error is not None
        assert ran.result.error.node == "fan"
        assert ran.result.error.remedy


async def test_the_number_of_branches_is_bounded() -> None:
    question = '{"parts": [1, 2, 3]}'
    assert code_of(await ask(over_list(says("t"), max_branches=2), question)) == "too_many_branches"
    assert (await ask(over_list(says("t"), max_branches=3), question)).result.text == "t|t|t"


# -- what ends a run ---------------------------------------------------------------------------------------------------


async def test_an_exit_inside_a_branch_ends_the_run(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(slow=["part", asyncio.Event()])
    graph = fanned(asks("slow"), says("quick"), edges=(("quick", "end", "content == 'quick'"),), silent=("quick",))
    ran = await ask(graph)
    assert (ran.result.status, ran.result.text) == ("committed", "quick")
    assert ran.all(ev.JoinDecided) == []
    assert scripted.open_streams == 0


async def test_max_steps_counts_visits_in_branches() -> None:
    graph = fanned(says("a"), says("b"), says("c"))
    assert (await ask(graph, config=EngineConfig(max_steps=7))).result.status == "committed"
    ran = await ask(graph, config=EngineConfig(max_steps=6))
    assert (ran.result.reason, code_of(ran)) == ("budget", "max_steps")


@pytest.mark.usefixtures("no_task_left")
async def test_the_deadline_ends_branches(scripted: ScriptedBackend) -> None:
    scripted.answers(["part", asyncio.Event()])
    ran = await ask(fanned(asks("a"), asks("b"), on_dead="degrade"), config=EngineConfig(run_timeout_s=0.1))
    assert (ran.result.reason, code_of(ran)) == ("deadline", "run_deadline")
    assert scripted.open_streams == 0
    assert outcomes(ran) == {"start": "ok", "fan": "ok", "a": "cancelled", "b": "cancelled"}


async def test_a_node_that_runs_out_of_time_is_a_dead_branch(scripted: ScriptedBackend) -> None:
    scripted.answers(["part", asyncio.Event()])
    slow = node("a", "model", timeout_ms=30)
    ran = await ask(fanned(slow, says("b"), on_dead="degrade"))
    assert (ran.result.text, ran.result.data["dead"]) == ("b", 1)


async def test_a_branch_whose_model_fails_for_good_is_dead(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(a=[fault()], b=["b"])
    assert (await ask(fanned(asks("a"), asks("b"), mode="any"))).result.text == "b"
    assert code_of(await ask(fanned(asks("a"), asks("b")))) == "join_unsatisfied"


# -- checkpoints and folds ---------------------------------------------------------------------------------------------


async def test_checkpoints_name_what_waits_in_every_branch(scripted: ScriptedBackend) -> None:
    config = EngineConfig(checkpoint_every=1)
    ran = await ask(fanned(asks("a"), asks("b")), config=config)
    frontiers = [{(a.node, a.tokens) for a in body.frontier} for body in ran.all(ev.Checkpoint)]
    branches = {("a", (ev.Token("fan#1", 0),)), ("b", (ev.Token("fan#1", 1),))}
    assert branches in frontiers
    joining = next(a for body in ran.all(ev.Checkpoint) for a in body.frontier if a.node == "join")
    assert (joining.inputs, joining.dead, joining.tokens) == (the_join(ran).inputs, 0, ())


async def test_the_state_folded_from_the_store_is_the_one_that_the_run_decided_from(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.run.transaction import Transaction

    states: list[RunState] = []
    born = Transaction.__init__

    def remember(self: Transaction, *args: Any) -> None:
        born(self, *args)
        states.append(self.state)

    monkeypatch.setattr(Transaction, "__init__", remember)
    graph = nested(
        inner={"mode": "any"}, outer={"mode": "all", "on_dead": "degrade"}, x=says("x"), y=asks("y"), b=fails("b")
    )
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, graph)
        stored = await eng.events(ran.result.transaction)
    assert ran.result.text == "x"
    assert replayed(stored) == states[0]
    assert states[0].scopes["inner#1"].decided
    assert states[0].scopes["fan#1"].frozen().dead == (1,)


async def test_a_fan_out_over_a_list_may_hold_another_one_with_a_join_of_its_own() -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("pieces", "transform", operation="split", separator=" "),
            node("each", "fanout", targets=["fan"], over="items"),
            node("fan", "fanout", targets=["up", "low"]),
            node("up", "transform", operation="upper"),
            node("low", "transform", operation="lower"),
            node("both", "join", separator="/"),
            node("all", "join", separator=" "),
            node("end", "exit"),
        ],
        [
            ("start", "pieces"),
            ("pieces", "each"),
            ("up", "both"),
            ("low", "both"),
            ("both", "all"),
            ("all", "end"),
        ],
    )
    ran = await ask(graph, "One Two Three")
    assert (ran.result.status, ran.result.text) == ("committed", "ONE/one TWO/two THREE/three")
