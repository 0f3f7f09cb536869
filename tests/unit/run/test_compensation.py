"""Effects of tools: taken back when a run is rolled back or goes back, kept when it commits, never applied twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.graph.spec import GraphSpec
from engine.run.effects import Effects
from tests.approvers import Person, no, yes
from tests.graphs import chain, make_graph, node
from tests.interruption import Snapshots
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend, Step, fault


def write(name: str, text: str, path: str = "data.path") -> dict[str, Any]:
    """A tool node that appends to a file: doing it twice can be seen."""
    mapping = {"path": path, "content": f"data.{text}", "mode": "data.mode"}
    return node(name, "tool", tool_id="file_write", input_mapping=mapping)


INPUTS = {"path": "log.txt", "mode": "append", "one": "one\n", "two": "two\n"}
TWICE = chain(write("first", "one"), node("m", "model"), write("second", "two"), node("last", "model"))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


async def ask(graph: GraphSpec, workspace: Path, *, approver: Person | None = None, **inputs: Any) -> Ran:
    config = EngineConfig(workspace=workspace)
    async with engine.open(workspace.parent / "data", config=config) as eng:
        return await run_in(eng, graph, inputs={**INPUTS, **inputs}, approver=approver or Person(yes))


def content(workspace: Path) -> str | None:
    file = workspace / "log.txt"
    return file.read_text() if file.exists() else None


def copies(workspace: Path, data: Path | None = None) -> list[Path]:
    folder = (data or workspace.parent / "data") / "undo"
    return list(folder.iterdir()) if folder.exists() else []


async def test_a_commit_keeps_what_tools_changed(workspace: Path, scripted: ScriptedBackend) -> None:
    ran = await ask(TWICE, workspace)
    assert ran.result.status == "committed"
    assert content(workspace) == "one\ntwo\n"
    assert copies(workspace) == [], "what is final needs no undo copies"
    assert [body.tool for body in ran.all(ev.EffectIntended)] == ["file_write", "file_write"]


async def test_a_rollback_takes_back_the_last_change_first(workspace: Path, scripted: ScriptedBackend) -> None:
    (workspace / "log.txt").write_text("before\n")
    scripted.answers(["fine"], [fault()])
    ran = await ask(TWICE, workspace)
    assert ran.result.status == "rolled_back"
    assert content(workspace) == "before\n"
    intended = [body.call for body in ran.all(ev.EffectIntended)]
    assert [body.call for body in ran.all(ev.Compensated)] == intended[::-1]
    assert ran.all(ev.RolledBack)[0].uncompensated == ()
    assert copies(workspace) == []


async def test_a_person_who_says_no_keeps_the_tool_from_running(workspace: Path, scripted: ScriptedBackend) -> None:
    person = Person(no)
    ran = await ask(TWICE, workspace, approver=person)
    assert (ran.result.status, content(workspace)) == ("rolled_back", None)
    assert ran.result.error is not None
    assert ran.result.error.code == "tool_refused"
    assert [request.tool for request in person.asked] == ["file_write"]
    assert ran.all(ev.EffectIntended) == []


async def test_what_somebody_else_changed_meanwhile_is_listed_and_left(
    workspace: Path, scripted: ScriptedBackend
) -> None:
    def interferes(_request: object) -> Sequence[Step]:
        (workspace / "log.txt").write_text("mine now\n")
        return [fault()]

    scripted.script = interferes
    ran = await ask(chain(write("first", "one"), node("m", "model")), workspace)
    (rolled_back,) = ran.all(ev.RolledBack)
    assert content(workspace) == "mine now\n"
    assert len(rolled_back.uncompensated) == 1
    assert rolled_back.uncompensated[0].startswith("file_write: ")
    assert ran.view.uncompensated == rolled_back.uncompensated
    assert len(copies(workspace)) == 1, "the copies stay for the person"


async def test_a_retry_takes_back_what_it_runs_again(workspace: Path, scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["good"])
    graph = make_graph(
        [
            node("start", "entry"),
            write("first", "one"),
            write("second", "two"),
            node("m", "model"),
            node(
                "gate",
                "gate",
                conditions=[{"expression": "content == 'good'", "target": "end"}],
                default_target="second",
            ),
            node("end", "exit"),
        ],
        [("start", "first"), ("first", "second"), ("second", "m"), ("m", "gate")],
    )
    ran = await ask(graph, workspace)
    assert (ran.result.status, content(workspace)) == ("committed", "one\ntwo\n")
    kinds = [kind for kind in ran.kinds if kind in ("effect_intended", "compensated", "rewound")]
    assert kinds == ["effect_intended", "effect_intended", "compensated", "rewound", "effect_intended"]


async def test_a_call_that_fails_leaves_nothing_behind(workspace: Path, scripted: ScriptedBackend) -> None:
    from engine.tools.file_changes import FileWriteTool

    run = FileWriteTool.run

    async def breaks(self: FileWriteTool, arguments: Any, context: Any) -> Any:
        await run(self, arguments, context)
        raise EngineError(ErrorClass.RESOURCE, "broken", "It broke after the change.")

    tool = write("first", "one")
    tool["config"]["continue_on_error"] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileWriteTool, "run", breaks)
        ran = await ask(chain(tool), workspace)
    assert (ran.result.status, content(workspace)) == ("committed", None)
    assert len(ran.all(ev.Compensated)) == 1


async def test_a_model_that_may_write_files_asks_the_person(workspace: Path, scripted: ScriptedBackend) -> None:
    graph = chain(node("m", "model", tools_enabled=True, tool_ids=["file_write"]))
    ran = await ask(graph, workspace)
    assert ran.result.status == "committed"


async def test_without_a_store_nothing_is_changed(workspace: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(None, config=EngineConfig(workspace=workspace)) as eng:
        ran = await run_in(eng, TWICE, inputs=INPUTS, approver=Person(yes))
    assert ran.result.error is not None
    assert (ran.result.error.code, content(workspace)) == ("no_store", None)


# -- interruptions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recovery", ["resume", "roll_back"])
async def test_an_interruption_anywhere_applies_no_effect_twice_and_loses_none(
    recovery: Any, workspace: Path, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    taken = Snapshots(workspace, tmp_path / "snapshots")
    with taken.log.watching():
        assert (await ask(TWICE, workspace)).result.status == "committed"
    outcomes = set()
    for cut in taken.log.cuts:
        # what follows an event in the world may have happened although its own event is lost, but nothing more
        for world in (cut, cut + 1):
            await taken.restore(cut, world)
            config = EngineConfig(workspace=workspace, recovery=recovery)
            where = f"after {taken.log.events[cut - 1].kind}, world {world}"
            async with engine.open(taken.data, config=config, approver=Person(yes)) as eng:
                for run in eng.resumed:
                    result = await run.result()
                    assert (result.status, result.error) == ("committed", None), where
                (row,) = await eng.transactions()
            assert content(workspace) == ("one\ntwo\n" if recovery == "resume" else None), where
            assert copies(workspace, taken.data) == [], where
            outcomes.add(row.status)
    assert outcomes == {"committed" if recovery == "resume" else "rolled_back"}


async def test_a_rollback_that_is_interrupted_goes_on(
    workspace: Path, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.answers(["fine"], [fault()])
    taken = Snapshots(workspace, tmp_path / "snapshots")
    with taken.log.watching():
        await ask(TWICE, workspace)
    events = taken.log.events
    first = next(i for i, event in enumerate(events, 1) if isinstance(event.body, ev.RollingBack))
    assert len(events) - first >= 5
    for cut in range(first, len(events)):
        await taken.restore(cut, cut)
        async with engine.open(taken.data, config=EngineConfig(workspace=workspace)) as eng:
            assert (len(eng.recovered), eng.resumed) == (1, ()), "what began to go back goes no further"
            (row,) = await eng.transactions()
            kinds = [event.kind for event in await eng.events(row.tx)]
        assert content(workspace) is None
        assert (kinds.count("rolling_back"), kinds.count("rolled_back")) == (1, 1)


def test_calls_without_an_outcome_are_taken_back_first() -> None:
    effects = Effects()
    for number, call in enumerate("abc"):
        effects.intended(ev.EffectIntended("n", number, 1, call, "file_write", "reversible", {}, ""), number + 1)
    effects.finished(ev.OpFinished("n", 1, 1, "tool"), 10)
    effects.finished(ev.OpFinished("n", 0, 1, "tool"), 11)
    assert [effect.intent.call for effect in effects.to_take_back()] == ["c", "a", "b"]
    assert [effect.intent.call for effect in effects.unfinished()] == ["c"]
