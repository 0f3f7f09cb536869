"""The conversation: one question at a time, each a run in the session, shown in its exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.worker import Worker

from engine.errors import classify
from tinyllm_tui.engine_port import CockpitEngine, CockpitRun
from tinyllm_tui.widgets.board import Moment

if TYPE_CHECKING:
    from engine.graph.spec import GraphSpec
    from tinyllm_tui.app import CockpitApp
    from tinyllm_tui.widgets.chat.exchange import Exchange

GOES_ON = "goes on after an interruption"
"""What stands at a question whose run was begun by an earlier process."""


class Conversation:
    """Questions go in, runs come out. Errors end in the exchange, with their remedy."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app
        self._session: str | None = None
        self._run: CockpitRun | None = None
        self._worker: Worker[None] | None = None
        self._exchange: Exchange | None = None

    @property
    def busy(self) -> bool:
        """Whether a question is being answered."""
        return self._worker is not None and not self._worker.is_finished

    def ask(self, question: str, shown: str) -> bool:
        """Begin to answer; false (and a message) while another question is being answered."""
        if self._refused():
            return False
        exchange = self._app.chat.begin(shown)
        self._exchange = exchange
        self._run = None
        self._worker = self._app.run_worker(
            self._answer(question, exchange), group="run", exclusive=True, exit_on_error=False
        )
        return True

    def adopt(self, run: CockpitRun) -> bool:
        """Go on with a run that was interrupted; false while a question is being answered.

        Its session becomes that of the conversation, its question and answer an exchange.
        """
        if self.busy:
            return False
        self._run, self._exchange = run, None
        self._worker = self._app.run_worker(self._go_on(run), group="run", exclusive=True, exit_on_error=False)
        return True

    async def fork(
        self,
        tx: str,
        at: int,
        *,
        shown: str,
        question: str | None = None,
        graph: GraphSpec | None = None,
        model: str | None = None,
    ) -> bool:
        """Begin a fork of a past run as the next exchange; false (and a message) while a question is being answered.

        Args:
            tx: the past run.
            at: the step of it that is the last one shared.
            shown: the question, as it stands in the chat.
            question: instead of the past run's.
            graph: instead of the one that was recorded.
            model: for every role, instead of what the settings say.

        Raises:
            EngineError: there is no such step, or the graph does not fit; nothing has begun.
        """
        if self._refused():
            return False
        engine = await self._app.opened()
        session = await self._session_of(engine)
        run = await engine.fork(
            tx, at=at, question=question, graph=graph, model=model, session=session, approver=self._app.approvals
        )
        self._app.follow(run)  # at once: from the next await on it publishes
        exchange = self._app.chat.begin(shown)
        exchange.recorded = not engine.read_only
        self._run, self._exchange = run, exchange
        self._worker = self._app.run_worker(
            self._show_to_end(run, exchange), group="run", exclusive=True, exit_on_error=False
        )
        return True

    def _refused(self) -> bool:
        """Whether a question is being answered, so that no other one can be; says so."""
        if self.busy:
            self._app.notify("One question at a time: Esc cancels the running one.", severity="warning")
        return self.busy

    def cancel(self) -> bool:
        """Cancel what is being answered; false when nothing is."""
        if not self.busy:
            return False
        if self._run is not None:
            self._run.cancel()
        elif self._worker is not None:
            self._worker.cancel()
            if self._exchange is not None:
                self._exchange.refuse("Cancelled before it began.", "")
        return True

    def begin_anew(self) -> bool:
        """The next question begins a session of its own."""
        if self.busy:
            return False
        self._session, self._exchange, self._run = None, None, None
        return True

    def show(self, moment: Moment) -> None:
        """Bring the running exchange up to now."""
        if self._exchange is None or not self.busy:
            return
        if moment.stands:
            self._exchange.wait_for(self._app.waiting_for, float(moment.wall_ms))
        elif self._run is not None and moment.view.tx == self._run.transaction:
            self._exchange.show(moment.view, moment.number, moment.elapsed_ms)
        else:
            self._exchange.wait_for(self._app.waiting_for, float(moment.wall_ms))

    async def _answer(self, question: str, exchange: Exchange) -> None:
        try:
            engine, graph = await self._app.ready()
            exchange.recorded = not engine.read_only
            session = await self._session_of(engine)
            approver = self._app.approvals
            self._run = engine.start(graph, question, session=session, approver=approver, priority="interactive")
            self._app.follow(self._run)
            await self._see_to_end(self._run, exchange)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here as a message and not as a traceback
            known = classify(error)
            exchange.refuse(known.message, known.remedy)

    async def _go_on(self, run: CockpitRun) -> None:
        exchange: Exchange | None = None
        try:
            view = await self._app.take_up(run)
            self._session = view.session
            exchange = self._exchange = self._app.chat.begin(view.question)
            exchange.mark(GOES_ON)
            await self._see_to_end(run, exchange)
        except Exception as error:  # noqa: BLE001 - as above
            known = classify(error)
            exchange = exchange or self._app.chat.begin(f"#{run.number}")
            exchange.refuse(known.message, known.remedy)

    async def _show_to_end(self, run: CockpitRun, exchange: Exchange) -> None:
        try:
            await self._see_to_end(run, exchange)
        except Exception as error:  # noqa: BLE001 - as above
            known = classify(error)
            exchange.refuse(known.message, known.remedy)

    async def _see_to_end(self, run: CockpitRun, exchange: Exchange) -> None:
        result = await run.result()
        view = await self._app.seen_to_end()
        exchange.show(view, result.number or None, float(view.t_ms))

    async def _session_of(self, engine: CockpitEngine) -> str:
        if self._session is None:
            self._session = (await engine.create_session()).id
        return self._session
