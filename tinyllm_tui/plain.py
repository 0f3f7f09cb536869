"""The plain conversation: one question a line, one answer after it; for pipes, dumb terminals and screen readers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

import engine
from engine.errors import EngineError
from tinyllm_tui.cli import output
from tinyllm_tui.cli.answer import answer_printer
from tinyllm_tui.cli.approving import TerminalApprover
from tinyllm_tui.cli.interrupt import CANCELLED, Interrupt
from tinyllm_tui.cli.lines import read_lines
from tinyllm_tui.cli.opening import Notices, open_engine
from tinyllm_tui.cli.options import graph_reference
from tinyllm_tui.cli.run import explained, find_session, report
from tinyllm_tui.session_name import session_name

if TYPE_CHECKING:
    from engine import Engine
    from engine.graph.spec import GraphSpec
    from tinyllm_tui.settings import Loaded

MAX_LINE = 4_000_000
"""Characters of one question."""
ENDS = ("/quit", "/exit")
"""Lines that end the conversation."""


async def converse(loaded: Loaded, interrupt: Interrupt, session: str | None) -> int:
    """Answer stdin line by line until it ends or a line is one of `ENDS`; the exit status is that of the last question.

    A failed question does not end the conversation. A signal cancels the answer in progress; on a terminal the
    conversation goes on after SIGINT.
    """
    notices = Notices()
    async with open_engine(loaded, notices) as eng:
        graph = engine.load_graph(graph_reference(loaded))
        conversation = Conversation(eng, graph, await find_session(eng, session), interrupt, notices)
        return await conversation.hold(read_lines(sys.stdin.fileno(), MAX_LINE))


class Conversation:
    """One session with one graph; without a session the first question begins one that is named after it."""

    def __init__(
        self, eng: Engine, graph: GraphSpec, session: str | None, interrupt: Interrupt, notices: Notices
    ) -> None:
        self._eng = eng
        self._graph = graph
        self._session = session
        self._interrupt = interrupt
        self._notices = notices
        self._person = output.is_terminal(sys.stdin) and output.is_terminal(sys.stdout)

    async def hold(self, lines: AsyncIterator[str]) -> int:
        """Answer every line; the status of the last answer."""
        status = 0
        self._prompt()
        async for line in lines:
            question = line.strip()
            if question in ENDS:
                break
            if refused := refusal(question, self._graph):
                output.note(refused)
                status = 1
            elif question:
                status = await self._answer(question.replace("//", "/", 1) if question.startswith("//") else question)
                if status == CANCELLED and not self._goes_on():
                    return CANCELLED
            self._prompt()
        else:
            if self._person:
                click.echo()
        return status

    def _prompt(self) -> None:
        if self._person:
            click.echo("> ", nl=False)

    def _goes_on(self) -> bool:
        """Whether the person only wanted this answer to end."""
        import signal

        if self._person and self._interrupt.last == signal.SIGINT:
            self._interrupt.forget()
            return True
        return False

    async def _answer(self, question: str) -> int:
        printer = answer_printer()
        try:
            if self._session is None:
                self._session = (await self._eng.create_session(session_name(question))).id
            approver = TerminalApprover(printer.break_line)
            running = self._eng.start(
                self._graph, question, session=self._session, approver=approver, priority="interactive"
            )
            self._interrupt.run = running
            async for event in approver.follow(running.events()):
                printer.feed(event)
            result = explained(await running.result(), approver.answered)
        except EngineError as error:
            output.print_error(error.info())
            return 1
        finally:
            self._interrupt.run = None
        printer.finish(result)
        self._notices.tell(self._eng)
        await asyncio.sleep(0)  # a signal that arrived while printing is seen before the next question
        return report(result)


def refusal(question: str, graph: GraphSpec) -> str:
    """Why a line that begins with a slash is not sent; empty where it is: a route's word, `//`, a path."""
    if not question.startswith("/"):
        return ""
    from tinyllm_tui.commands import slash_command
    from tinyllm_tui.slash_text import route_words, slash_text, unknown

    found, routes = slash_text(question), route_words(graph)
    if found is None:
        return ""
    if found.word in routes:
        return "" if found.rest else f"{found.word} names a route: write the question behind it."
    if slash_command(found.word) is None and found.word not in ENDS:
        return unknown(found.word, routes, listed=False)
    here = " and ".join(ENDS)
    return f"{found.word} is a command of the cockpit; here {here} alone are. Write /{found.word} to send it as text."
