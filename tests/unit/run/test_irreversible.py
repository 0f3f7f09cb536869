"""Tools whose effect stays: a person agrees to every call, and none is repeated, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.graph.loader import parse_graph
from engine.graph.spec import GraphSpec
from engine.graph.validation import validate
from engine.run.engine import Engine
from engine.tools.policy import Approval, ApprovalRequest
from engine.tools.protocol import Reconciliation
from tests.approvers import Person, no, yes
from tests.graphs import make_graph, node
from tests.interruption import Snapshots, leave
from tests.post_tool import PostTool
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend, call, fault, tool_model

POST = node("post", "tool", tool_id="post", input_mapping={"entry": "data.entry"})
LINKS = [("start", "post"), ("post", "m"), ("m", "end")]


def graph(*, post: dict[str, Any] | None = None, edges: Any = (), nodes: Any = (), **fields: Any) -> GraphSpec:
    tool = {**POST, "config": {**POST["config"], **(post or {})}}
    every = [node("start", "entry"), tool, node("m", "model"), node("end", "exit"), *nodes]
    return make_graph(every, [*LINKS, *edges], valid=False, **fields)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def post(workspace: Path) -> PostTool:
    return PostTool(workspace / "ledger.txt")


def opened(post: PostTool, data: Path | None, approver: Person | None = None, **config: Any) -> Any:
    return engine.open(data, config=EngineConfig(**config), approver=approver, tools=[post])


async def ask(post: PostTool, spec: GraphSpec, approver: Person | None) -> Ran:
    async with opened(post, post.ledger.parent.parent / "data") as eng:
        return await run_in(eng, spec, inputs={"entry": "one"}, approver=approver)


# -- whether it runs ---------------------------------------------------------------------------------------------------


async def test_it_runs_when_a_person_agrees_and_its_intent_is_there_first(
    post: PostTool, scripted: ScriptedBackend
) -> None:
    person = Person(yes)
    ran = await ask(post, graph(), person)
    assert (ran.result.status, len(post.lines)) == ("committed", 1)
    assert [(request.tool, request.effect) for request in person.asked] == [("post", "irreversible")]
    kinds = [kind for kind in ran.kinds if kind in ("approval_answered", "effect_intended", "op_finished")]
    assert kinds == ["approval_answered", "effect_intended", "op_finished"]
    (done,) = ran.all(ev.OpFinished)
    assert done.result["output"] == {"number": 1}
    assert ran.view.uncompensated == ()


@pytest.mark.parametrize("approver", [None, Person(no)])
async def test_it_does_not_run_without_a_yes(
    approver: Person | None, post: PostTool, scripted: ScriptedBackend
) -> None:
    ran = await ask(post, graph(), approver)
    assert ran.result.error is not None
    assert (ran.result.error.code, post.calls) == ("tool_refused", [])


async def test_without_a_store_it_does_not_run(post: PostTool, scripted: ScriptedBackend) -> None:
    async with opened(post, None) as eng:
        ran = await run_in(eng, graph(), inputs={"entry": "one"}, approver=Person(yes))
    assert ran.result.error is not None
    assert (ran.result.error.code, post.calls) == ("no_store", [])


async def test_a_model_may_call_it(post: PostTool, scripted: ScriptedBackend) -> None:
    scripted.installed = [tool_model()]
    scripted.answers([call("post", entry="from the model")], ["It is posted."])
    spec = make_graph(
        [node("start", "entry"), node("m", "model", tools_enabled=True, tool_ids=["post"]), node("end", "exit")],
        [("start", "m"), ("m", "end")],
        valid=False,
    )
    ran = await ask(post, spec, Person(yes))
    assert (ran.result.text, len(post.lines)) == ("It is posted.", 1)


async def test_a_rollback_lists_it_and_does_not_call_it_taken_back(post: PostTool, scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    ran = await ask(post, graph(), Person(yes))
    (end,) = ran.all(ev.RolledBack)
    assert len(post.lines) == 1
    (listed,) = end.uncompensated
    assert listed.startswith("post: It was done, and it cannot be taken back")
    assert '"entry": "one"' in listed
    assert ran.view.uncompensated == end.uncompensated


async def test_what_the_tool_refused_did_not_happen(post: PostTool, scripted: ScriptedBackend) -> None:
    post.refuses = EngineError(ErrorClass.INVALID_REQUEST, "no_such_ledger", "There is no such ledger.")
    ran = await ask(post, graph(), Person(yes))
    (end,) = ran.all(ev.RolledBack)
    assert (end.uncompensated, post.lines) == ((), [])


# -- calls that break off ----------------------------------------------------------------------------------------------


def answers(*given: bool) -> Callable[[ApprovalRequest], Approval]:
    """A yes to the call itself, then these answers."""
    left = list(given)

    def answer(request: ApprovalRequest) -> Approval:
        return yes(request) if request.tool or left.pop(0) else no(request)

    return answer


def slow(post: PostTool, knows: Reconciliation | None) -> None:
    post.hangs, post.timeout_s, post.knows = True, 0.05, knows


RETRIED: dict[str, Any] = {"retry": {"attempts": 3, "base_delay_ms": 1}}


async def test_a_timeout_of_a_call_that_was_done_goes_on_with_that(post: PostTool, scripted: ScriptedBackend) -> None:
    slow(post, None)
    person = Person(yes)
    ran = await ask(post, graph(post=RETRIED), person)
    assert (ran.result.status, len(post.lines), len(person.asked)) == ("committed", 1, 1)
    (done,) = ran.all(ev.OpFinished)
    assert done.result["output"] == {"result_lost": True}


async def test_a_timeout_is_never_retried_even_if_nothing_was_done(post: PostTool, scripted: ScriptedBackend) -> None:
    slow(post, "not_done")
    ran = await ask(post, graph(post=RETRIED), Person(yes))
    assert ran.result.error is not None
    assert (ran.result.error.code, len(post.calls)) == ("not_done", 1)


@pytest.mark.parametrize(
    ("given", "status", "calls"),
    [((True,), "committed", 1), ((False, True), "committed", 2), ((False, False), "rolled_back", 1)],
)
async def test_where_nobody_knows_what_a_timeout_did_the_person_says(
    given: tuple[bool, ...], status: str, calls: int, post: PostTool, scripted: ScriptedBackend
) -> None:
    slow(post, "unknown")
    person = Person(answers(*given))
    ran = await ask(post, graph(post={**RETRIED, "continue_on_error": True}), person)
    assert (ran.result.status, len(post.calls)) == (status, calls)
    assert [request.tool for request in person.asked] == ["post", *("" for _ in given)], "one yes is for one call"
    unsure = "It is not known whether it was done"
    assert [unsure in text for text in ran.view.uncompensated] == ([True] if status == "rolled_back" else [])


async def test_a_defect_of_the_tool_leaves_the_outcome_unknown(post: PostTool, scripted: ScriptedBackend) -> None:
    post.breaks, post.knows = KeyError("a defect"), "unknown"
    ran = await ask(post, graph(post={"continue_on_error": True}), Person(answers(False, False)))
    assert ran.result.error is not None
    assert ran.result.error.code == "outcome_unknown"
    assert ran.result.status == "rolled_back", "no node of the graph decides over what nobody knows"


async def test_a_node_that_was_cut_short_is_not_tried_again(post: PostTool, scripted: ScriptedBackend) -> None:
    post.hangs = True
    ran = await ask(post, graph(post={"timeout_ms": 1000, **RETRIED}), Person(yes))
    assert ran.result.error is not None
    assert (ran.result.error.code, len(post.calls)) == ("node_deadline", 1)
    (end,) = ran.all(ev.RolledBack)
    assert len(end.uncompensated) == 1


async def test_a_failure_that_an_edge_takes_up_leaves_it_listed(post: PostTool, scripted: ScriptedBackend) -> None:
    post.hangs = True
    spec = graph(
        post={"timeout_ms": 1000},  # enough to come to the call, however slow the machine is
        nodes=[node("other", "model")],
        edges=[("post", "other", "status == 'failed'"), ("other", "end")],
    )
    ran = await ask(post, spec, Person(yes))
    assert (ran.result.status, len(post.calls)) == ("committed", 1)
    assert len(ran.view.uncompensated) == 1


# -- interruptions -----------------------------------------------------------------------------------------------------


async def interrupted(post: PostTool, tmp_path: Path) -> Snapshots:
    taken = Snapshots(post.ledger.parent, tmp_path / "snapshots")
    with taken.log.watching():
        assert (await ask(post, graph(), Person(yes))).result.status == "committed"
    post.calls.clear()
    return taken


@pytest.mark.parametrize("recovery", ["resume", "roll_back"])
async def test_an_interruption_anywhere_does_it_exactly_once(
    recovery: Any, post: PostTool, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    taken = await interrupted(post, tmp_path)
    for cut in taken.log.cuts:
        for world in (cut, cut + 1):
            await taken.restore(cut, world)
            where = f"after {taken.log.events[cut - 1].kind}, world {world}"
            happened = len(post.lines)
            answered = any(isinstance(event.body, ev.ApprovalAnswered) for event in taken.log.events[:cut])
            person = Person(yes)
            async with opened(post, taken.data, person, recovery=recovery) as eng:
                for run in eng.resumed:
                    result = await run.result()
                    assert (result.status, len(post.lines)) == ("committed", 1), where
                    assert len(person.asked) == (not answered), f"a yes to these arguments holds {where}"
                for row in eng.recovered:
                    (*_, end) = [event.body for event in await eng.events(row.tx)]
                    assert isinstance(end, ev.RolledBack)
                    assert len(end.uncompensated) == happened == len(post.lines), where


async def broken_off(post: PostTool, tmp_path: Path, *, happened: bool) -> Path:
    """A data folder as a process leaves it that is killed between the intent and the outcome."""
    taken = await interrupted(post, tmp_path)
    kinds = [event.kind for event in taken.log.events]
    intent = kinds.index("effect_intended") + 1
    await taken.restore(intent, intent + happened)
    assert len(post.lines) == happened
    return taken.data


async def resumed(post: PostTool, data: Path, person: Person | None) -> tuple[Any, list[ev.Event]]:
    async with opened(post, data, person) as eng:
        (run,) = eng.resumed
        result = await run.result()
        return result, await eng.events(run.transaction)


@pytest.mark.parametrize(
    ("happened", "given", "status", "lines"),
    [
        (True, (True,), "committed", 1),
        (False, (False, True), "committed", 1),
        (True, (False, False), "rolled_back", 1),
        (False, (False, False), "rolled_back", 0),
    ],
)
async def test_after_a_crash_the_person_is_asked_what_nobody_else_knows(
    happened: bool,
    given: tuple[bool, ...],
    status: str,
    lines: int,
    post: PostTool,
    tmp_path: Path,
    scripted: ScriptedBackend,
) -> None:
    data = await broken_off(post, tmp_path, happened=happened)
    post.knows = "unknown"
    person = Person(answers(*given))
    result, events = await resumed(post, data, person)
    assert (result.status, len(post.lines)) == (status, lines)
    assert [request.tool for request in person.asked] == ["" for _ in given], "the call itself was agreed to before"
    assert '"entry": "one"' in person.asked[0].description
    if status == "rolled_back":
        end = events[-1].body
        assert isinstance(end, ev.RolledBack)
        assert ["It is not known" in text for text in end.uncompensated] == [True]


async def test_after_a_crash_with_nobody_to_ask_the_run_is_rolled_back_and_the_call_listed(
    post: PostTool, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    data = await broken_off(post, tmp_path, happened=True)
    post.knows = "unknown"
    result, events = await resumed(post, data, None)
    assert (result.status, result.error.code, post.calls) == ("rolled_back", "outcome_unknown", [])
    end = events[-1].body
    assert isinstance(end, ev.RolledBack)
    assert len(end.uncompensated) == 1


async def test_what_the_person_said_is_not_asked_again_after_another_crash(
    post: PostTool, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    data = await broken_off(post, tmp_path, happened=True)
    post.knows = "unknown"
    again = Snapshots(post.ledger.parent, tmp_path / "again")
    again.data = data
    with again.log.watching():
        result, events = await resumed(post, data, Person(answers(True)))
    assert result.status == "committed"
    answer = next(e.seq for e in reversed(events) if isinstance(e.body, ev.ApprovalAnswered))
    await leave([event for event in events if event.tx and event.seq <= answer], tmp_path / "after_the_answer")
    person = Person(no)
    result, _ = await resumed(post, tmp_path / "after_the_answer", person)
    assert (result.status, person.asked, len(post.lines)) == ("committed", [], 1)


async def test_a_tool_that_is_gone_leaves_its_call_listed(
    post: PostTool, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    data = await broken_off(post, tmp_path, happened=True)
    async with engine.open(data, approver=Person(yes)) as eng:
        (run,) = eng.resumed
        result = await run.result()
        (*_, end) = [event.body for event in await eng.events(run.transaction)]
    assert (result.status, result.error.code if result.error else "") == ("rolled_back", "unknown_tool")
    assert isinstance(end, ev.RolledBack)
    assert ["It is not known" in text for text in end.uncompensated] == [True]


# -- tools of whoever uses the engine ----------------------------------------------------------------------------------

YAML = """
id: graph.own
nodes:
  - {id: start, type: entry}
  - {id: post, type: tool, config: {tool_id: post, input_mapping: {entry: content}}}
  - {id: end, type: exit}
edges:
  - {from_node: start, to_node: post}
  - {from_node: post, to_node: end}
"""


async def test_graphs_may_name_the_tools_that_an_engine_was_given(post: PostTool) -> None:
    async with opened(post, None) as eng:
        assert isinstance(eng, Engine)
        spec = parse_graph(YAML, names=eng.names)
        assert [each.id for each in spec.nodes] == ["start", "post", "end"]
        assert len(validate(spec)) == 1, "where it was not given it is no tool"
        with pytest.raises(ConfigurationError, match="entri"):
            parse_graph(YAML.replace("{entry:", "{entri:"), names=eng.names)


async def test_an_id_that_is_taken_is_refused(post: PostTool) -> None:
    post.id = "calculator"
    with pytest.raises(ConfigurationError, match="two tools"):
        async with opened(post, None):
            pass
