"""Asking on the terminal: what a run wants to know stands on stderr, and only the whole word yes means yes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import aclosing

import click

from engine.tools.policy import Approval, ApprovalRequest
from tinyllm_tui.approval_text import arguments_of, effect_of, question_of, text_of, title_of
from tinyllm_tui.cli import output
from tinyllm_tui.cli.lines import read_lines

_MAX_LINE = 1000
"""Characters of an answer; a longer one is no yes."""


class TerminalApprover:
    """Asks the person at the terminal, one request after the other; without a terminal the answer is no.

    Args:
        break_line: called before anything is printed, where an answer may stand on an unfinished line.
    """

    def __init__(self, break_line: Callable[[], None]) -> None:
        self._break_line = break_line
        self._turn = asyncio.Lock()

    async def ask(self, request: ApprovalRequest) -> Approval:
        """The person's answer."""
        async with self._turn:
            self._break_line()
            if not (output.is_terminal(sys.stdin) and output.is_terminal(sys.stderr)):
                output.note(
                    f"Note: {title_of(request)} There is no terminal in which a person could answer, so the answer is"
                    " no. Run it in a terminal to be asked."
                )
                return Approval(False, request.arguments_hash, reason="There is no terminal.", by="nobody")
            for part in (title_of(request), question_of(request), effect_of(request), _details(request)):
                if part:
                    output.note(part)
            said = await self._line()
        return Approval(said.strip() == "yes", request.arguments_hash)

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


def _details(request: ApprovalRequest) -> str:
    if request.tool:
        return f"With exactly these arguments:\n{arguments_of(request)}"
    return f"The text that goes on:\n{text_of(request)}" if request.text else ""


def _forget_typed(descriptor: int) -> None:
    """Drop what was typed before the question was there: it cannot be an answer to it."""
    import termios

    termios.tcflush(descriptor, termios.TCIFLUSH)
