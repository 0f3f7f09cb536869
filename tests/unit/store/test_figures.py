"""Health figures: which runs count, what a percentile is, and what is read of a store."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine import events as ev
from engine.store.approvals import read_approvals
from engine.store.database import Database
from engine.store.figures import Spread, figures, percentile, runs_of, spread
from engine.store.queries import engine_events, transactions
from engine.store.samples import CallSample, RunSample, Samples, VisitSample, read_samples
from tests.recorded_runs import Say, graph, node, record
from tests.unit.store.rig import FILE


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    database = await Database.open(folder)
    try:
        yield database
    finally:
        await database.close()


def run(
    number: int, status: str = "committed", exit_: str | None = "success", reason: str = "", opened: int = 0
) -> RunSample:
    return RunSample(number, f"tx-{number}", "graph.a", status, exit_, reason, "?", 0, 10, opened)


def call(number: int, **fields: object) -> CallSample:
    known = {"failed": False, "fallback": False, "cached": False, "tokens": 80}
    times = {"duration_ms": 1000, "first_token_ms": 200}
    return CallSample(number, "graph.a", "work", "m", **(known | times | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "p50", "p95", "p99"),
    [([5.0], 5, 5, 5), ([1.0, 2.0], 1, 2, 2), ([float(n) for n in range(1, 101)], 50, 95, 99)],
)
def test_a_percentile_is_the_nearest_rank(values: list[float], p50: float, p95: float, p99: float) -> None:
    assert [percentile(values, each) for each in (50, 95, 99)] == [p50, p95, p99]
    assert spread(reversed(values)) == Spread(len(values), p50, p95, p99)


def test_of_speeds_a_high_percentile_is_a_slow_one() -> None:
    found = spread([float(n) for n in range(1, 101)], high_is_good=True)
    assert found == Spread(100, 51, 6, 2)
    assert spread([]) is None


def test_rates_leave_out_what_a_person_stopped_and_count_each_way_to_end() -> None:
    runs = (
        run(1), run(2, exit_="fallback", opened=2), run(3, "rolled_back", None, "failed"),
        run(4, "rolled_back", None, "cancelled"), run(5, "rolled_back", None, "interrupted"),
    )  # fmt: skip
    found = figures(Samples(runs))
    assert (found.runs, found.stopped, found.committed, found.succeeded) == (3, 2, 2, 1)
    assert (found.fallbacks, found.failed, found.tripped) == (1, 1, 1)
    assert found.rate(found.committed) == pytest.approx(2 / 3)
    assert figures(Samples()).rate(0) is None


def test_failed_and_cached_calls_are_counted_and_are_in_no_percentile() -> None:
    calls = (call(1), call(1, failed=True, duration_ms=0, fallback=True), call(2, cached=True, duration_ms=1))
    visits = (VisitSample(1, "graph.a", "work", "failed", 9000), VisitSample(2, "graph.a", "work", "ok", 700))
    found = figures(Samples((run(1), run(2)), visits, calls))
    (model,), (node_,) = found.models, found.nodes
    assert (model.count, model.failed, model.cached, model.runs) == (3, 1, 1, 2)
    assert model.duration == Spread(1, 1000, 1000, 1000)
    assert model.speed == Spread(1, 100, 100, 100)
    assert (node_.count, node_.failed, node_.duration, node_.series) == (2, 1, Spread(1, 700, 700, 700), (None, 700))


def test_a_model_narrows_the_runs_to_those_that_called_it_and_the_runs_of_a_part_are_failed_then_slow_first() -> None:
    calls = (call(1, duration_ms=10), call(2, duration_ms=30), call(3, failed=True))
    samples = Samples(tuple(run(n) for n in range(1, 6)), (), calls)
    found = figures(samples, model="m")
    assert found.runs == 3
    assert [each.run.number for each in runs_of(samples, found.models[0])] == [3, 2, 1]
    assert figures(samples, model="other").runs == 0


async def test_samples_are_of_the_newest_runs_and_those_of_a_graph(tmp_path: Path) -> None:
    def failing(say: Say, number: int) -> None:
        say(ev.Begin(graph=graph("a"), graph_hash="a", question="Why?", session=None, number=number))
        node(say, "loop#1/revise", 30)
        node(say, "loop#2/revise", 50)
        for key in ("server m", "graph.a/work", "graph.b/work"):
            scope: ev.BreakerScope = "endpoint" if key == "server m" else "node"
            say(ev.BreakerChanged(ev.BreakerSnapshot(key, scope, "open"), "closed"))
        say(ev.BreakerChanged(ev.BreakerSnapshot("server m", "endpoint", "open", failures=4), "open"))
        say(ev.RolledBack(reason="failed"))

    await record(tmp_path, 30)
    await record(tmp_path, [failing])
    async with opened(tmp_path) as database:
        samples = await read_samples(database, 5)
        assert [each.number for each in samples.runs] == [27, 28, 29, 30, 31]
        last = samples.runs[-1]
        assert (last.opened, last.graph, last.reason, last.stopped) == (2, "graph.a", "failed", False)
        assert [(v.path, v.duration_ms) for v in samples.visits if v.run == 31] == [
            ("loop/revise", 30), ("loop/revise", 50),
        ]  # fmt: skip
        quick = await read_samples(database, 100, "graph.quick")
        assert {each.graph for each in quick.runs} == {"graph.quick"}
        assert len(quick.runs) == 10
        assert [each.number for each in await transactions(database, limit=3, before=30)] == [29, 28, 27]
        assert isinstance((await engine_events(database, 2))[-1].body, ev.BreakerChanged)
    assert (await empty(tmp_path / "new")) == Samples()


async def empty(folder: Path) -> Samples:
    async with opened(folder) as database:
        return await read_samples(database, 100)


async def test_what_cannot_be_read_is_in_no_sample(tmp_path: Path) -> None:
    await record(tmp_path, 4)
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("UPDATE events SET body = '{' WHERE kind = 'node_finished' AND tx = 'tx-2'")
    file.close()
    async with opened(tmp_path) as database:
        samples = await read_samples(database, 10)
    assert len(samples.runs) == 4
    assert 2 not in {visit.run for visit in samples.visits}


async def test_requests_to_a_person_are_read_with_their_answers_the_newest_first(tmp_path: Path) -> None:
    def asking(say: Say, number: int) -> None:
        say(ev.Begin(graph=graph("a"), graph_hash="a", question="Why?", session=None, number=number))
        say(
            ev.ApprovalAsked(
                path="save", visit=1, step=1, question="Writes a file.", tool="file_write", arguments='{"path": "a"}',
                arguments_hash="h", effect="reversible",
            )
        )  # fmt: skip
        if number == 1:
            say(ev.ApprovalAnswered(path="save", visit=1, step=1, allowed=True, by="person", arguments_hash="h"))
            say(ev.Committed(exit="success", exit_node="e", text=""))

    await record(tmp_path, [asking, asking])
    async with opened(tmp_path) as database:
        newest, first = await read_approvals(database, 10)
    assert (newest.number, newest.answer, first.number, first.answer, first.by) == (2, "", 1, "yes", "person")
    assert (first.tool, first.arguments, first.effect) == ("file_write", '{"path": "a"}', "reversible")
