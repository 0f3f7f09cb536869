"""The conversation: one question at a time, each a run in the session, shown in its exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.worker import Worker

from engine.errors import EngineError, ErrorClass, classify
from engine.view import View
from tinyllm_tui.engine_port import CockpitEngine, CockpitRun
from tinyllm_tui.session_name import session_name
from tinyllm_tui.widgets.board import Moment
from tinyllm_tui.widgets.chat.history import PastTurn, turns_of
from tinyllm_tui.widgets.chat.taken_back import cancelled_words

if TYPE_CHECKING:
    from engine.graph.spec import GraphSpec
    from engine.store.rows import SessionRow
    from tinyllm_tui.app import CockpitApp
    from tinyllm_tui.widgets.chat.exchange import Exchange

GOES_ON = "goes on after an interruption"
"""What stands at a question whose run was begun by an earlier process."""
MESSAGES_READ = 1000
"""Of an earlier session, the latest ones: more than the chat ever mounts, and questions enough to recall."""
RECALLED = 200
"""Runs whose questions can be recalled in the prompt."""


async def _latest_turns(engine: CockpitEngine, row: SessionRow) -> list[PastTurn]:
    return turns_of(await engine.session_history(row.id, limit=MESSAGES_READ))


class Conversation:
    """Questions go in, runs come out. Errors end in the exchange, with their remedy."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app
        self.session: SessionRow | None = None
        """What the next question joins; None: a new one, named by that question."""
        self.turns: list[PastTurn] = []
        """What was said in it last before this process, or since it was resumed: as it was read."""
        self.asked = ""
        """The latest question, in full."""
        self.editing: PastTurn | None = None
        """The turn whose question the next one takes the place of."""
        self._earlier: list[str] = []
        """Questions of all sessions before this start, the oldest first."""
        self._named = ""
        self._run: CockpitRun | None = None
        self._worker: Worker[None] | None = None
        self._exchange: Exchange | None = None
        self._replaced = ""
        """The transaction whose turn that of the running one takes the place of."""

    @property
    def busy(self) -> bool:
        """Whether a question is being answered."""
        return self._worker is not None and not self._worker.is_finished

    def ask(self, question: str, shown: str, replaces: str = "") -> bool:
        """Begin to answer; false (and a message) while another question is being answered.

        `replaces`: the transaction whose turn this one's takes the place of.
        """
        if self._refused():
            return False
        exchange = self._app.chat.begin(shown, question)
        self._app.chat.take_away(replaces)
        self._exchange, self._replaced = exchange, replaces
        self._run, self.asked = None, question
        self._worker = self._app.run_worker(
            self._answer(question, shown, exchange, replaces), group="run", exclusive=True, exit_on_error=False
        )
        return True

    def adopt(self, run: CockpitRun) -> bool:
        """Go on with a run that was interrupted; false while a question is being answered.

        Its session becomes that of the conversation, its question and answer an exchange.
        """
        if self.busy:
            return False
        self._run, self._exchange, self._replaced = run, None, ""
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
        replace: bool = False,
    ) -> bool:
        """Begin a fork of a past run as the next exchange; false (and a message) while a question is being answered.

        Args:
            tx: the past run.
            at: the step of it that is the last one shared.
            shown: the question, as it stands in the chat.
            question: instead of the past run's.
            graph: instead of the one that was recorded.
            model: for every role, instead of what the settings say.
            replace: its turn takes the place of the past run's in the session.

        Raises:
            EngineError: there is no such step, or the graph does not fit; nothing has begun.
        """
        if self._refused():
            return False
        engine = await self._app.opened()
        session = await self._joined(engine, shown)
        asked = (await engine.transaction(tx)).question if question is None else question
        run = await engine.fork(
            tx,
            at=at,
            question=question,
            graph=graph,
            model=model,
            session=session,
            approver=self._app.approvals,
            replace=replace,
        )
        self._app.life.follow(run)  # at once: from the next await on it publishes
        exchange = self._app.chat.begin(shown, asked)
        self._replaced = tx if replace else ""
        self._app.chat.take_away(self._replaced)
        exchange.recorded = not engine.read_only
        self._run, self._exchange = run, exchange
        self.asked = asked
        self._worker = self._app.run_worker(
            self._show_to_end(run, exchange), group="run", exclusive=True, exit_on_error=False
        )
        return True

    def begin_edit(self, turn: PastTurn | None = None) -> bool:
        """The next question takes the place of that of a turn, else of the latest one; false where there is none."""
        self.editing = turn or self._latest
        return self.editing is not None

    async def again(self, turn: PastTurn | None = None) -> bool:
        """Ask a question once more, as a fork of its run; false (and a message) where that cannot be.

        Args:
            turn: whose question; default: the latest.

        Raises:
            EngineError: the run is not here any more.
        """
        turn = turn or self._latest
        if turn is None:
            self._app.notify("There is no question to ask again yet.", severity="warning")
            return False
        return await self.resend(turn, None, turn.question)

    async def resend(self, turn: PastTurn, question: str | None, shown: str) -> bool:
        """Begin a question again; false (and a message) while one is being answered.

        The run is a fork of that turn's from its beginning, so that it is told of what was said before that, and of
        nothing later; in the session its turn takes its place, which stays in the log. Where that one is
        not recorded the question is asked as a new one.

        Args:
            turn: whose question.
            question: instead of it.
            shown: the question, as it stands in the chat.

        Raises:
            EngineError: the run is not here any more.
        """
        if self._refused():
            return False
        if not turn.tx or turn.number is None or not self._app.recorded:
            return self.ask(turn.question if question is None else question, shown, turn.tx)
        return await self.fork(turn.tx, 1, question=question, shown=shown, replace=True)

    @property
    def _latest(self) -> PastTurn | None:
        """The latest question, and the recorded run that it began."""
        if not self.asked:
            return None
        if self._exchange is not None:
            run = self._run
            return PastTurn(
                self.asked, "", "" if run is None else run.transaction, None if run is None else run.number, 0
            )
        last = self.turns[-1] if self.turns else None
        return last if last is not None else PastTurn(self.asked, "", "", None, 0)

    def _refused(self) -> bool:
        """Whether a question is being answered, so that no other one can be; says so."""
        if self.busy:
            self._app.notify("One question at a time: Esc cancels the running one.", severity="warning")
        return self.busy

    def cancel(self) -> str:
        """Cancel what is being answered; what the person is told of it, empty when nothing is."""
        if not self.busy:
            return ""
        view = self._app.live.view
        begun = self._run is not None and view.tx == self._run.transaction
        if self._run is not None:
            self._run.cancel()
        elif self._worker is not None:
            self._worker.cancel()
            if self._exchange is not None:
                self._give_up(self._exchange, "Cancelled before it began.")
        return cancelled_words(view if begun else View())

    def begin_anew(self, name: str = "") -> bool:
        """The next question begins a session of its own, called `name`, or else after that question."""
        if self.busy:
            return False
        self.session, self._exchange, self._run = None, None, None
        self.asked, self.editing = "", None
        self.turns, self._named = [], name
        self._app.drafts.switch("")
        return True

    async def resume(self, reference: str) -> bool:
        """Go on with a session: the chat shows what was said in it; false (and a message) while a question is answered.

        Args:
            reference: its id, its name, or a unique beginning of its id.

        Raises:
            EngineError: there is no such session, or the store cannot be read; nothing has changed.
        """
        engine = await self._app.opened()
        row = await engine.session(reference)
        turns = await _latest_turns(engine, row)
        if self._refused():
            return False
        self.begin_anew()
        self._app.life.show_nothing()
        self._app.chat.forget()
        self._take(row, turns)
        return True

    async def restore(self, engine: CockpitEngine, reference: str | None) -> None:
        """At the start: go on with a session; what was asked before the engine was open joins it.

        Args:
            engine: which was just opened; while it is, nothing can be answered yet.
            reference: of the session; None: the one that was used last.

        Raises:
            EngineError: there is no such session, or the store cannot be read.
        """
        if reference is not None:
            row = await engine.session(reference)
        else:
            used = [each for each in await engine.sessions() if each.messages]
            if not used:
                return
            row = used[0]
        self._take(row, await _latest_turns(engine, row))

    async def recall(self, engine: CockpitEngine) -> None:
        """At the start: what was asked before, in any session, can be recalled in the prompt.

        Raises:
            EngineError: the store cannot be read.
        """
        asked = [row.question for row in reversed(await engine.transactions(RECALLED)) if row.question]
        self._earlier = list(dict.fromkeys(asked))
        self._app.prompt.recall_first(self._earlier)

    def _take(self, row: SessionRow, turns: list[PastTurn]) -> None:
        self.session, self.turns = row, turns
        if turns and not self.asked:
            self.asked = turns[-1].question
        self._app.chat.open_history(turns, max(row.messages // 2 - len(turns), 0))
        mine = [turn.question for turn in turns if turn.question]
        self._app.prompt.remember([*(each for each in self._earlier if each not in {*mine}), *mine])
        self._app.drafts.switch(row.id)

    async def rename(self, name: str) -> SessionRow:
        """Give this session another name.

        Raises:
            EngineError: there is none yet, the name is empty, or the store does not take it.
        """
        engine = await self._app.opened()
        self.session = await engine.rename_session(self.begun().id, name)
        return self.session

    async def use_memory(self, on: bool) -> SessionRow:
        """Say whether the next questions of this session use long-term memory.

        Raises:
            EngineError: there is none yet, or the store does not take it.
        """
        engine = await self._app.opened()
        self.session = await engine.set_session_memory(self.begun().id, on)
        return self.session

    def begun(self) -> SessionRow:
        """The session.

        Raises:
            EngineError: there is none yet.
        """
        if self.session is None:
            raise EngineError(
                ErrorClass.INVALID_REQUEST, "no_session", "This conversation has not begun.",
                remedy="Ask a question first, or open an earlier session with /session.",
            )  # fmt: skip
        return self.session

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

    async def _answer(self, question: str, shown: str, exchange: Exchange, replaces: str) -> None:
        try:
            engine, graph = await self._app.life.ready()
            exchange.recorded = not engine.read_only
            session = await self._joined(engine, shown)
            approver = self._app.approvals
            self._run = engine.start(
                graph, question, session=session, approver=approver, priority="interactive", replaces=replaces
            )
            self._app.life.follow(self._run)
            await self._see_to_end(self._run, exchange)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here as a message and not as a traceback
            self._fail(exchange, error)

    async def _go_on(self, run: CockpitRun) -> None:
        exchange: Exchange | None = None
        try:
            view = await self._app.life.take_up(run)
            if view.session is not None:
                await self._take_session_of(view.session)
            self.asked = view.question
            exchange = self._exchange = self._app.chat.begin(view.question)
            exchange.mark(GOES_ON)
            await self._see_to_end(run, exchange)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(exchange or self._app.chat.begin(f"#{run.number}"), error)

    async def _show_to_end(self, run: CockpitRun, exchange: Exchange) -> None:
        try:
            await self._see_to_end(run, exchange)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(exchange, error)

    def _fail(self, exchange: Exchange, error: Exception) -> None:
        known = classify(error)
        self._give_up(exchange, known.message, known.remedy)

    def _give_up(self, exchange: Exchange, message: str, remedy: str = "") -> None:
        """There is no answer; the turn that it would have replaced stands again."""
        exchange.refuse(message, remedy)
        self._app.chat.bring_back(self._replaced)

    async def _see_to_end(self, run: CockpitRun, exchange: Exchange) -> None:
        result = await run.result()
        view = await self._app.life.seen_to_end()
        exchange.show(view, result.number or None, float(view.t_ms))
        if view.status != "committed":
            self._app.chat.bring_back(self._replaced)

    async def _take_session_of(self, session: str) -> None:
        engine = await self._app.opened()
        row = await engine.session(session)
        self._take(row, await _latest_turns(engine, row))

    async def _joined(self, engine: CockpitEngine, question: str) -> str:
        """Id of the session that a question joins."""
        if self.session is None:
            self.session = await engine.create_session(self._named or session_name(question))
            self._app.drafts.began(self.session.id)
        return self.session.id
