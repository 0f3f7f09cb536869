"""Every benchmark still runs, in its short form, and comes to figures. How large they are is not tested here."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
from pathlib import Path

import pytest

import engine
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.run.plan import make_plan
from tests.benchmarks import cancellation, durable_peers, peers, report
from tests.benchmarks.chains import chain, with_tasks
from tests.benchmarks.measure import Figure, alternate, spread
from tests.benchmarks.suite import BENCHMARKS, load
from tests.benchmarks.write_ahead_log import commits_in

SIDE_BY_SIDE = {"peers", "durable_peers"}
"""Without budgets; those that are not installed are not measured."""
EXPLAINING = {"admission", "streamed_chunks", "parallel_requests"}
"""Without budgets too: what they show is a price, or a ratio."""
EMBEDDED = {"overhead", "embedded_model", "parallel_requests"}
"""Run the real model."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.embedded] * (name in EMBEDDED)) for name in BENCHMARKS]
)
def test_benchmark_comes_to_figures(name: str) -> None:
    figures = load(name)(True)
    assert name in SIDE_BY_SIDE | EXPLAINING or any(figure.budget is not None for figure in figures)
    for figure in figures:
        assert figure.how
        if figure.measured is None:
            assert name in SIDE_BY_SIDE
            continue
        assert figure.measured.count >= 1
        assert figure.value is not None
        assert math.isfinite(figure.value)
        assert figure.baseline is None or (figure.baseline.median > 0 and figure.against)


def test_every_peer_has_its_rows_or_one_that_says_that_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = "Burr"
    monkeypatch.setattr(peers, "_look", lambda: ({}, [absent]))
    figures = peers.run(True)
    ours = [figure for figure in figures if peers.OURS in figure.what]
    assert len(ours) == 2 * len(peers.SHORT)
    assert all(figure.measured is not None for figure in ours)
    (missing,) = [figure for figure in figures if absent in figure.what]
    assert missing.measured is None
    assert missing.within is None
    page = report.markdown(figures)
    assert "| side by side: Burr |  | not measured |" in page
    assert "not installed; `uv run --group peers" in page
    assert "side by side: Burr: not measured" in "\n".join(report.lines([missing]))


def test_peers_with_stores_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_peers, "_look", lambda: ({}, ["LangGraph", "Burr"]))
    monkeypatch.setattr(durable_peers, "syncs_per_step", lambda _contender, _steps: 0.5)
    figures = durable_peers.run(True)
    missing = [figure.what for figure in figures if figure.measured is None]
    assert missing == ["durable, side by side: LangGraph", "durable, side by side: Burr"]
    settings = [figure.how for figure in figures if "syncs per node" in figure.what]
    assert len(settings) == 2
    assert all("journal_mode=WAL, synchronous=FULL" in how for how in settings)


def test_commits_are_counted_in_the_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = tmp_path / "a.db-wal"
    assert commits_in(log) == 0
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        for count in range(2, 9):
            connection.execute("INSERT INTO t VALUES (zeroblob(9000))")  # several pages, one commit
            assert commits_in(log) == count
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(100)])
        connection.execute("COMMIT")
        assert commits_in(log) == 9
        connection.execute("PRAGMA wal_checkpoint")
        connection.execute("INSERT INTO t VALUES (1)")  # begins again at the head of the file, others stand behind it
        assert commits_in(log) == 1


@pytest.mark.parametrize("shape", ["chain", "fan-out"])
async def test_cancelling_runs_in_flight_leaves_no_task(shape: str) -> None:
    node = cancellation.Waiting()
    plan, tasks = dict(zip(["chain", "fan-out"], cancellation.waiting_plans(node), strict=True))[shape]
    async with engine.open() as eng:
        _, left = await cancellation.seconds_to_cancel(eng, plan, node, 30, tasks)
        assert left == 0
        assert not eng._runs


async def test_a_task_that_a_cancelled_run_leaves_is_counted() -> None:
    node = cancellation.Waiting()
    leaked: list[asyncio.Task[bool]] = []

    class Leaking:
        async def run(self, ctx: NodeContext, message: Message) -> Outcome:
            leaked.append(asyncio.create_task(asyncio.Event().wait()))
            return await node.run(ctx, message)

    plan = with_tasks(make_plan(chain(1)), {"n0": Leaking()})
    async with engine.open() as eng:
        _, left = await cancellation.seconds_to_cancel(eng, plan, node, 3, 1)
    assert left == len(leaked) == 3
    for task in leaked:
        task.cancel()
    await asyncio.gather(*leaked, return_exceptions=True)


def test_samples_are_taken_in_turns_after_a_warm_up() -> None:
    taken: list[str] = []

    def take(name: str, value: float) -> float:
        taken.append(name)
        return value

    first, second = alternate(2, lambda: take("a", 1.0), lambda: take("b", 2.0))
    assert (first, second) == ([1.0, 1.0], [2.0, 2.0])
    assert taken == ["b", "a", "a", "b", "b", "a"]  # the first two are the warm-up


def test_report_names_budget_figure_spread_baseline_and_ratio() -> None:
    samples = [3e-6 + n * 1e-7 for n in range(100)]
    figure = Figure("a thing", "us", spread(samples), "so and so", 5e-6, spread([2e-6]), "nothing", "p95")
    page = report.markdown([figure])
    assert "| a thing | <= 5.00 us | p95 12.5 us (median 7.95 us) |" in page
    assert "| 5.48 us to 10.4 us, n=100 |" in page
    assert "(median 2.00 us): nothing | 4.0 |  | **no** | so and so |" in page


@pytest.mark.parametrize(
    ("unit", "slowness", "kept"),
    [("us", None, "**no**"), ("us", 1.9, "**no**"), ("us", 2.1, "at reference speed"), ("x", 3.0, "**no**")],
)
def test_a_time_that_is_over_its_budget_on_a_slow_machine_is_said_to_be_so(
    unit: str, slowness: float | None, kept: str
) -> None:
    figure = Figure("a thing", unit, spread([10e-6]), "so and so", 5e-6, slowness=slowness)
    assert report.kept(figure) == kept
    assert figure.within is False
