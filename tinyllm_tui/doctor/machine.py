"""The doctor's look at Python, SQLite and the terminal."""

from __future__ import annotations

import locale
import os
import platform
import shutil
import sqlite3
import sys

from tinyllm_tui.doctor.finding import Finding
from tinyllm_tui.settings import color_allowed

MIN_PYTHON = (3, 11)
MIN_SQLITE = (3, 38, 0)
"""STRICT tables came with 3.37, JSON functions that are always there with 3.38."""


def examine_python() -> list[Finding]:
    version = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < MIN_PYTHON:
        return [Finding("python", "fail", version, "Use Python 3.11 or newer; `uv` installs one.")]
    return [Finding("python", "ok", version)]


def examine_sqlite() -> list[Finding]:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        wanted = ".".join(str(part) for part in MIN_SQLITE)
        return [Finding("sqlite", "fail", f"SQLite {version}", f"SQLite {wanted} is needed: use a newer Python build.")]
    missing = [name for name, sql in _SQLITE_PARTS.items() if not _runs(sql)]
    if "JSON" in missing:
        return [
            Finding("sqlite", "fail", f"SQLite {version} without JSON", "Use a Python build with a complete SQLite.")
        ]
    if missing:
        return [
            Finding("sqlite", "warn", f"SQLite {version} without FTS5", "Searching past texts needs a complete SQLite.")
        ]
    return [Finding("sqlite", "ok", f"SQLite {version} with JSON and FTS5")]


_SQLITE_PARTS = {
    "JSON": "SELECT count(*) FROM json_each('[1]')",
    "FTS5": "CREATE VIRTUAL TABLE words USING fts5(text)",
}


def _runs(sql: str) -> bool:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(sql)
    except sqlite3.Error:
        return False
    else:
        return True
    finally:
        connection.close()


def examine_terminal() -> list[Finding]:
    encoding = (getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)).lower()
    findings = []
    if "utf" in encoding:
        findings.append(Finding("unicode", "ok", f"The output's encoding is {encoding}."))
    else:
        remedy = "Set LANG to a UTF-8 locale such as C.UTF-8, or use --ascii."
        findings.append(
            Finding("unicode", "warn", f"The output's encoding is {encoding}, without box drawing.", remedy)
        )
    term, depth = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    size = shutil.get_terminal_size((0, 0))
    place = f"TERM={term or 'unset'}{f', {size.columns}x{size.lines}' if size.columns else ''}"
    if term in ("", "dumb"):
        remedy = "The cockpit needs a real terminal; `run` and `chat --plain` work everywhere."
        findings.append(Finding("terminal", "warn", f"This is no terminal that can draw ({place}).", remedy))
    elif not color_allowed():
        findings.append(Finding("terminal", "info", f"Colours are off, because NO_COLOR is set ({place})."))
    elif depth in ("truecolor", "24bit") or "256color" in term or "direct" in term:
        colors = "16 million colours" if depth in ("truecolor", "24bit") else "256 colours"
        findings.append(Finding("terminal", "ok", f"{colors} ({place})"))
    else:
        remedy = "If the terminal can do more, set TERM=xterm-256color or COLORTERM=truecolor."
        findings.append(Finding("terminal", "info", f"At most 16 colours are announced ({place}).", remedy))
    return findings
