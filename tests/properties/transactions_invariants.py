"""What holds after every step of the state machine of transactions, and what is restored from the store must be."""

from __future__ import annotations

import pickle
import shutil
import time
from collections.abc import Sequence

from hypothesis.stateful import invariant, precondition, rule

from engine import events as ev
from engine.run.state import RunState, apply
from engine.store.deep_check import examine
from tests.properties.steered import Blade
from tests.properties.transactions_rules import picks
from tests.properties.transactions_steering import Steering, asked_files

SETTLING = (ev.Resumed, ev.AttemptAbandoned, ev.Compensating, ev.Compensated, ev.RollingBack)
"""All that may be said of a resumed run before the calls without an outcome are taken back."""


class Invariants(Steering):
    """Looks at everything, and changes nothing."""

    @invariant()
    def every_acknowledged_end_stands_in_the_store(self) -> None:
        if not self.is_open():
            return
        rows = {row.tx: row.status for row in self._do(self.engine.transactions(limit=10_000))}
        assert rows == {**self.ends, **{each.tx: "executing" for each in self.runs}}
        turns = self._do(self.engine.session_messages(self.session))
        assert [tx for _, _, tx in turns] == [tx for tx in self.turns for _ in range(2)]

    @invariant()
    def the_world_is_as_the_model_says(self) -> None:
        if not self.is_open():
            return
        expected: dict[str, str | None] = dict(self.base)
        in_doubt: dict[str, set[str | None]] = {}
        for each in self.runs:
            expected.update(each.now.files)
            if each.run is None:
                in_doubt |= {name: {*each.ever(name), self.base.get(name)} for name in asked_files(each)}
        there = self.world.files()
        assert all(there.get(name) in values for name, values in in_doubt.items()), (there, in_doubt)
        certain = {name: text for name, text in expected.items() if text is not None and name not in in_doubt}
        assert {name: text for name, text in there.items() if name not in in_doubt} == certain
        assert self.world.copies() <= {each.tx for each in self.runs}

    @precondition(lambda self: self.is_open() and bool(self.ends or self.runs))
    @rule(pick=picks)
    def restore(self, pick: int) -> None:
        """The states of one run, restored from the store, are those that its executor had."""
        known = [*self.ends, *self._going_on_ids()]
        self._restore(known[pick % len(known)])

    def _restore(self, tx: str) -> None:
        self._do(self.engine._log.flush())
        events = self._own_events(tx)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        check_visits(events)
        state, lived = RunState(), self.world.states.get(tx, {})
        resumed = False
        for event in events:
            if isinstance(event.body, ev.Resumed):
                resumed = True
                self.figures.settled += len(state.effects.unfinished())
            elif resumed and not isinstance(event.body, SETTLING):
                resumed = False
                assert not state.effects.unfinished(), "it goes on upon what nobody knows of"
            apply(state, event)
            if event.seq in lived:
                assert pickle.loads(lived[event.seq]) == state, f"after event {event.seq}"
                self.figures.states += 1
        assert state.terminal == (tx in self.ends)
        view = self._do(self.engine.view(tx))
        assert view.status == self.ends.get(tx, "executing")
        assert not view.uncompensated
        parent = self.parents.get(tx)
        self.figures.orphans += parent is not None and parent not in self.ends and parent not in self._going_on_ids()

    def teardown(self) -> None:
        began = time.monotonic()
        try:
            if not self.is_open():
                self._do(self._open("roll_back", "grouped", Blade()))
            for tx in [*self.ends, *self._going_on_ids()]:
                self._restore(tx)
            self._close()
            report = examine(self.database)
            assert report.sound, report.problems
            assert report.transactions == len(self.ends) + len(self.runs)
        finally:
            self.world.remove()
            self._loop.close()
            shutil.rmtree(self._folder)
            self.figures.seconds += time.monotonic() - began


def check_visits(events: Sequence[ev.Event]) -> None:
    """The number of a visit names it for good: after it ended, or was taken back, no other one begins under it."""
    over: set[tuple[str, int]] = set()
    under_way: set[tuple[str, int]] = set()
    for event in events:
        match event.body:
            case ev.NodeStarted(path=path, visit=visit):
                assert (path, visit) not in over, f"a second visit {visit} of {path}"
                under_way.add((path, visit))
            case ev.NodeFinished(path=path, visit=visit):
                over.add((path, visit))
            case ev.Rewound():
                over |= under_way
