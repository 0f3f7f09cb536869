"""A tool whose effect stays, as somebody might bring along: it adds a line to a ledger that only grows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from engine.tools.effect import Effect, Permission
from engine.tools.protocol import Arguments, Intent, Reconciliation, Result, ToolContext


class PostArguments(Arguments):
    entry: str


class PostResult(Result):
    number: int


@dataclass
class PostTool:
    """Its world is a file."""

    ledger: Path
    knows: Reconciliation | None = None
    """What it says of a call that broke off; None: it looks."""
    breaks: Exception | None = None
    """What goes wrong, after the line was written."""
    refuses: Exception | None = None
    """What goes wrong before."""
    hangs: bool = False
    times: int = 1
    """It goes wrong so many times."""
    timeout_s: float = 30.0
    calls: list[str] = field(default_factory=list)

    id = "post"
    description = "Adds a line to the ledger."
    Input: ClassVar[type[PostArguments]] = PostArguments
    Output: ClassVar[type[PostResult]] = PostResult
    effect: ClassVar[Effect] = "irreversible"
    permission: ClassVar[Permission] = "auto"

    @property
    def lines(self) -> list[str]:
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []

    async def run(self, arguments: PostArguments, context: ToolContext) -> PostResult:
        self.calls.append(context.call)
        goes_wrong = len(self.calls) <= self.times
        if self.refuses is not None and goes_wrong:
            raise self.refuses
        with self.ledger.open("a") as ledger:
            ledger.write(f"{arguments.entry} {context.call}\n")
        if self.hangs and goes_wrong:
            await asyncio.Event().wait()
        if self.breaks is not None and goes_wrong:
            raise self.breaks
        return PostResult(number=len(self.lines))

    async def reconcile(self, intent: Intent, context: ToolContext) -> Reconciliation:
        if self.knows is not None:
            return self.knows
        return "done" if any(line.endswith(intent.call) for line in self.lines) else "not_done"
