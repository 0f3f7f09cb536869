"""Teaching: what people say about routes: corrections are stored, listed, undone, exported and imported."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence

from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.graph.routers import check_labels, router_at, routers
from engine.graph.spec import GraphSpec
from engine.message import replace_surrogates
from engine.run.corrections_file import read_corrections
from engine.run.records import no_store
from engine.run.sessions import Sessions
from engine.store import corrections as stored
from engine.store.corrections import Correction
from engine.store.database import Database
from engine.store.rows import CorrectionRow


class Teaching(Sessions):
    """The half of an engine that learns from people. What is taught counts from the next question on."""

    def __init__(self) -> None:
        super().__init__()
        self._standing: list[CorrectionRow] | None = None
        """Corrections that count; None until they are read, and after every change."""

    async def teach(
        self,
        graph: GraphSpec,
        question: str,
        routes: Sequence[str],
        *,
        router: str | None = None,
        transaction: str = "",
    ) -> CorrectionRow:
        """Store which routes are the right ones for a question; an earlier word on the same question is replaced.

        Args:
            graph: the graph with the router, also in one of its sub-graphs.
            question: as it was asked; of a long one the beginning is kept.
            routes: names of routes; several only where the router gives several labels.
            router: path or id of the router; it can be left out where there is only one.
            transaction: id of the run that is corrected.

        Raises:
            EngineError: not_found, for the router; invalid_request: for an empty question, for the routes, or where the
                graph has too many corrections, or there is no store.
            StoreError: the database is open for reading only, or does not take it.
        """
        found = router_at(graph, router)
        labels = check_labels(found, routes)
        text = replace_surrogates(question).strip()
        if not text:
            raise EngineError(
                ErrorClass.INVALID_REQUEST, "question_empty", "The question is empty.", remedy="Give the question."
            )
        database = self._storing()
        new = Correction(found.graph_id, found.node, text, labels, transaction)
        try:
            (number,) = await stored.add(database, [new], _now_ms())
        finally:
            self._standing = None
        return next(row for row in await self.corrections() if row.id == number)

    async def corrections(self, graph: GraphSpec | None = None) -> list[CorrectionRow]:
        """The corrections of a graph with its sub-graphs, or of all graphs, the newest first; the latest undone ones
        are among them.

        Raises:
            StoreError: the database cannot be read.
        """
        if self._database is None:
            return []
        ids = None if graph is None else {each.graph_id for each in routers(graph)}
        return await stored.corrections(self._database, ids)

    async def unteach(self, correction: int) -> None:
        """Let a correction count no more, from the next question on.

        Raises:
            EngineError: not_found: there is no such correction that counts; invalid_request: there is no store.
            StoreError: the database is open for reading only, or does not take it.
        """
        try:
            await stored.undo(self._storing(), correction, _now_ms())
        finally:
            self._standing = None

    async def export_corrections(self, graph: GraphSpec | None = None) -> list[str]:
        """The corrections that count as lines of JSON, the oldest first, for `import_corrections` elsewhere.

        Raises:
            StoreError: the database cannot be read.
        """
        standing = [row for row in await self.corrections(graph) if row.undone_ms is None]
        return [
            json.dumps(
                {"graph": row.graph_id, "router": row.router, "question": row.question, "labels": row.labels},
                ensure_ascii=False,
            )
            for row in reversed(standing)
        ]

    async def import_corrections(self, lines: Iterable[str]) -> int:
        """Add corrections that were exported elsewhere, all of them or none; those that are here already are left out.

        Returns:
            How many were added.

        Raises:
            EngineError: invalid_request: a line is none, which is named; or there are too many, or there is no store.
            StoreError: the database is open for reading only, or does not take them.
        """
        database = self._storing()
        known = {
            (row.graph_id, row.router, row.question): row.labels
            for row in await stored.corrections(database, undone=False)
        }
        wanted = {(c.graph_id, c.router, c.question): c for c in read_corrections(lines)}
        new = [correction for key, correction in wanted.items() if known.get(key) != correction.labels]
        try:
            if new:
                await stored.add(database, new, _now_ms())
        finally:
            self._standing = None
        return len(new)

    async def _taught(self, graph: GraphSpec) -> tuple[ev.Taught, ...]:
        """What the routers of a run of this graph know.

        Raises:
            StoreError: the database cannot be read.
        """
        ids = {each.graph_id for each in routers(graph)}
        if self._database is None or not ids:
            return ()
        if self._standing is None or self.read_only:  # then another process may have taught
            self._standing = await stored.corrections(self._database, undone=False)
        return tuple(
            ev.Taught(row.graph_id, row.router, row.question, row.labels)
            for row in reversed(self._standing)
            if row.graph_id in ids
        )

    def _storing(self) -> Database:
        if self._database is None:
            raise no_store()
        return self._database


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
