"""Corrections of routes: stored, counting from the next question on, listed, undone, exported and imported."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.errors import EngineError
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.store import corrections as stored
from engine.store.database import FILE_NAME, StoreError
from engine.store.ownership import Ownership
from tests.graphs import make_graph, node
from tests.routing_graph import birds_or_stones
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.unit.store.rig import read

GRAPH = birds_or_stones()


@pytest.fixture(autouse=True)
def backend(monkeypatch: pytest.MonkeyPatch) -> None:
    ScriptedBackend().install(monkeypatch)


@pytest.fixture
async def eng(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine.open(tmp_path) as opened:
        yield opened


async def begun_with(eng: Engine, graph: GraphSpec = GRAPH) -> list[tuple[str, tuple[str, ...]]]:
    """What the router of a new run knows."""
    ran = await run_in(eng, graph, "How hard is quartz?")
    return [(each.question, each.labels) for each in ran.all(ev.Begin)[0].corrections]


async def test_a_correction_counts_from_the_next_question_on_and_after_another_start(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        assert await begun_with(eng) == []
        ran = await run_in(eng, GRAPH, "Flint or finch?")
        row = await eng.teach(GRAPH, " Flint or finch? ", ["birds"], transaction=ran.result.transaction)
        assert (row.graph_id, row.router, row.question, row.labels) == (
            "graph.nature", "router", "Flint or finch?", ("birds",),
        )  # fmt: skip
        assert (row.number, row.undone_ms) == (ran.result.number, None)
        assert await begun_with(eng) == [("Flint or finch?", ("birds",))]
    async with engine.open(tmp_path) as eng:
        assert await begun_with(eng) == [("Flint or finch?", ("birds",))]
        assert await begun_with(eng, birds_or_stones(id="graph.other")) == [], "it belongs to its graph"


async def test_an_undone_correction_counts_no_more_and_stays_listed(eng: Engine) -> None:
    row = await eng.teach(GRAPH, "Flint?", ["birds"])
    assert await begun_with(eng) == [("Flint?", ("birds",))]
    await eng.unteach(row.id)
    assert await begun_with(eng) == []
    (listed,) = await eng.corrections()
    assert listed.id == row.id
    assert listed.undone_ms is not None
    for wrong in (row.id, 99):
        with pytest.raises(EngineError, match=f"There is no correction {wrong} that counts."):
            await eng.unteach(wrong)


async def test_a_later_word_on_the_same_question_takes_the_place_of_the_earlier_one(eng: Engine) -> None:
    first = await eng.teach(GRAPH, "Flint?", ["birds"])
    second = await eng.teach(GRAPH, "Flint?", ["stones"])
    assert await begun_with(eng) == [("Flint?", ("stones",))]
    assert [(row.id, row.undone_ms is None) for row in await eng.corrections()] == [
        (second.id, True),
        (first.id, False),
    ]


async def test_what_cannot_be_taught_is_refused_with_the_remedy(eng: Engine) -> None:
    both = birds_or_stones(multi_label=True, max_labels=2)
    assert (await eng.teach(both, "Both?", ["birds", "stones", "birds"])).labels == ("birds", "stones")
    for graph, question, routes, code, remedy in (
        (GRAPH, "Flint?", ["bird"], "route_refused", "Did you mean `birds`?"),
        (GRAPH, "Flint?", [], "route_refused", "birds, stones"),
        (GRAPH, "Flint?", ["birds", "stones"], "route_refused", "Name fewer"),
        (GRAPH, " \n", ["birds"], "question_empty", "Give the question."),
        (make_graph([node("a", "entry"), node("b", "exit")], [("a", "b")]), "?", ["birds"], "router_not_found", "Name"),
    ):
        with pytest.raises(EngineError) as caught:
            await eng.teach(graph, question, routes)
        assert caught.value.code == code
        assert remedy in caught.value.remedy
    with pytest.raises(EngineError, match="no router `nobody`"):
        await eng.teach(GRAPH, "Flint?", ["birds"], router="nobody")
    assert [row.question for row in await eng.corrections()] == ["Both?"]


async def test_a_long_question_is_kept_by_its_beginning_and_a_lone_surrogate_replaced(eng: Engine) -> None:
    row = await eng.teach(GRAPH, "\ud800" + "x" * 5_000_000, ["birds"])
    assert row.question == "\ufffd" + "x" * (stored.QUESTION_CHARACTERS - 1)


async def test_there_are_at_most_so_many_corrections_of_a_graph(eng: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MOST", 2)
    monkeypatch.setattr(stored, "UNDONE_KEPT", 3)
    for name in ("one", "two"):
        await eng.teach(GRAPH, name, ["birds"])
    with pytest.raises(EngineError, match="more than 2 corrections") as caught:
        await eng.teach(GRAPH, "three", ["birds"])
    assert "route taught" in caught.value.remedy
    await eng.teach(birds_or_stones(id="graph.other"), "three", ["birds"])
    for _ in range(6):
        await eng.teach(GRAPH, "one", ["stones"])
    rows = await eng.corrections()
    assert len([row for row in rows if row.undone_ms is None]) == 3
    assert len([row for row in rows if row.undone_ms is not None]) == 3, "old undone ones are forgotten"


async def test_what_was_exported_is_imported_elsewhere_once(eng: Engine, tmp_path: Path) -> None:
    await eng.teach(GRAPH, "Flint?", ["birds"])
    await eng.teach(GRAPH, "Gneiss\n\x1b[31m?", ["stones"])
    undone = await eng.teach(GRAPH, "Gone", ["stones"])
    await eng.unteach(undone.id)
    lines = await eng.export_corrections()
    assert [json.loads(line)["question"] for line in lines] == ["Flint?", "Gneiss\n\x1b[31m?"]
    async with engine.open(tmp_path / "elsewhere") as other:
        await other.teach(GRAPH, "Flint?", ["stones"])
        assert await other.import_corrections([*lines, ""]) == 2
        assert await other.import_corrections(lines) == 0
        assert await begun_with(other) == [("Flint?", ("birds",)), ("Gneiss\n\x1b[31m?", ("stones",))]


BAD_LINES = {
    "{": "it is no JSON",
    "[" * 100_000: "it is no JSON",
    "[]": "it is no JSON object",
    '{"router": "r", "question": "q", "labels": ["a"]}': "it has no `graph`",
    '{"graph": "g", "router": "r", "question": " ", "labels": ["a"]}': "it has no `question`",
    '{"graph": "g", "router": "r", "question": "q", "labels": "a"}': "its `labels` are no list",
    '{"graph": "g", "router": "r", "question": "q", "labels": [1]}': "its `labels` are no list",
    json.dumps({"graph": "g" * 201, "router": "r", "question": "q", "labels": ["a"]}): "its `graph` is longer",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: BAD_LINES[line])
async def test_a_bad_line_is_named_and_nothing_is_imported(eng: Engine, line: str) -> None:
    good = '{"graph": "graph.nature", "router": "router", "question": "q", "labels": ["birds"]}'
    with pytest.raises(EngineError) as caught:
        await eng.import_corrections([good, "", line])
    assert caught.value.message.startswith(f"Line 3 is no correction: {BAD_LINES[line]}")
    assert await eng.corrections() == []


async def test_a_router_in_a_sub_graph_is_corrected_by_its_path_and_knows_it_wherever_the_sub_graph_runs(
    eng: Engine,
) -> None:
    outer = make_graph(
        [node("start", "entry"), node("inside", "subgraph", graph_id="nature"), node("end", "exit")],
        [("start", "inside"), ("inside", "end")],
        graphs={"nature": GRAPH.model_dump(mode="json")},
    )
    row = await eng.teach(outer, "Flint?", ["birds"], router="inside#1/router")
    assert (row.graph_id, row.router) == ("graph.nature", "router")
    assert await begun_with(eng, outer) == await begun_with(eng, GRAPH) == [("Flint?", ("birds",))]
    assert await eng.corrections(outer) == await eng.corrections(GRAPH) == [row]


async def test_without_a_store_or_with_one_that_belongs_to_another_process_nothing_is_taught(tmp_path: Path) -> None:
    async with engine.open() as eng:
        with pytest.raises(EngineError, match="There is no store"):
            await eng.teach(GRAPH, "Flint?", ["birds"])
        assert await eng.corrections() == []
    async with engine.open(tmp_path) as eng:
        row = await eng.teach(GRAPH, "Flint?", ["birds"])
    other = Ownership(tmp_path)
    assert other.acquire()
    try:
        async with engine.open(tmp_path) as eng:
            for refused in (eng.teach(GRAPH, "Slate?", ["stones"]), eng.unteach(row.id)):
                with pytest.raises(StoreError, match="open for reading only"):
                    await refused
            assert await begun_with(eng) == [("Flint?", ("birds",))], "what is there counts"
    finally:
        other.release()


async def test_a_correction_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        await eng.teach(GRAPH, "Flint?", ["birds"])
        await eng._storing().write("UPDATE corrections SET labels = '{broken'")
    async with engine.open(tmp_path) as eng:
        assert await eng.corrections() == []
        assert await begun_with(eng) == []
    assert read(tmp_path / FILE_NAME, "SELECT count(*) FROM corrections") == [(1,)]


async def test_a_correction_of_a_run_that_is_gone_is_kept(eng: Engine) -> None:
    ran = await run_in(eng, GRAPH, "Flint?")
    await eng.teach(GRAPH, "Flint?", ["birds"], transaction=ran.result.transaction)
    await run_in(eng, GRAPH, "another")
    await eng.prune(keep=0)
    (row,) = await eng.corrections()
    assert (row.tx, row.number, row.undone_ms) == (ran.result.transaction, None, None)
