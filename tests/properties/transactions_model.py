"""The dictionary model of transactions: what runs have changed in the world, and what a crash may leave of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from engine.models.protocol import Chunk
from engine.run.run import Run
from engine.run.state import RunState
from tests.properties.steered import MAX_RETRIES, PLACES
from tests.scripted_backend import call

Files = dict[str, str | None]
"""Name -> content of the files that a run changed; None: it is gone."""


@dataclass(frozen=True)
class State:
    """Where a run stands."""

    waiting: frozenset[str]
    """Models that are to answer."""
    files: Files = field(default_factory=dict)
    kept: Files = field(default_factory=dict)
    """As they were before the visit that a rewind takes back."""
    visits: int = 1
    """Of `work`."""
    retries: int = 0
    calls: int = 0
    """Tool calls since the last checkpoint."""
    status: str = "executing"
    variables: dict[str, str] = field(default_factory=dict)
    """As they were before the visits that are under way: a rewind changes none."""

    @property
    def place(self) -> tuple[Any, ...]:
        """What of it the executor's state says as well."""
        visits = self.visits if self.waiting == {"work"} else 0
        return (self.status, self.waiting, visits, self.retries, self.variables)

    def called(self, changes: Files) -> State:
        return replace(self, files={**self.files, **changes}, calls=self.calls + 1)

    def onward(self, name: str) -> State:
        files = {**self.files, name: name}
        variables = {**self.variables, "work": name}
        return replace(self, files=files, kept=files, visits=self.visits + 1, calls=0, variables=variables)

    def again(self) -> State:
        """A rewind; when there were enough of them, a rollback."""
        if self.retries == MAX_RETRIES:
            return self.ended("rolled_back")
        return replace(self, files=self.kept, visits=self.visits + 1, retries=self.retries + 1, calls=0)

    def answered(self, place: str) -> State:
        """One of the models has ended its work."""
        left = self.waiting - {place}
        variables = {**self.variables, place: "done"}
        return replace(self, waiting=left, calls=0, variables=variables) if left else self.ended("committed")

    def ended(self, status: str) -> State:
        files = self.files if status == "committed" else {}
        return replace(self, waiting=frozenset(), files=files, status=status)


@dataclass
class Asked:
    """A run, from its question on."""

    name: str
    kind: str
    run: Run | None
    """None: nobody works on it; it was left for a later engine."""
    tx: str
    number: int
    history: list[State]
    """All states; the last is the present one."""
    session: bool = False
    parent: str = ""
    durable: int = 0
    """Index of the first state to which a crash may take it back."""
    begun: bool = True
    """Whether its begin is known to be on disk."""

    @property
    def now(self) -> State:
        return self.history[-1]

    @property
    def possible(self) -> list[State]:
        """What a crash may leave."""
        return self.history[self.durable :]

    def went(self, state: State) -> None:
        self.history.append(state)

    def is_at(self, state: State) -> None:
        """It was found to be there, and stays there."""
        self.history = [*self.history, state]
        self.durable = len(self.history) - 1

    def ever(self, name: str) -> set[str | None]:
        """All that it ever made of a file."""
        return {state.files[name] for state in self.history if name in state.files}


def first_state(kind: str) -> State:
    return State(frozenset(PLACES[kind]))


def state_of_fork(kind: str, parent: RunState, content: str, free: bool) -> State:
    """Where a fork comes to rest.

    Args:
        kind: of its parent.
        parent: what the parent's executor decided from at the step where the fork begins.
        content: of the message that is on its way, where there is one.
        free: whether there is no file of that name.
    """
    frontier = {node for node, _ in parent.frontier}
    at = State(
        frozenset({"work"}),
        visits=parent.visits.get("work", 1),
        retries=parent.retries.get("decide", 0),
        variables=dict(parent.variables),
    )
    match sorted(frontier):
        case ["start"] | ["fan"]:
            return first_state(kind)
        case ["work"]:
            return at
        case ["onward"]:
            return at.onward(content) if free else at.ended("rolled_back")
        case ["decide"] if content == "again":  # nothing of this fork can be taken back: it only asks again
            return at.again()
        case ["decide"]:
            return at.ended("committed" if content == "done" else "rolled_back")
        case ["end"] | ["both"]:
            return at.ended("committed")
        case ["failed"]:
            return at.ended("rolled_back")
        case _:
            return replace(at, waiting=frozenset(frontier & set(PLACES["pair"])))


def tool_call(tool: str, here: dict[str, str], target: int, number: int) -> tuple[Chunk, Files]:
    """A call that can be made, and what it changes.

    Args:
        tool: what is wanted; where no file is there yet, one is made.
        here: files that may be touched.
        target: chooses one.
        number: makes names and contents new.
    """
    name, text = f"f{number}.txt", f"text {number}\n"
    if tool == "create" or not here:
        return call("file_write", path=name, content=text, mode="create"), {name: text}
    old = sorted(here)[target % len(here)]
    match tool:
        case "append":
            return call("file_write", path=old, content=text, mode="append"), {old: here[old] + text}
        case "overwrite":
            return call("file_write", path=old, content=text, mode="overwrite"), {old: text}
        case "move":
            return call("file_move", source=old, target=name), {old: None, name: here[old]}
        case _:
            return call("file_delete", path=old), {old: None}
