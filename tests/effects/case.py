"""A case: what a graph does with two or more values of one field, everything else being equal."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from pathlib import Path
from typing import Any

from engine.graph.problems import Problem
from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest, ModelInfo
from engine.tools.policy import ApprovalRequest
from tests.approvers import Answer
from tests.running import Ran
from tests.scripted_backend import Script

Document = dict[str, Any]
"""A graph as its file says it."""
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one value."""

    document: Document
    folder: Path
    """An empty folder, for what shows in files."""
    spec: GraphSpec
    problems: Sequence[Problem] = ()
    """Why the graph is refused; then nothing ran."""
    run: Ran | None = None
    requests: Sequence[ChatRequest] = ()
    """What models were asked, in order."""
    asked: Sequence[ApprovalRequest] = ()
    """What the person was asked."""
    back_offs: Sequence[float] = ()
    """Seconds that each wait before a further attempt could last."""

    @property
    def ran(self) -> Ran:
        assert self.run is not None, self.problems
        return self.run


@dataclass(frozen=True, slots=True)
class Slow:
    """A node takes its time, on the clock of the test."""

    node: str = "x"
    seconds: float = 5.0
    times: int = 1_000
    """Only its first so many attempts do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One field, the graph around it, and what each of its values comes to."""

    owner: str
    """Type of the node, or name of the model."""
    field: str
    note: str = ""
    """Tells cases of one field apart."""
    graph: Document
    """Without the field, or with any value of it."""
    at: Place
    """Place in the graph of what has the field."""
    outcomes: tuple[tuple[Any, Any], ...]
    """(value, what is seen)."""
    see: Callable[[Seen], Any]
    question: str = "Why?"
    inputs: Mapping[str, Any] | None = None
    script: Script | None = None
    models: Sequence[ModelInfo] = ()
    person: Answer | None = None
    slow: Slow | None = None
    longest_waits: bool = False
    """Back-offs are as long as they can be; else there are none."""
    unchecked: str = ""
    """Why validation would refuse the graph for something that is no concern of the field; it is not asked then."""
    files: Mapping[str, str] = field_of(default_factory=dict)
    """Files beside the graph's; the graph is then read from a file."""

    @property
    def id(self) -> str:
        return f"{self.owner}.{self.field}{f' ({self.note})' if self.note else ''}"

    def with_value(self, value: Any) -> Document:
        """The graph with this value of the field."""
        document = copy.deepcopy(self.graph)
        here: Any = document
        for part in self.at:
            here = here[part]
        here[self.field] = value
        return document


def case(
    name: str, graph: Document, *outcomes: tuple[Any, Any], see: Callable[[Seen], Any], at: Place | None = None,
    inside: Place = (), node: str = "x", **more: Any,
) -> Case:  # fmt: skip
    """A case by its name, `owner.field`.

    Args:
        name: which field; a remark may follow in brackets.
        graph: the graph around it.
        outcomes: (value, what is seen).
        see: what is looked at.
        at: place of what has the field; default: the config of the node `node`.
        inside: place inside of that.
        node: the node whose config has the field.
        more: further fields of the case.
    """
    said, _, note = name.partition(" (")
    owner, _, name_of_field = said.partition(".")
    place = ("nodes", position(graph, node), "config", *inside) if at is None else at
    return Case(
        owner=owner, field=name_of_field, note=note.rstrip(")"), graph=graph, at=place, outcomes=outcomes, see=see,
        **more,
    )  # fmt: skip


def position(graph: Document, node: str) -> int:
    """Ordinal of a node in its graph."""
    return next(index for index, each in enumerate(graph["nodes"]) if each["id"] == node)
