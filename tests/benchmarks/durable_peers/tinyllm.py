"""This engine with its store: `grouped` (all within 100 ms, begin and end before they are told) and `strict`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from engine.config import Durability
from engine.run.engine import Engine
from engine.run.plan import Plan
from tests.benchmarks.chains import plan_of
from tests.benchmarks.durable import opened
from tests.benchmarks.durable_peers.contender import ANSWER, QUESTION, Contender, Stored, Timed, settings_text
from tests.benchmarks.growing import growing_plan, message


def contenders(label: str) -> list[Contender]:
    grouped = "steps are on disk within 100 ms, the end before it is told"
    strict = "every event is on disk before anybody sees it; nodes without effects go on meanwhile"
    return [
        Contender(label, "`grouped`", grouped, "grouped", partial(_opened, "grouped")),
        Contender(label, "`strict`", strict, "strict", partial(_opened, "strict")),
    ]


def _opened(durability: Durability, folder: Path) -> AbstractAsyncContextManager[Stored]:
    return _open(durability, folder)


@asynccontextmanager
async def _open(durability: Durability, folder: Path) -> AsyncIterator[Stored]:
    async with opened(folder, durability) as eng:
        yield _Stored(eng)


class _Stored(Timed):
    def __init__(self, eng: Engine) -> None:
        self._engine = eng
        self._chains: dict[int, Plan] = {}

    async def prepare(self, size: int) -> None:
        self._chains.setdefault(size, plan_of(size, tasks=False))

    async def run_chain(self, size: int) -> None:
        await self.prepare(size)
        assert await self._answer(self._chains[size]) == ANSWER

    async def run_growing(self, steps: int) -> None:
        assert await self._answer(growing_plan(steps)) == message(steps)

    async def _answer(self, plan: Plan) -> str:
        self._engine._plans[plan.content_hash] = plan  # how a plan made by hand gets in
        result = await self._engine.start(plan.graph, QUESTION).result()
        assert result.status == "committed", result
        return result.text

    async def settings(self) -> str:
        assert self._engine._database is not None
        writer = self._engine._database._writer
        found = [list(await writer.execute_fetchall(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")]
        return settings_text(*(rows[0][0] for rows in found))
