"""Asking on the terminal: what a run wants to know stands on stderr, and only the whole word yes means yes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import click

from engine import events as ev
from engine.tools.policy import Approval, ApprovalRequest
from tinyllm_tui.approval_text import arguments_of, effect_of, question_of, text_of
from tinyllm_tui.cli import output
from tinyllm_tui.cli.lines import read_lines

_MAX_LINE = 1000
"""Characters of an answer; a longer one is no yes."""
_MAX_QUESTION = 500
"""Cells of a question that nobody can answer."""
_REFUSALS = ("no", "n", "")
"""Answers that are plainly a no; any other that is no yes is asked about once more."""


class TerminalApprover:
    """Asks the person at the terminal, one request after the other; without a terminal the answer is no.

    Args:
        break_line: called before anything is printed, where an answer may stand on an unfinished line.
    """

    def __init__(self, break_line: Callable[[], None]) -> None:
        self._break_line = break_line
        self._turn = asyncio.Lock()
        self._following = False
        self._announced = asyncio.Semaphore(0)
        """Requests of which the event was handed out, and which were not put to the person yet."""
        self._free = asyncio.Event()
        """Set while no prompt waits for an answer."""
        self._free.set()
        self.answered: ev.ApprovalAnswered | None = None
        """The latest answer of the run that is followed."""

    async def follow(self, events: AsyncIterator[ev.Event]) -> AsyncGenerator[ev.Event, None]:
        """The events of the run that asks, so that nothing that they make appear is mixed into a prompt.

        What led to a question is handed out before it is asked; what happens while the person thinks, afterwards.
        """
        self._following = True
        async for event in events:
            await self._free.wait()
            yield event
            if isinstance(event.body, ev.ApprovalAsked):
                self._announced.release()
            elif isinstance(event.body, ev.ApprovalAnswered):
                self.answered = event.body

    async def ask(self, request: ApprovalRequest) -> Approval:
        """The person's answer."""
        async with self._turn:
            if self._following:
                await self._announced.acquire()
            self._break_line()
            if not (output.is_terminal(sys.stdin) and output.is_terminal(sys.stderr)):
                output.note(
                    f"Note: {_heading(request)} {output.one_line(question_of(request), _MAX_QUESTION)}\n"
                    "There is no terminal in which a person could answer, so the answer is no.\n"
                    "Remedy: Run the same command in a terminal, where you are asked."
                )
                return Approval(False, request.arguments_hash, reason="There is no terminal.", by="nobody")
            self._free.clear()
            try:
                return Approval(await self._says_yes(request), request.arguments_hash)
            finally:
                self._free.set()

    async def _says_yes(self, request: ApprovalRequest) -> bool:
        for part in (_heading(request), question_of(request), effect_of(request), _details(request)):
            if part:
                output.note(part)
        said = (await self._line()).strip().casefold()
        if said != "yes" and said not in _REFUSALS:
            output.note("Type yes to allow it, anything else refuses.")
            said = (await self._line()).strip().casefold()
        return said == "yes"

    async def _line(self) -> str:
        """What the person types; empty where the input ends."""
        descriptor = sys.stdin.fileno()
        _forget_typed(descriptor)
        click.echo("Allow? type yes: ", err=True, nl=False)
        try:
            async with aclosing(read_lines(descriptor, _MAX_LINE)) as lines:
                async for line in lines:
                    return line
        except asyncio.CancelledError:
            click.echo(err=True)
            raise
        click.echo(err=True)
        return ""


def _heading(request: ApprovalRequest) -> str:
    """Who wants what, in a line before the question, or before what the tool does."""
    node = output.one_line(request.node, 80)
    wanted = f"call {output.one_line(request.tool, 60)}" if request.tool else "know"
    return f"The node {node} wants to {wanted}:"


def _details(request: ApprovalRequest) -> str:
    if request.tool:
        return f"With exactly these arguments:\n{arguments_of(request)}"
    return f"The text that goes on:\n{text_of(request)}" if request.text else ""


def _forget_typed(descriptor: int) -> None:
    """Drop what was typed before the question was there: it cannot be an answer to it."""
    import termios

    termios.tcflush(descriptor, termios.TCIFLUSH)
