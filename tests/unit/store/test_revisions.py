"""Revisions of graphs: kept with the begin of their first run, and longer than any of their runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.graph.spec import GraphSpec
from engine.store import queries
from engine.store.rows import RevisionRow
from tests.running import run_in
from tests.unit.store.rig import Store, begin, note, open_store

HASHES = ("abcd" + "0" * 60, "abce" + "0" * 60, "1234" + "f" * 60)


def echo(version: str = "1.0.0", graph_id: str = "graph.echo") -> GraphSpec:
    return GraphSpec.model_validate(
        {
            "id": graph_id,
            "version": version,
            "nodes": [{"id": "start", "type": "entry"}, {"id": "answer", "type": "exit"}],
            "edges": [{"from_node": "start", "to_node": "answer"}],
        }
    )


def start(store: Store, number: int, hash_: str, graph_id: str = "graph.a") -> ev.Event:
    graph = {"id": graph_id, "version": f"{number}.0.0", "name": f"Graph {number}", "nodes": []}
    body = replace(begin(number), graph=graph, graph_hash=hash_)
    return store.log.append(body, store.log.stream(f"tx{number}"))


async def test_a_revision_is_there_from_its_first_begin_and_counts_its_runs(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        events = [start(store, 1, HASHES[0]), start(store, 2, HASHES[1], "graph.b"), start(store, 3, HASHES[0])]
        await store.log.flush()
        first, second, third = (event.wall_ms for event in events)
        assert {row.hash: row for row in await queries.revisions(store.database)} == {
            HASHES[0]: RevisionRow(HASHES[0], "graph.a", "1.0.0", "Graph 1", first, third, 2),
            HASHES[1]: RevisionRow(HASHES[1], "graph.b", "2.0.0", "Graph 2", second, second, 1),
        }
        (only,) = await queries.revisions(store.database, "graph.b")
        assert only.hash == HASHES[1]
        assert await queries.revisions(store.database, "graph.nobody") == []


async def test_a_begin_that_is_refused_leaves_neither_event_nor_transaction_nor_revision(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        start(store, 1, HASHES[0])
        await store.log.flush()
        start(store, 2, HASHES[0])
        start(store, 1, HASHES[1])  # a number that is taken
        store.log.append(note())
        store.log._patience = 0.0
        with pytest.raises(EngineError):
            await store.log.flush()
        store.log._queue.clear()
        assert [kind for _, kind in store.stored()] == ["begin"]
        assert [(row.hash, row.runs) for row in await queries.revisions(store.database)] == [(HASHES[0], 1)]
        assert len(await queries.transactions(store.database, limit=9)) == 1


@pytest.mark.parametrize("reference", ["abcd", "ABCD0", HASHES[0], " abcd ", "#1", "#tx1"])
async def test_a_revision_is_found_by_its_hash_or_by_a_transaction(tmp_path: Path, reference: str) -> None:
    async with open_store(tmp_path) as store:
        for number, hash_ in enumerate(HASHES, 1):
            start(store, number, hash_)
        await store.log.flush()
        assert (await queries.revision_document(store.database, reference))["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("reference", "says", "remedy"),
    [
        ("abc", "no revision", "graph history"),
        ("ffff", "no revision", "graph history"),
        ("ab%d", "no revision", "graph history"),
        ("", "no revision", "graph history"),
        ("xyzxyz", "no revision", "graph history"),
        ("0" * 65, "no revision", "graph history"),
        ("#9", "no transaction", "tx list"),
        ("#", "no transaction", "tx list"),
    ],
)
async def test_what_names_no_revision_is_told_with_the_remedy(
    tmp_path: Path, reference: str, says: str, remedy: str
) -> None:
    async with open_store(tmp_path) as store:
        start(store, 1, HASHES[0])
        await store.log.flush()
        with pytest.raises(EngineError) as caught:
            await queries.revision_document(store.database, reference)
        assert caught.value.error_class is ErrorClass.NOT_FOUND
        assert says in caught.value.message
        assert remedy in caught.value.remedy


async def test_a_beginning_that_several_hashes_have_is_ambiguous(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        start(store, 1, "abcd1" + "0" * 59)
        start(store, 2, "abcd2" + "0" * 59)
        await store.log.flush()
        with pytest.raises(EngineError) as caught:
            await queries.revision_document(store.database, "abcd")
        assert "several" in caught.value.message
        assert "more digits" in caught.value.remedy


async def test_revisions_outlive_the_transactions_that_used_them(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            await run_in(eng, echo(version))
    config = EngineConfig(keep_transactions=1)
    async with engine.open(tmp_path, config=config) as eng:
        while len(rows := await eng.transactions()) > 1:  # retention runs beside the start
            await eng.prune(keep=1)
        assert [row.number for row in rows] == [3]
        assert [row.version for row in await eng.graph_history("graph.echo")] == ["1.2.0", "1.1.0", "1.0.0"]
        assert await eng.graph_revision(echo("1.0.0").content_hash()) == echo("1.0.0")


async def test_a_run_that_fails_has_its_revision_too(tmp_path: Path) -> None:
    strict = echo().model_copy(update={"nodes": [echo().nodes[0].model_copy(update={"config": required()})]})
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, strict)
        assert ran.result.status == "rolled_back"
        (row,) = await eng.graph_history()
        assert (row.hash, row.runs) == (strict.content_hash(), 1)
        assert await eng.graph_revision(f"#{ran.result.number}") == strict


def required() -> object:
    from engine.graph.spec import EntryConfig

    return EntryConfig(required_fields=["ticket"])


async def test_a_revision_with_fields_of_a_newer_program_is_one_clear_error(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        await run_in(eng, echo())
        assert eng._recording is not None
        await eng._recording.write("""UPDATE graph_revisions SET spec = '{"id": "graph.x", "teleport": true}'""")
        with pytest.raises(EngineError) as caught:
            await eng.graph_revision("#1")
        assert caught.value.code == "revision_unreadable"
        assert "'#1'" in caught.value.message
        assert caught.value.remedy


async def test_without_a_store_there_is_no_history(tmp_path: Path) -> None:
    async with engine.open() as eng:
        await run_in(eng, echo())
        assert await eng.graph_history() == []
        with pytest.raises(EngineError) as caught:
            await eng.graph_revision("#1")
        assert "--data-dir" in caught.value.remedy
