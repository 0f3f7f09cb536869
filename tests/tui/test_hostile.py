"""Hostile text through a real pseudo-terminal, in every place that shows outside text.

10,000 texts; `TINYLLM_FAULTS=long`: 100,000.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tui.hostile_child import PLACES
from tests.tui.terminal_bytes import Written

COLUMNS, LINES = 160, 50
LONG = os.environ.get("TINYLLM_FAULTS") == "long"
STRINGS = 100_000 if LONG else 10_000
TITLE = re.compile(r"\x1b\]2;. question\d+\. [^\x00-\x1f\x7f-\x9f]*\x07")
"""Sets the title to a sign and the question."""


@dataclass
class Shown:
    """What became of a run of `hostile_child`."""

    status: int
    data: bytes
    report: dict[str, Any]


def show(tmp_path: Path, seed: int, strings: int, *more: str) -> Shown:
    """Run the child on a pseudo-terminal until it ends."""
    report = tmp_path / f"report-{seed}.json"
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.tui.hostile_child", str(seed), str(strings), str(report), *more],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_CONFIG_HOME": str(tmp_path)},
    )  # fmt: skip
    os.close(slave)
    taken: list[bytes] = []
    try:
        while piece := _read(master):
            taken.append(piece)
        status = child.wait(60)
    finally:
        child.kill()
        child.wait()
        os.close(master)
    data = b"".join(taken)
    assert report.exists(), data[-4000:].decode(errors="replace")
    return Shown(status, data, json.loads(report.read_text()))


def _read(master: int) -> bytes:
    try:
        return os.read(master, 1 << 16)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.timeout(7200 if LONG else 900)
def test_no_text_commands_the_terminal_breaks_markup_or_moves_a_frame(tmp_path: Path) -> None:
    plain = Written(show(tmp_path, 1, 400, "harmless").data)
    hostile = show(tmp_path, 2, STRINGS)
    assert hostile.report["broken"] == []
    assert hostile.status == 0
    assert hostile.report["made"] >= STRINGS
    written = Written(hostile.data)
    assert set(written.kinds) <= set(plain.kinds), "a sequence that harmless text never brings about"
    titles = [each for each in written.contents if TITLE.fullmatch(each)]
    assert len(titles) > hostile.report["rounds"], "the terminal's title never said what was asked"
    assert not [each for each in set(written.contents) - set(titles) if "7707" in each or "PWN" in each]
    assert not written.commanding - plain.commanding
    assert "Traceback" not in written.text
    assert "MarkupError" not in written.text
    unseen = [place for place in PLACES if not any(f"{place}{digit}" in written.text for digit in "123456789")]
    assert not unseen, "these places never showed their text"
