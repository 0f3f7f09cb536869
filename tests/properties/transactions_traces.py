"""What a transaction leaves in its session, in the search, in long-term memory and in what later runs are told: all of
it where it committed, and nothing where it was rolled back."""

from __future__ import annotations

import re

from hypothesis.stateful import precondition, rule

from engine import events as ev
from engine.errors import EngineError
from tests.properties.transactions_rules import picks
from tests.properties.transactions_steering import Steering

_NAME = re.compile(r"run-\d+")
ALL = 10_000


class Traces(Steering):
    """Rules that look for traces; `remember` leaves one."""

    @precondition(lambda self: self.is_open() and bool(self.ends or self.runs))
    @rule(pick=picks)
    def remember(self, pick: int) -> None:
        """What comes from a run is remembered only if it committed."""
        known = [*self.ends, *self._going_on_ids()]
        tx = known[pick % len(known)]
        committed = self.ends.get(tx) == "committed"
        text = f"remembered of {self._own_name(tx)}"
        try:
            row = self._do(self.engine.remember(text, "fact", transaction=tx))
        except EngineError as error:
            if committed or error.code != "transaction_not_committed":
                raise
            return
        assert committed, "a run that did not commit left a memory"
        assert row.tx == tx
        self.remembered.add(tx)
        self.figures.remembered += 1

    @precondition(lambda self: self.is_open())
    @rule()
    def look_for_traces(self) -> None:
        """Session, search and memory have what committed runs left, and nothing else."""
        said = [tx for tx in self.turns for _ in range(2)]
        assert [row.tx for row in self._do(self.engine.session_history(self.session))] == said
        hits = self._do(self.engine.search_sessions("run", ALL))
        assert sorted(hit.tx for hit in hits if hit.role == "user") == sorted(self.turns)
        assert {row.tx for row in self._do(self.engine.memories(ALL))} == self.remembered
        found = self._do(self.engine.search_memories("remembered run", ALL))
        assert {row.tx for row in found} == self.remembered
        self.figures.rolled_back_looked_for += sum(status == "rolled_back" for status in self.ends.values())

    def _told_of_committed_runs_only(self, tx: str) -> None:
        """What a run that has just begun is told of: its own question, and what was committed before."""
        events = self._do(self.engine.events(tx))
        begin = events[0].body
        assert isinstance(begin, ev.Begin)
        (own,) = _NAME.findall(begin.question)
        committed = {self._own_name(each) for each in self.turns}
        assert [_NAME.findall(content)[0] for role, content in begin.history if role == "user"] == [
            self._own_name(each) for each in self.turns
        ]
        known = {self._own_name(each) for each in self.remembered}
        assert {name for each in begin.recalled for name in _NAME.findall(each.text)} <= known
        self.figures.recalled += len(begin.recalled)
        asked = [body for body in (event.body for event in events) if isinstance(body, ev.ModelStarted)]
        told = {name for body in asked for _, content in body.messages for name in _NAME.findall(content)}
        assert told <= committed | known | {own}, "a model is told of a run that was rolled back"
        gone = [text for event in events if isinstance(event.body, ev.ContextPruned) for text in event.body.removed]
        assert {name for text in gone for name in _NAME.findall(text)} <= committed | known | {own}

    def _own_name(self, tx: str) -> str:
        return self.names[tx]
