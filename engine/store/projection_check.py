"""Whether the tables that are projected from events say what the events say."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from engine.store.schema import ORIGIN_SINCE, REPLACES_SINCE, REVISIONS_SINCE

_BEGIN = """
SELECT number, session, graph_id, graph_hash, question, backend, started_ms, first_gseq FROM transactions WHERE tx = ?
"""
_END = """
SELECT status, exit, answer, reason, error, duration_ms, events, last_gseq, usage FROM transactions WHERE tx = ?
"""
_IMPORTED = "SELECT first_gseq, last_gseq FROM transactions WHERE origin = 'imported'"
_ENDS = ("committed", "rolled_back")


class ProjectionCheck:
    """Is given every event that is intact, in order; reports where a table says something else.

    Args:
        connection: reads all tables as they are at one moment.
        schema: version of the schema.
        report: takes a sentence for each difference.
    """

    def __init__(self, connection: sqlite3.Connection, schema: int, report: Callable[[str], object]) -> None:
        self._connection = connection
        self._schema = schema
        self._report = report
        self._breakers: dict[str, Any] = {}
        imported = connection.execute(_IMPORTED).fetchall() if schema >= ORIGIN_SINCE else []
        self._elsewhere: list[tuple[int, int]] = imported
        """Spans of runs that came from files; their breakers are not ours."""

    def event(self, gseq: int, tx: str | None, seq: int, t_ms: int, wall_ms: int, kind: str, body: Any) -> None:
        """Compare what is projected from one event; `body` is its JSON."""
        if kind == "begin":
            self._begin(gseq, tx, wall_ms, body)
        elif kind in _ENDS:
            self._end(gseq, tx, seq, t_ms, kind, body)
        elif kind == "breaker_changed" and not any(first <= gseq <= last for first, last in self._elsewhere):
            self._breakers[body["breaker"]["key"]] = body["breaker"]

    def finish(self) -> None:
        """Compare what the last events of their kind say."""
        stored = dict(self._connection.execute("SELECT key, body FROM breakers"))
        for key, breaker in self._breakers.items():
            if _json(stored.get(key)) != breaker:
                self._report(f"The breaker {key} is not as the last event about it says.")

    def _begin(self, gseq: int, tx: str | None, wall_ms: int, body: Any) -> None:
        row = self._connection.execute(_BEGIN, (tx,)).fetchone()
        graph = body["graph"]
        said = (
            body.get("number", 0), body["session"], graph.get("id"), body["graph_hash"], body["question"],
            body.get("backend", ""), wall_ms, gseq,
        )  # fmt: skip
        if row is not None and tuple(row) != said:
            self._report(f"Transaction #{row[0]} is listed otherwise than its begin says.")
        if self._schema >= REVISIONS_SINCE:
            spec = self._connection.execute("SELECT spec FROM graph_revisions WHERE hash = ?", (said[3],)).fetchone()
            if spec is None or _json(spec[0]) != graph:
                self._report(f"The graph of event {gseq} is not among the revisions as it was.")

    def _end(self, gseq: int, tx: str | None, seq: int, t_ms: int, kind: str, body: Any) -> None:
        row = self._connection.execute(_END, (tx,)).fetchone()
        if row is None:
            return
        error = body.get("error") or {}
        said = (
            kind, body.get("exit"), body.get("text"), body.get("reason") or "", error.get("message") or "", t_ms, seq,
            gseq,
        )  # fmt: skip
        if tuple(row[:-1]) != said or _json(row[-1]) != body.get("usage"):
            self._report(f"The transaction that event {gseq} ends is listed otherwise than it says.")
        if kind == "committed":
            self._messages(gseq, tx, body)

    def _messages(self, gseq: int, tx: str | None, body: Any) -> None:
        """A committed run of a session has left its question and its answer there."""
        question = self._connection.execute(
            "SELECT t.question, s.id FROM transactions t JOIN sessions s ON s.id = t.session WHERE t.tx = ?", (tx,)
        ).fetchone()
        if question is None:
            return
        sql = "SELECT session, role, content FROM messages WHERE tx = ? ORDER BY id"
        session = question[1]
        said = [(session, "user", question[0]), (session, "assistant", body["text"])]
        found = self._connection.execute(sql, (tx,)).fetchall()
        if found != said and not (not found and self._replaced(tx, session)):
            self._report(
                f"The session of the transaction that event {gseq} ends does not hold its question and answer."
            )

    def _replaced(self, tx: str | None, session: str) -> bool:
        """Whether a later run took the place of its turn."""
        sql = "SELECT 1 FROM transactions WHERE replaces = ? AND session = ? AND status = 'committed'"
        return self._schema >= REPLACES_SINCE and self._connection.execute(sql, (tx, session)).fetchone() is not None


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None
