"""A state machine of transactions against a dictionary model: begin, operate, checkpoint, rewind, roll back, commit,
fork, prune, export, import, crash, reopen, in every order that Hypothesis finds.

The long form is `uv run python -m tests.properties.transactions_machine --examples 1000 --steps 60`.
"""

from __future__ import annotations

import argparse
import asyncio
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from engine import events as ev
from engine.errors import EngineError
from engine.models.protocol import Chunk
from engine.run.engine import Engine
from engine.run.fork import make_fork
from engine.run.run import Run
from engine.run.state import RunState, apply
from engine.store.deep_check import examine
from tests.approvers import Person, yes
from tests.properties.steered import CALLS, PATIENCE_S, PLACES, Blade, World, pair, single
from tests.properties.transactions_model import Asked, Files, State, first_state, state_of_fork, tool_call

T = TypeVar("T")
GRAPHS = {"single": single(), "pair": pair()}
AT_ONCE = 4
"""Requests that the engine makes of a backend at the same time: with more, runs would wait for each other."""

picks = st.integers(0, 11)
"""Chooses one of what there is."""
blades = st.builds(Blade, st.one_of(*[st.none()] * 3, st.integers(0, 11)), st.booleans())
tools = st.sampled_from(["create", "append", "overwrite", "move", "delete"])
work = st.lists(st.tuples(tools, picks), min_size=1, max_size=4)
modes = st.sampled_from(["resume", "resume", "roll_back", "leave"])


@dataclass
class Figures:
    """What was done, and looked at."""

    examples: int = 0
    runs: int = 0
    calls: int = 0
    """Tool calls that changed files."""
    rewinds: int = 0
    commits: int = 0
    rollbacks: int = 0
    crashes: int = 0
    crashes_inside: int = 0
    """Of these: while something was being written, done or taken back."""
    crashes_opening: int = 0
    resumed: int = 0
    rolled_back_at_start: int = 0
    left: int = 0
    forks: int = 0
    orphans: int = 0
    """Forks that were looked at after their parent was gone."""
    pruned: int = 0
    imported: int = 0
    states: int = 0
    """States restored from the store that were compared with the executor's own."""
    seconds: float = 0.0

    def __str__(self) -> str:
        return "\n".join(f"{name.replace('_', ' '):<28} {value}" for name, value in asdict(self).items())


class Transactions(RuleBasedStateMachine):
    """Rules that need an open engine do nothing but wait for one: `reopen` is the only one after a crash."""

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

    def is_open(self) -> bool:
        return self.world.engine is not None

    def can_begin(self) -> bool:
        return self.is_open() and sum(len(PLACES[each.kind]) for each in self.runs) <= AT_ONCE - 2

    def going_on(self, kind: str = "", *, least: int = 0) -> list[Asked]:
        """Runs that somebody works on."""
        return (
            [each for each in self.runs if each.run is not None and kind in ("", each.kind)] if self.is_open() else []
        )

    # -- rules: beginning --------------------------------------------------------------------------------------------

    @precondition(can_begin)
    @rule(kind=st.sampled_from(["single", "single", "pair"]), in_session=st.booleans(), calls=work,
          then=st.sampled_from(["nothing", "commit", "rewind"]), blade=blades)  # fmt: skip
    def begin(self, kind: str, in_session: bool, calls: list[tuple[str, int]], then: str, blade: Blade) -> None:
        """Ask a question; where the process still lives afterwards, the run also does something."""
        name = self._name()
        session = self.session if in_session else None

        async def started() -> Run:
            return self.engine.start(GRAPHS[kind], f"{name}?", session=session, approver=Person(yes))

        self._begin(name, kind, self._do(self._under(blade, started())), first_state(kind), blade, session=in_session)
        if self.is_open():
            asked = self.runs[-1]
            self._operate(asked, 0, calls, Blade())
            if then == "commit":
                for _ in PLACES[kind]:
                    self._answer(asked, 0, Chunk("done"), asked.now.answered(self._place(asked, 0)), Blade())
            elif kind == "single" and then == "rewind":
                self.figures.rewinds += 1
                self._answer(asked, 0, Chunk("again"), asked.now.again(), Blade())

    @precondition(lambda self: self.can_begin() and bool(self.ends or self.runs))
    @rule(pick=picks, share=st.floats(0, 1), anew=st.booleans(), blade=blades)
    def fork(self, pick: int, share: float, anew: bool, blade: Blade) -> None:
        known = [*self.ends, *(each.tx for each in self.runs)]
        parent = known[pick % len(known)]
        events = self._own_events(parent)
        at = 1 + round(share * (len(events) - 1))
        fork = make_fork(events, self.numbers[parent], at)
        begin = events[0].body
        assert isinstance(begin, ev.Begin)
        kind = "pair" if begin.graph == GRAPHS["pair"].model_dump(mode="json") else "single"
        expected = self._state_of(fork, kind)
        if expected is None:
            return
        name = begin.question.rstrip("?")
        if anew or any(each.name == name for each in self.runs):
            name = self._name()
        forking = self.engine.fork(parent, at=at, question=f"{name}?", approver=Person(yes))
        self.figures.forks += 1
        self._begin(name, kind, self._do(self._under(blade, forking)), expected, blade, parent=parent)

    def _state_of(self, fork: ev.Fork, kind: str) -> State | None:
        """Where the fork of a run will stand; None where it would touch what another run has under its hands."""
        frontier = {each.node for each in fork.state.frontier}
        contents = {message.id: message.content for message in fork.messages}
        content = contents.get(fork.state.frontier[0].message, "") if len(fork.state.frontier) == 1 else ""
        if frontier == {"onward"} and any(content in state.files for each in self.runs for state in each.history):
            return None
        visits, retries = fork.state.visits.get("work", 1), fork.state.retries.get("decide", 0)
        return state_of_fork(kind, frontier, content, visits, retries, content not in self.base)

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
        if parent:
            self.parents[run.transaction] = parent
        self.runs.append(asked)
        self._come_to_rest(asked, blade)

    # -- rules: going on ---------------------------------------------------------------------------------------------

    @precondition(going_on)
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
    @rule(pick=picks, cancelled=st.booleans(), blade=blades)
    def roll_back(self, pick: int, cancelled: bool, blade: Blade) -> None:
        asked = self._one(self.going_on(), pick)
        after = asked.now.ended("rolled_back")
        if asked.kind == "single" and not cancelled:
            self._answer(asked, 0, Chunk("bad"), after, blade)
            return
        self.world.blade = blade
        assert asked.run is not None
        self._do(self._call(asked.run.cancel))
        asked.went(after)
        self._come_to_rest(asked, blade)

    def _answer(self, asked: Asked, place: int, chunk: Chunk, after: State, blade: Blade) -> None:
        """Let a model of the run say something."""
        model = self._place(asked, place)
        self.world.blade = blade
        self._do(self._call(lambda: self.world.backend.answer(asked.name, model, chunk)))
        asked.went(after)
        self._come_to_rest(asked, blade)

    # -- rules: the store --------------------------------------------------------------------------------------------

    @precondition(going_on)
    @rule()
    def flush(self) -> None:
        """What is on disk stays, whatever happens."""
        self._do(self.engine._log.flush())
        for each in self.going_on():
            each.durable = len(each.history) - 1

    @precondition(lambda self: self.is_open() and len(self.ends) > 1)
    @rule(keep=st.integers(0, 3), blade=blades)
    def prune(self, keep: int, blade: Blade) -> None:
        there = {self.numbers[tx]: tx for tx in [*self.ends, *(each.tx for each in self.runs)]}
        latest = there[max(there)]
        finished = [tx for _, tx in sorted(there.items(), reverse=True) if tx in self.ends and tx != latest]
        victims = finished[max(keep - (latest in self.ends), 0) :]
        report = self._do(self._under(blade, self.engine.prune(keep=keep)))
        if report is None:  # any of them may be gone
            self._do(self.world.kill())
            self._do(self._forget_those_that_are_gone(victims))
            self._crashed()
            return
        self.world.blade.left = None
        assert set(report.numbers) == {self.numbers[tx] for tx in victims}
        self.figures.pruned += len(victims)
        for tx in victims:
            del self.ends[tx]

    async def _forget_those_that_are_gone(self, victims: list[str]) -> None:
        assert await self.world.open({"recovery": "leave"}, Blade())
        there = {row.tx for row in await self.engine.transactions(limit=10_000)}
        for tx in victims:
            if tx not in there:
                del self.ends[tx]
        await self.world.kill()

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

    # -- rules: processes --------------------------------------------------------------------------------------------

    @precondition(going_on)
    @rule(keeps=st.booleans())
    def crash(self, keeps: bool) -> None:
        self.world.blade.keeps = keeps
        self._do(self.world.kill())
        self._crashed()

    @precondition(going_on)
    @rule()
    def close(self) -> None:
        """The end that a person wants: what goes on is rolled back."""
        self._close()

    def _close(self) -> None:
        going_on = self.going_on()
        self._do(self.world.close())
        for each in going_on:
            each.went(each.now.ended("rolled_back"))
            self._ended(each)

    @precondition(lambda self: not self.is_open())
    @rule(mode=modes, durability=st.sampled_from(["grouped", "strict"]), blade=blades)
    def reopen(self, mode: str, durability: str, blade: Blade) -> None:
        self._do(self._open(mode, durability, blade))

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
        return ("executing", waiting, visits, state.retries.get("decide", 0))

    async def _stored_lengths(self, rows: dict[str, Any]) -> dict[str, int]:
        await self.engine._log.flush()
        return {tx: sum(each.tx is not None for each in await self.engine.events(tx)) for tx in rows}

    def _states_that_are_not_stored(self, lengths: dict[str, int]) -> None:
        """The ends of logs that the crash took away were never lived through."""
        for tx, states in self.world.states.items():
            for seq in [seq for seq in states if seq > lengths.get(tx, 0)]:
                del states[seq]

    # -- invariants --------------------------------------------------------------------------------------------------

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
        known = [*self.ends, *(each.tx for each in self.runs)]
        self._restore(known[pick % len(known)])

    def _restore(self, tx: str) -> None:
        self._do(self.engine._log.flush())
        events = self._own_events(tx)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        state, lived = RunState(), self.world.states.get(tx, {})
        for event in events:
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

    def _going_on_ids(self) -> set[str]:
        return {each.tx for each in self.runs}

    def teardown(self) -> None:
        began = time.monotonic()
        try:
            if not self.is_open():
                self._do(self._open("roll_back", "grouped", Blade()))
            for tx in [*self.ends, *self._going_on_ids()]:
                self._restore(tx)
            self._close()
            report = examine(self._folder / "data" / "tinyllm.db")
            assert report.sound, report.problems
            assert report.transactions == len(self.ends) + len(self.runs)
        finally:
            self.world.remove()
            self._loop.close()
            shutil.rmtree(self._folder)
            self.figures.seconds += time.monotonic() - began

    # -- what rules share --------------------------------------------------------------------------------------------

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

    def _seen(self, files: Files, name: str) -> str | None:
        return files[name] if name in files else self.base.get(name)

    def _own_events(self, tx: str) -> list[ev.Event]:
        return [event for event in self._do(self.engine.events(tx)) if event.tx is not None]

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
            assert self._place_of(asked.tx) == asked.now.place

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


def asked_files(asked: Asked) -> set[str]:
    """All files that a run ever touched."""
    return {name for state in asked.history for name in state.files}


def measure(examples: int, steps: int, *, seed: int | None = None) -> Figures:
    """Let so many machines take up to so many steps each; a seed of None tries others each time.

    Raises:
        AssertionError: something is not as the model says; Hypothesis prints the shortest way there that it found.
    """
    began = time.monotonic()
    figures = Transactions.figures = Figures()
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=seed is not None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Transactions, settings=how)
    figures.seconds = round(time.monotonic() - began, 1)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    print(measure(options.examples, options.steps))
    return 0


if __name__ == "__main__":
    sys.exit(main())
