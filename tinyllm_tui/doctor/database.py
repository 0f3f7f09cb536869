"""The doctor's deep look at the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tinyllm_tui.doctor.finding import Finding
from tinyllm_tui.settings import Loaded
from tinyllm_tui.words import size

if TYPE_CHECKING:
    from engine.store.deep_check import DeepReport, ProblemKind

LARGE_LOG = 64 * 2**20
"""Bytes of the write-ahead log from which on it is worth a word."""
_QUICK_S = 2.0
"""Seconds that the quick check may take."""
_RESTORE = "`tinyllm-tui db restore FILE` brings a backup back; the present file is kept beside it."
_REMEDIES: dict[ProblemKind, str] = {
    "file": f"Copy the file elsewhere before anything else. {_RESTORE}",
    "event": f"These transactions cannot be shown, all others can. {_RESTORE}",
    "order": f"These transactions cannot be trusted, all others can. {_RESTORE}",
    "projection": f"Lists may be wrong where the events of a transaction are right: `tx show` reads those. {_RESTORE}",
}
_WORDS: dict[ProblemKind, str] = {
    "file": "the file is damaged",
    "event": "damaged events",
    "order": "transactions whose events are not whole",
    "projection": "lists that do not say what the events say",
}


async def examine_quickly(loaded: Loaded) -> list[Finding]:
    """Look for damage for a bounded time; no finding where there is none, for not everything was looked at."""
    from engine.store.database import FILE_NAME
    from engine.store.quick_check import quick_check

    path = loaded.settings.data_folder / FILE_NAME
    damage = await asyncio.to_thread(quick_check, path, _QUICK_S) if path.is_file() else ""
    if not damage:
        return []
    remedy = f"`tinyllm-tui doctor --deep` says how much of it is damaged. {_REMEDIES['file']}"
    return [Finding("database", "fail", f"{_WORDS['file']}: {damage}", remedy)]


async def examine_database(loaded: Loaded) -> list[Finding]:
    """Check the whole database: the file, every event, and the lists that are made of them."""
    from engine.store.database import FILE_NAME
    from engine.store.deep_check import examine

    path = loaded.settings.data_folder / FILE_NAME
    if not path.exists():
        return [Finding("database", "info", f"There is no {path} yet: the first question makes it.")]
    report = await asyncio.to_thread(examine, path)
    problems = [_problem(report, kind) for kind in report.counts]
    return [*problems, *([] if problems else [_sound(report)]), *_size(report), *_readers(report)]


def _problem(report: DeepReport, kind: ProblemKind) -> Finding:
    count, shown = report.counts[kind], report.problems[kind]
    more = f" ... and {count - len(shown)} more" if count > len(shown) else ""
    return Finding("database", "fail", f"{_WORDS[kind]} ({count}): {' '.join(shown)}{more}", _REMEDIES[kind])


def _sound(report: DeepReport) -> Finding:
    newer = f", {report.unreadable} of them of a newer program" if report.unreadable else ""
    detail = (
        f"sound: {report.transactions} transactions, {report.events} events{newer}, schema {report.schema}; "
        f"every checksum fits; checked in {report.seconds:.1f} s"
    )
    return Finding("database", "ok", detail)


def _size(report: DeepReport) -> list[Finding]:
    detail = (
        f"{size(report.file_bytes)}, {size(report.free_bytes)} of it free; write-ahead log {size(report.log_bytes)}"
    )
    if report.log_bytes > LARGE_LOG:
        return [Finding("database size", "warn", detail, "Close programs that have the database open for long.")]
    return [Finding("database size", "ok", detail)]


def _readers(report: DeepReport) -> list[Finding]:
    if report.long_readers is None:
        return [Finding("readers", "info", "This system does not tell who else reads the database.")]
    if not report.long_readers:
        return [Finding("readers", "ok", "Nobody keeps the write-ahead log from being reset.")]
    pids = ", ".join(str(pid) for pid in report.long_readers)
    detail = f"Read the database all the time that this check took: process {pids}."
    return [Finding("readers", "warn", detail, "If that lasts, end it: the write-ahead log grows meanwhile.")]
