"""What the state machine of transactions does to runs and to processes: begin, operate, checkpoint, rewind, roll back,
commit, fork, crash, reopen."""

from __future__ import annotations

import pickle

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from engine import events as ev
from engine.models.protocol import Chunk
from engine.run.fork import make_fork
from engine.run.run import Run
from engine.run.state import RunState, apply
from tests.approvers import Person, yes
from tests.properties.steered import CALLS, PLACES, Blade, pair, single
from tests.properties.transactions_model import Asked, State, first_state, state_of_fork, tool_call
from tests.properties.transactions_steering import Steering, asked_files

GRAPHS = {"single": single(), "pair": pair()}
AT_ONCE = 4
"""Requests that the engine makes of a backend at the same time: with more, runs would wait for each other."""

picks = st.integers(0, 11)
"""Chooses one of what there is."""
blades = st.builds(Blade, st.one_of(*[st.none()] * 3, st.integers(0, 11)), st.booleans())
cuts = st.builds(Blade, st.integers(1, 30), st.booleans())
"""The process ends inside, where there is enough to do."""
tools = st.sampled_from(["create", "append", "overwrite", "move", "delete"])
work = st.lists(st.tuples(tools, picks), min_size=1, max_size=4)
modes = st.sampled_from(["resume", "resume", "roll_back", "leave"])


class Rules(Steering):
    """Rules that need an open engine do nothing but wait for one: `reopen` is the only one after a crash."""

    def can_begin(self) -> bool:
        return self.is_open() and sum(len(PLACES[each.kind]) for each in self.runs) <= AT_ONCE - 2

    # -- rules: beginning --------------------------------------------------------------------------------------------

    @precondition(can_begin)
    @rule(kind=st.sampled_from(["single", "single", "pair"]), in_session=st.booleans(), calls=work,
          then=st.sampled_from(["nothing", "commit", "rewind"]), blade=blades)  # fmt: skip
    def begin(self, kind: str, in_session: bool, calls: list[tuple[str, int]], then: str, blade: Blade) -> None:
        """Ask a question; where the process still lives afterwards, the run also does something."""
        self._ask(kind, blade, in_session=in_session)
        if self.is_open():
            asked = self.runs[-1]
            self._operate(asked, 0, calls, Blade())
            if then == "commit":
                self._answer_everywhere(asked)
            elif kind == "single" and then == "rewind":
                self.figures.rewinds += 1
                self._answer(asked, 0, Chunk("again"), asked.now.again(), Blade())

    def _ask(self, kind: str, blade: Blade, *, in_session: bool = False) -> None:
        name = self._name()
        session = self.session if in_session else None

        async def started() -> Run:
            return self.engine.start(GRAPHS[kind], f"{name}?", session=session, approver=Person(yes))

        self._begin(name, kind, self._do(self._under(blade, started())), first_state(kind), blade, session=in_session)

    @initialize(ends=st.lists(st.sampled_from(["done", "bad", "fork"]), max_size=4))
    def earlier(self, ends: list[str]) -> None:
        """Runs that had ended before, so that from the beginning there is something to prune and to fork."""
        for word in ends:
            if word == "fork" and self.ends:
                self._fork(list(self.ends)[-1], 0.5, Blade())
            else:
                self._ask("single", Blade())
                self._operate(self.runs[-1], 0, [("create", 0)], Blade())
            for asked in list(self.runs):
                if word == "bad":
                    self._answer(asked, 0, Chunk("bad"), asked.now.ended("rolled_back"), Blade())
                else:
                    self._answer_everywhere(asked)

    @precondition(lambda self: self.can_begin() and bool(self.ends or self.runs))
    @rule(pick=picks, share=st.floats(0, 1), anew=st.booleans(), blade=blades)
    def fork(self, pick: int, share: float, anew: bool, blade: Blade) -> None:
        known = [*self.ends, *self._going_on_ids()]
        self._fork(known[pick % len(known)], share, blade, anew=anew)

    def _fork(self, parent: str, share: float, blade: Blade, *, anew: bool = False) -> None:
        events = self._own_events(parent)
        at = 1 + round(share * (len(events) - 1))
        fork = make_fork(events, self.numbers[parent], at)
        state = self._state_after(events, fork.seq)
        begin = events[0].body
        assert isinstance(begin, ev.Begin)
        kind = "pair" if begin.graph == GRAPHS["pair"].model_dump(mode="json") else "single"
        onward = [each for each in state.frontier.values() if each.node in ("onward", "decide")]
        content = state.messages[onward[0].message].content if onward else ""
        if any(content in asked_files(each) for each in self.runs):
            return  # it would touch what another run has under its hands
        assert fork.state == state.snapshot(), "a fork begins with another state than its parent had there"
        name = begin.question.rstrip("?")
        if anew or any(each.name == name for each in self.runs):
            name = self._name()
        forking = self.engine.fork(parent, at=at, question=f"{name}?", approver=Person(yes))
        self.figures.forks += 1
        expected = state_of_fork(kind, state, content, content not in self.base)
        self._begin(name, kind, self._do(self._under(blade, forking)), expected, blade, parent=parent)

    def _state_after(self, events: list[ev.Event], seq: int) -> RunState:
        """What an executor decided from at that step; of an imported run what its events say."""
        lived = self.world.states.get(events[0].tx or "", {}).get(seq)
        if lived is not None:
            found = pickle.loads(lived)
            assert isinstance(found, RunState)
            return found
        state = RunState()
        for event in events[:seq]:
            apply(state, event)
        return state

    def _begin(
        self, name: str, kind: str, run: Run | None, state: State, blade: Blade, *, session: bool = False,
        parent: str = "",
    ) -> None:  # fmt: skip
        self.figures.runs += 1
        if run is None:  # the process ended before it could be named
            self._do(self.world.kill())
            self._crashed()
            return
        asked = Asked(name, kind, run, run.transaction, run.number, [state], session, parent, begun=False)
        self.numbers[run.transaction] = run.number
        self.names[run.transaction] = name
        if parent:
            self.parents[run.transaction] = parent
        self.runs.append(asked)
        self._come_to_rest(asked, blade)
        if session and self.is_open():
            self._told_of_committed_runs_only(run.transaction)

    # -- rules: going on ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.going_on())
    @rule(pick=picks, place=picks, calls=work, blade=blades)
    def operate(self, pick: int, place: int, calls: list[tuple[str, int]], blade: Blade) -> None:
        """Let a model call tools, one after the other; the process may end in the last one."""
        self._operate(self._one(self.going_on(), pick), place, calls, blade)

    def _operate(self, asked: Asked, place: int, calls: list[tuple[str, int]], blade: Blade) -> None:
        calls = calls[: max(CALLS - asked.now.calls, 0)]
        for left, (tool, which) in zip(reversed(range(len(calls))), calls, strict=True):
            chunk, changes = tool_call(tool, self._free_for(asked), which, self._number())
            self.figures.calls += 1
            self._answer(asked, place, chunk, asked.now.called(changes), Blade() if left else blade)

    @precondition(lambda self: self.going_on("single"))
    @rule(pick=picks, blade=blades)
    def checkpoint(self, pick: int, blade: Blade) -> None:
        asked = self._one(self.going_on("single"), pick)
        name = f"f{self._number()}.txt"
        self._answer(asked, 0, Chunk(name), asked.now.onward(name), blade)

    @precondition(lambda self: self.going_on("single"))
    @rule(pick=picks, blade=blades)
    def rewind(self, pick: int, blade: Blade) -> None:
        asked = self._one(self.going_on("single"), pick)
        self.figures.rewinds += 1
        self._answer(asked, 0, Chunk("again"), asked.now.again(), blade)

    @precondition(lambda self: self.going_on())
    @rule(pick=picks, place=picks, blade=blades)
    def commit(self, pick: int, place: int, blade: Blade) -> None:
        asked = self._one(self.going_on(), pick)
        model = self._place(asked, place)
        self._answer(asked, place, Chunk("done"), asked.now.answered(model), blade)

    @precondition(lambda self: self.going_on())
    @rule(pick=picks, cancelled=st.booleans(), blade=st.one_of(blades, cuts))
    def roll_back(self, pick: int, cancelled: bool, blade: Blade) -> None:
        """End a run badly, with something to be taken back."""
        asked = self._one(self.going_on(), pick)
        if not asked.now.files:
            self._operate(asked, 0, [("create", 0), ("append", 0)], Blade())
        after = asked.now.ended("rolled_back")
        if asked.kind == "single" and not cancelled:
            self._answer(asked, 0, Chunk("bad"), after, blade)
            return
        self.world.blade = blade
        assert asked.run is not None
        self._do(self._call(asked.run.cancel))
        asked.went(after)
        self._come_to_rest(asked, blade)

    def _answer_everywhere(self, asked: Asked) -> None:
        """End a run well."""
        for model in sorted(asked.now.waiting):
            self._answer(asked, 0, Chunk("done"), asked.now.answered(model), Blade())

    def _answer(self, asked: Asked, place: int, chunk: Chunk, after: State, blade: Blade) -> None:
        """Let a model of the run say something."""
        model = self._place(asked, place)
        self.world.blade = blade
        self._do(self._call(lambda: self.world.backend.answer(asked.name, model, chunk)))
        asked.went(after)
        self._come_to_rest(asked, blade)

    # -- rules: processes --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.going_on())
    @rule(keeps=st.booleans())
    def crash(self, keeps: bool) -> None:
        self.world.blade.keeps = keeps
        self._do(self.world.kill())
        self._crashed()

    @precondition(lambda self: self.going_on())
    @rule()
    def close(self) -> None:
        """The end that a person wants: what goes on is rolled back."""
        self._close()

    @precondition(lambda self: not self.is_open())
    @rule(mode=modes, durability=st.sampled_from(["grouped", "strict"]), blade=blades)
    def reopen(self, mode: str, durability: str, blade: Blade) -> None:
        self._do(self._open(mode, durability, blade))

    # -- what rules share ----------------------------------------------------------------------------------------------

    def _number(self) -> int:
        self.count += 1
        return self.count

    def _name(self) -> str:
        return f"run-{self._number()}"

    @staticmethod
    def _one(found: list[Asked], pick: int) -> Asked:
        return found[pick % len(found)]

    @staticmethod
    def _place(asked: Asked, pick: int) -> str:
        return sorted(asked.now.waiting)[pick % len(asked.now.waiting)]

    def _free_for(self, asked: Asked) -> dict[str, str]:
        """The files that a run may touch: its own, and those that are nobody's."""
        others = {name for each in self.runs if each is not asked for name in asked_files(each)}
        seen = {**{name: text for name, text in self.base.items() if name not in others}, **asked.now.files}
        return {name: text for name, text in seen.items() if text is not None}
