"""Steering the processes of the state machine of transactions: opening, ending and killing engines, and finding out
which of the states that a crash may leave it left."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from engine import events as ev
from engine.run.engine import Engine
from tests.properties.steered import PATIENCE_S, Blade, World
from tests.properties.transactions_figures import Figures
from tests.properties.transactions_model import Asked, Files

T = TypeVar("T")


class Steering(RuleBasedStateMachine):
    """What the model remembers, and how it follows an engine from one process to the next."""

    figures: ClassVar[Figures] = Figures()

    def __init__(self) -> None:
        super().__init__()
        self.figures.examples += 1
        self._loop = asyncio.Runner()
        self._folder = Path(tempfile.mkdtemp(prefix="tinyllm-machine-"))
        self.world = World(self._folder)
        self.base: dict[str, str] = {}
        """Files as committed runs left them."""
        self.runs: list[Asked] = []
        """Those that have not ended."""
        self.ends: dict[str, str] = {}
        """Transaction -> how it was told to have ended, of those that are in the store."""
        self.numbers: dict[str, int] = {}
        self.parents: dict[str, str] = {}
        """Fork -> parent."""
        self.turns: list[str] = []
        """Transactions whose turns are in the session."""
        self.names: dict[str, str] = {}
        """Transaction -> the word by which its question is told from others."""
        self.remembered: set[str] = set()
        """Transactions of which there is a memory."""
        self.files_of: dict[str, list[bytes]] = {}
        """Transaction -> lines of its export."""
        self.session = ""
        self.count = 0
        self._do(self._open("resume", "grouped", Blade()))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        async def in_time() -> T:
            async with asyncio.timeout(2 * PATIENCE_S):
                return await work

        return self._loop.run(in_time())

    @property
    def engine(self) -> Engine:
        assert self.world.engine is not None
        return self.world.engine

    @property
    def database(self) -> Path:
        return self._folder / "data" / "tinyllm.db"

    def is_open(self) -> bool:
        return self.world.engine is not None

    def going_on(self, kind: str = "") -> list[Asked]:
        """Runs that somebody works on."""
        if not self.is_open():
            return []
        return [each for each in self.runs if each.run is not None and kind in ("", each.kind)]

    # -- processes -----------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        going_on = self.going_on()
        self._do(self.world.close())
        for each in going_on:
            each.went(each.now.ended("rolled_back"))
            self._ended(each)

    def _crashed(self) -> None:
        self.figures.crashes += 1
        for each in self.runs:
            each.run = None

    async def _open(self, mode: str, durability: str, blade: Blade) -> None:
        opened = await self.world.open({"recovery": mode, "durability": durability}, blade)
        if opened:
            self.world.blade.left = None
        else:
            self.figures.crashes_opening += 1
            self.figures.crashes += 1
            if mode == "roll_back":  # any of them may have been, and nobody was told
                for each in self.runs:
                    each.went(each.now.ended("rolled_back"))
            return
        if not self.session:
            self.session = (await self.engine.create_session("ours")).id
        await self._take_over(mode)

    async def _take_over(self, mode: str) -> None:
        """What was found must be something that the crash may have left."""
        rows = {row.tx: row for row in await self.engine.transactions(limit=10_000)}
        resumed = {run.transaction: run for run in self.engine.resumed}
        self.figures.resumed += len(resumed)
        self.figures.rolled_back_at_start += len(self.engine.recovered)
        self.figures.left += len(self.engine.left)
        assert {row.tx for row in self.engine.left} | set(resumed) <= {each.tx for each in self.runs}
        for each in list(self.runs):
            if each.tx not in rows:
                assert not each.begun, "an acknowledged begin is lost"
                self.runs.remove(each)
                continue
            each.begun, each.run = True, resumed.get(each.tx)
            if each.run is not None:
                run, name = each.run, each.name
                assert await self.world.unless_killed(lambda run=run, name=name: self.world.rests(name, run))
                await self._found(each, (await run.result()).status if run.done else "executing")
            elif rows[each.tx].status != "executing":
                if mode == "roll_back" and rows[each.tx].status == "rolled_back":
                    each.went(each.now.ended("rolled_back"))
                await self._found(each, rows[each.tx].status)
            else:
                assert mode == "leave"
        self._states_that_are_not_stored(await self._stored_lengths(rows))

    async def _found(self, asked: Asked, status: str) -> None:
        """Which of the possible states it is, by what the executor knows and by the files."""
        there = self.world.files()
        found = [each for each in asked.possible if each.status == status]
        if status == "executing":
            place = self._place_of(asked.tx)
            found = [each for each in found if each.place == place]
        assert found, f"{asked.name} is {status}, which none of {asked.possible} is"
        fitting = [each for each in found if all(there.get(n) == self._seen(each.files, n) for n in asked_files(asked))]
        assert fitting, f"{asked.name} left {there}, which fits none of {found}"
        asked.is_at(fitting[-1])
        if status != "executing":
            self._ended(asked)

    def _place_of(self, tx: str) -> tuple[Any, ...]:
        state = self.world.live[tx].state
        waiting = frozenset(node for node, _ in state.frontier)
        visits = state.visits.get("work", 0) if waiting == {"work"} else 0
        return ("executing", waiting, visits, state.retries.get("decide", 0), state.variables)

    async def _stored_lengths(self, rows: dict[str, Any]) -> dict[str, int]:
        await self.engine._log.flush()
        return {tx: sum(each.tx is not None for each in await self.engine.events(tx)) for tx in rows}

    def _states_that_are_not_stored(self, lengths: dict[str, int]) -> None:
        """The ends of logs that the crash took away were never lived through."""
        for tx, states in self.world.states.items():
            for seq in [seq for seq in states if seq > lengths.get(tx, 0)]:
                del states[seq]

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def _call(self, function: Any) -> None:
        """Do something inside the loop."""
        function()

    async def _under(self, blade: Blade, work: Coroutine[Any, Any, T]) -> T | None:
        """Do something that may be cut short; None where it was."""
        self.world.blade = blade
        task = asyncio.create_task(work)
        return await task if await self.world.unless_killed(task.done) else None

    def _come_to_rest(self, asked: Asked, blade: Blade) -> None:
        """Wait until a run rests, or its process has ended."""
        run = asked.run
        assert run is not None
        if not self._do(self.world.unless_killed(lambda: self.world.rests(asked.name, run))):
            self.figures.crashes_inside += 1
            self._do(self.world.kill())
            self._crashed()
            return
        self.world.blade.left = None
        asked.begun = True
        status = self._do(run.result()).status if run.done else "executing"
        assert status == asked.now.status, self._do(run.result()) if run.done else asked.now
        if run.done:
            self._ended(asked)
        else:
            assert (place := self._place_of(asked.tx)) == asked.now.place, (place, asked.now)

    def _ended(self, asked: Asked) -> None:
        """Its end was told: it stands from now on."""
        state = asked.now
        if state.status == "committed":
            self.figures.commits += 1
            merged = {**self.base, **state.files}
            self.base = {name: text for name, text in merged.items() if text is not None}
            self.turns += [asked.tx] if asked.session else []
        else:
            self.figures.rollbacks += 1
        self.ends[asked.tx] = state.status
        self.runs.remove(asked)

    # -- what rules and invariants share -------------------------------------------------------------------------------

    def _seen(self, files: Files, name: str) -> str | None:
        return files[name] if name in files else self.base.get(name)

    def _own_events(self, tx: str) -> list[ev.Event]:
        return [event for event in self._do(self.engine.events(tx)) if event.tx is not None]

    def _going_on_ids(self) -> list[str]:
        return [each.tx for each in self.runs]

    def _flush(self) -> None:
        self._do(self.engine._log.flush())
        for each in self.going_on():
            each.durable = len(each.history) - 1


def asked_files(asked: Asked) -> set[str]:
    """All files that a run ever touched."""
    return {name for state in asked.history for name in state.files}
