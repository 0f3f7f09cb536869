"""A ledger that another process keeps: a tool whose effect is a line in a pipe, so that a repeated one can be seen.

Its undo is a line as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from dataclasses import dataclass, field
from typing import Any, ClassVar

from engine.graph import tool_checks
from engine.tools.effect import Effect, Permission
from engine.tools.protocol import Arguments, Result, ToolContext, UndoRecord
from engine.tools.registry import BUILT_IN

LONGEST = 4096
"""Bytes of a line: a pipe takes so many at once or not at all, whatever happens to the writer (POSIX: PIPE_BUF)."""


@dataclass
class Ledger:
    """The writing end; one per process, set before its first run."""

    pipe: int = -1
    dice: random.Random = field(default_factory=random.Random)
    pause_s: float = 0.0
    """Upper bound of the time that a tool takes before its effect, and after it."""

    def write(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"kind": kind, **fields}).encode() + b"\n"
        assert len(line) <= LONGEST
        if self.pipe >= 0:
            os.writev(self.pipe, [line])  # not the call whose failure is tested elsewhere

    async def pause(self) -> None:
        await asyncio.sleep(self.dice.uniform(0, self.pause_s))


LEDGER = Ledger()


class LedgerArguments(Arguments):
    entry: str


class LedgerResult(Result):
    ok: bool = True


class LedgerTool:
    id = "ledger_add"
    description = "Adds a line to the ledger."
    Input: ClassVar[type[LedgerArguments]] = LedgerArguments
    Output: ClassVar[type[LedgerResult]] = LedgerResult
    effect: ClassVar[Effect] = "reversible"
    permission: ClassVar[Permission] = "ask_call"
    timeout_s = 30.0

    async def prepare(self, arguments: LedgerArguments, context: ToolContext) -> UndoRecord:
        return {"entry": arguments.entry}

    async def run(self, arguments: LedgerArguments, context: ToolContext) -> LedgerResult:
        await LEDGER.pause()
        LEDGER.write("add", call=context.call, entry=arguments.entry)
        await LEDGER.pause()
        return LedgerResult()

    async def undo(self, record: UndoRecord, context: ToolContext) -> None:
        await LEDGER.pause()
        LEDGER.write("undo", call=context.call, entry=record["entry"])
        await LEDGER.pause()


def install() -> None:
    """Make the engines of this process know the tool; for programs that test nothing else."""
    sys.modules["engine.tools.ledger_of_tests"] = sys.modules[__name__]
    BUILT_IN[LedgerTool.id] = f"ledger_of_tests:{LedgerTool.__name__}"
    tool_checks.TOOLS |= {LedgerTool.id}  # type: ignore[misc]
