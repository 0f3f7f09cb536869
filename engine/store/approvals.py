"""What people were asked before a tool ran or an answer went on, and what they said: the latest, from the events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from engine.store.database import Database

_AT_ONCE = 200
"""Runs whose events are looked at with one query."""
_LOOKED_AT = 2000
"""Runs, the newest, among which requests are looked for."""
_NUMBERS = "SELECT number FROM transactions ORDER BY number DESC LIMIT ?"
_ASKED = """
SELECT t.number, t.tx, e.wall_ms, e.kind, CASE WHEN json_valid(e.body) THEN json_extract(
    e.body, '$.path', '$.visit', '$.step', '$.tool', '$.question', '$.text', '$.arguments', '$.effect', '$.host',
    '$.allowed', '$.by', '$.scope', '$.reason', '$.waited_ms', '$.arguments_hash'
) END
FROM json_each(?) AS wanted JOIN transactions t ON t.number = wanted.value JOIN events e ON e.tx = t.tx
WHERE e.kind IN ('approval_asked', 'approval_answered') ORDER BY e.gseq
"""


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One request to a person, with the answer."""

    number: int
    """Of its transaction."""
    tx: str
    asked_ms: int
    """Unix time in milliseconds."""
    path: str
    tool: str
    """Empty where an approval node asked."""
    question: str
    text: str
    arguments: str
    """The exact arguments as JSON text; the beginning of very long ones."""
    effect: str
    host: str
    answer: str = ""
    """yes, no, or nothing while there is none."""
    by: str = ""
    """person, nobody or cancelled."""
    scope: str = ""
    """host where the yes was for all calls of the tool to the host."""
    reason: str = ""
    waited_ms: int = 0


async def read_approvals(database: Database, limit: int) -> list[ApprovalRow]:
    """The latest requests, newest first.

    Raises:
        StoreError: the database cannot be read.
    """
    numbers = [number for (number,) in await database.fetch(_NUMBERS, [_LOOKED_AT])]
    found: list[ApprovalRow] = []
    for start in range(0, len(numbers), _AT_ONCE):
        rows = await database.fetch(_ASKED, [json.dumps(numbers[start : start + _AT_ONCE])])
        found += _paired(rows)
        if len(found) >= limit:
            break
    return sorted(found, key=lambda row: row.asked_ms, reverse=True)[:limit]


def _paired(rows: Iterable[Any]) -> list[ApprovalRow]:
    """Each request with its answer."""
    asked: dict[tuple[Any, ...], ApprovalRow] = {}
    for number, tx, wall_ms, kind, body in rows:
        fields = json.loads(body) if body else None
        if not isinstance(fields, list):
            continue
        request, (allowed, by, scope, reason, waited, of) = fields[:9], fields[9:]
        path, visit, step, *texts = request
        key = (number, path, visit, step, of)
        if kind == "approval_asked":
            tool, question, text, arguments, effect, host = (str(each or "") for each in texts)
            asked[key] = ApprovalRow(
                number, tx, wall_ms, str(path or ""), tool, question, text, arguments, effect, host
            )
        elif key in asked:
            asked[key] = replace(
                asked[key], answer="yes" if allowed else "no", by=str(by or ""), scope=str(scope or ""),
                reason=str(reason or ""), waited_ms=waited if isinstance(waited, int) else 0,
            )  # fmt: skip
    return list(asked.values())
