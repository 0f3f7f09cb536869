"""Rows that the store hands out."""

from __future__ import annotations

from dataclasses import dataclass

from engine.events import Usage


@dataclass(frozen=True, slots=True)
class ParentRow:
    """The transaction of which another one is a fork."""

    tx: str
    number: int
    """That which it has here; where it is not here, that which it had when it was forked."""
    step: int
    """Sequence number of its last event that the fork shares."""
    kept: bool
    """Whether it is still here; false where it was pruned, or stayed where the fork was imported from."""


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """One transaction as lists show it."""

    number: int
    """Short ordinal, shown as `#42`."""
    tx: str
    status: str
    """executing, committed or rolled_back."""
    session: str | None
    graph_id: str
    question: str
    answer: str
    """The committed text, or what there was of it."""
    exit: str | None
    reason: str
    """Why it was rolled back; empty otherwise."""
    error: str
    backend: str
    started_ms: int
    """Unix time in milliseconds."""
    duration_ms: int
    events: int
    usage: Usage
    origin: str = ""
    """imported: it ran elsewhere, and came from a file; empty for a run of this store."""
    parent: ParentRow | None = None
    """Of a fork."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as lists show it."""

    id: str
    name: str
    created_ms: int
    """Unix time in milliseconds."""
    updated_ms: int
    """Unix time in milliseconds of its latest answer."""
    messages: int
    memory: bool = True
    """Whether its runs use long-term memory."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """What was said in a session: a question, or its answer."""

    role: str
    """user or assistant."""
    content: str
    tx: str
    """The transaction that said it."""
    number: int | None
    """Its number; None where it is not here any more, or is not recorded."""
    created_ms: int
    """Unix time in milliseconds."""


@dataclass(frozen=True, slots=True)
class SessionHit:
    """A message of a session in which a text was found."""

    session: str
    """Id of the session."""
    name: str
    """Of the session."""
    role: str
    """user or assistant."""
    tx: str
    number: int | None
    """Of the transaction; None where it is not here any more, or is not recorded."""
    content: str
    snippet: str
    """One line of it, around what was found."""
    created_ms: int
    """Unix time in milliseconds."""


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision of a graph that has run, as lists show it. It outlives the transactions that used it."""

    hash: str
    """SHA-256 of the graph's canonical JSON form, in hexadecimal."""
    graph_id: str
    version: str
    """The graph's own, such as 1.2.0."""
    name: str
    first_seen_ms: int
    """Unix time in milliseconds of the first run's begin."""
    last_used_ms: int
    """Unix time in milliseconds of the latest run's begin."""
    runs: int
    """Runs that have begun with it, also those that are not kept any more."""


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """A question for which a person marked the right route."""

    id: int
    graph_id: str
    """Of the graph that has the router; for one in a sub-graph, that of the sub-graph."""
    router: str
    """Id of the router's node."""
    question: str
    """Its beginning, where it was long."""
    labels: tuple[str, ...]
    """Names of the right routes."""
    tx: str
    """The transaction that was corrected; empty where there was none."""
    number: int | None
    """Its number; None where it is not here any more."""
    created_ms: int
    """Unix time in milliseconds."""
    undone_ms: int | None
    """When it was undone, or replaced by a later one for the same question; None while it counts."""


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """A long-term memory."""

    id: int
    kind: str
    """note, fact or summary."""
    text: str
    tx: str
    """The transaction that it comes from; empty where a person wrote it."""
    number: int | None
    """That transaction's number; None where there is none, or it is not here any more."""
    session: str
    pinned: bool
    """Whether it stays, however long it is not used."""
    created_ms: int
    """Unix time in milliseconds."""
    edited_ms: int
    used_ms: int
    """When a run that recalled it committed last; at first, when it was made."""
    uses: int
    """Committed runs that recalled it."""
