"""What the state machine of transactions does to the store: flush, prune, export, import."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from engine import events as ev
from engine.errors import EngineError
from engine.store.deep_check import examine
from tests.properties.steered import Blade
from tests.properties.transactions_rules import blades, picks
from tests.properties.transactions_steering import Steering

limits = st.one_of(st.tuples(st.just("keep"), st.integers(0, 3)), st.tuples(st.just("share"), st.floats(0, 1)))
"""How many finished runs are kept, or how much of the file."""


class StoreRules(Steering):
    """Rules about all that is in the store."""

    @precondition(lambda self: self.going_on())
    @rule()
    def flush(self) -> None:
        """What is on disk stays, whatever happens."""
        self._flush()

    @precondition(lambda self: self.is_open() and len(self.ends) > 1)
    @rule(limit=limits, blade=blades)
    def prune(self, limit: tuple[str, float], blade: Blade) -> None:
        """Remove the oldest; all others are afterwards, event for event, what they were before."""
        self._flush()
        before = self._all_events()
        finished = self._finished_but_the_latest()
        name, value = limit
        size = self.database.stat().st_size
        given = {"keep": int(value)} if name == "keep" else {"max_bytes": int(value * size)}
        report = self._do(self._under(blade, self.engine.prune(**given)))
        if report is None:  # any of them may be gone
            self._do(self.world.kill())
            self._do(self._forget_those_that_are_gone(finished, before))
            self._crashed()
            return
        self.world.blade.left = None
        victims = finished[: len(report.numbers)]
        if name == "keep":
            spared = int(value) - (self._latest() in self.ends)
            assert len(victims) == max(len(finished) - max(spared, 0), 0)
        assert list(report.numbers) == [self.numbers[tx] for tx in victims]
        self._forget(victims)
        if victims:
            self._same_events(before, self._all_events())
            assert (deep := examine(self.database)).sound, deep.problems

    def _latest(self) -> str:
        return max([*self.ends, *self._going_on_ids()], key=lambda tx: self.numbers[tx])

    def _finished_but_the_latest(self) -> list[str]:
        """What may be pruned, oldest first; numbers go on from the latest of all, which stays."""
        latest = self._latest()
        return sorted((tx for tx in self.ends if tx != latest), key=lambda tx: self.numbers[tx])

    async def _forget_those_that_are_gone(self, finished: list[str], before: dict[str, list[ev.Event]]) -> None:
        """A prune that was cut short removed some of these, and of others nothing."""
        assert await self.world.open({"recovery": "leave"}, Blade())
        there = {row.tx for row in await self.engine.transactions(limit=10_000)}
        self._forget([tx for tx in finished if tx not in there])
        self._same_events(before, {tx: await self.engine.events(tx) for tx in there & before.keys()})
        await self.world.kill()

    def _forget(self, victims: list[str]) -> None:
        self.figures.pruned += len(victims)
        for tx in victims:
            del self.ends[tx]

    def _all_events(self) -> dict[str, list[ev.Event]]:
        """Transaction -> its events and the engine's own in its span."""
        return {tx: self._do(self.engine.events(tx)) for tx in [*self.ends, *self._going_on_ids()]}

    def _same_events(self, before: dict[str, list[ev.Event]], after: dict[str, list[ev.Event]]) -> None:
        for tx in [*self.ends, *self._going_on_ids()]:
            known, found = before[tx], after[tx]
            assert (found if tx in self.ends else found[: len(known)]) == known, "pruning changed a run that is kept"
            self.figures.kept += 1

    @precondition(lambda self: self.is_open() and bool(self.ends))
    @rule(pick=picks)
    def export(self, pick: int) -> None:
        tx = list(self.ends)[pick % len(self.ends)]

        async def lines() -> list[bytes]:
            return [line async for line in self.engine.export(tx)]

        self.files_of[tx] = self._do(lines())

    @precondition(lambda self: self.is_open() and bool(self.files_of))
    @rule(pick=picks)
    def bring_back(self, pick: int) -> None:
        """Import what was exported; it is refused while a run goes on, and where it is there already."""
        tx = list(self.files_of)[pick % len(self.files_of)]
        try:
            row = self._do(self.engine.import_run(self.files_of[tx]))
        except EngineError as refused:
            if refused.remedy and (tx in self.ends or self.going_on()):
                return
            raise
        assert tx not in self.ends
        assert not self.going_on()
        self.figures.imported += 1
        self.ends[tx], self.numbers[tx] = row.status, row.number
        assert row.number > max([0, *(self.numbers[other] for other in self.ends if other != tx)])
        self.world.states.pop(tx, None)  # it was restored from a file, not lived through
