"""Rows that the store hands out."""

from __future__ import annotations

from dataclasses import dataclass

from engine.events import Usage


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


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as lists show it."""

    id: str
    name: str
    created_ms: int
    updated_ms: int
    messages: int
