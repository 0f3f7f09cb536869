"""The cockpit in a terminal, shown hostile texts in every place that shows outside text; started by test_hostile.py.

python -m tests.tui.hostile_child SEED STRINGS REPORT [harmless]
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path

from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets._toast import Toast

from engine import events as ev
from engine.errors import ErrorClass, ErrorInfo
from engine.models.protocol import ModelInfo
from engine.store.rows import SessionRow, TransactionRow
from engine.tools.policy import ApprovalRequest
from tests.tui.hostile_screens import hostile_desk, hostile_screens, wrong_in_files
from tests.tui.hostile_texts import HostileTexts
from tests.tui.scripted_engine import ScriptedEngine, ScriptedRun
from tests.tui.test_cockpit import spec, text_of
from tests.waiting import until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.approval import ApprovalScreen
from tinyllm_tui.screens.compare import Side
from tinyllm_tui.screens.jump import JumpScreen
from tinyllm_tui.screens.memories import MemoriesScreen
from tinyllm_tui.screens.models import ModelsScreen
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.screens.pruned import PrunedScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.sessions import SessionsScreen
from tinyllm_tui.screens.transactions import TransactionsScreen

PLACES = (
    "question", "answer", "delta", "node", "error", "breaker", "prune", "route", "recalled", "transaction", "session",
    "memory", "model", "approval", "toast", "op", "figure", "logged", "tool", "asked", "setting",
)  # fmt: skip


class Show:
    """One app, and rounds of texts through all its screens."""

    def __init__(self, texts: HostileTexts, strings: int) -> None:
        self.texts = texts
        self.strings = strings
        self.engine = ScriptedEngine(self.script)
        self.broken: list[str] = []
        """Frames that did not stand."""
        self.rounds = 0

    async def script(self, run: ScriptedRun) -> None:
        """A run in which everything that comes from outside is hostile."""
        one, some = self.texts.one, self.texts.some
        graph = run.graph.model_dump(mode="json")
        run.emit(
            ev.Begin(
                graph, run.graph.content_hash(), run.question, run.session, run.number, backend=one("backend"),
                models={"@general": one("model")}, history=tuple(("user", text) for text in some("history", 3)),
                recalled=tuple(ev.Recalled(n, "note", one("recalled"), "", None, 0.5) for n in range(3)),
            )
        )  # fmt: skip
        run.emit(ev.NodeStarted(path="router", visit=1, message=1))
        run.emit(
            ev.RouteDecided(
                path="router", visit=1, labels=tuple(some("route", 2)), target="general", route=one("route"),
                stage="words", scores=dict.fromkeys(some("route", 3), 0.5), reason=one("route"),
            )
        )  # fmt: skip
        run.emit(ev.NodeFinished(path="router", visit=1, outcome="ok", duration_ms=3))
        run.emit(ev.NodeStarted(path="general", visit=1, message=2))
        for step, text in enumerate(some("op", 3), 1):
            run.emit(
                ev.OpStarted(
                    "general", 1, step, f"tool {text}", "hash", "irreversible", arguments=json.dumps(one("op"))
                )
            )
            run.emit(ev.OpFinished("general", 1, step, f"tool {text}", result=one("op"), error=self._error()))
        for text in some("node", 6):
            run.emit(ev.NodeStarted(path=f"{text}/x", visit=1, message=2))
        self._prune(run)
        for attempt in (1, 2):
            run.emit(
                ev.ModelStarted(
                    path="general", visit=1, step=1, attempt=attempt, model=one("model"), endpoint=one("endpoint"),
                    request_hash="0",
                )
            )  # fmt: skip
            offset = 0
            for text in some("delta", 60):
                run.emit(
                    ev.ModelDelta(path="general", visit=1, step=1, attempt=attempt, offset=offset, text=text, tokens=1)
                )
                offset += len(text)
            await asyncio.sleep(0.05)
            if attempt == 1:
                run.emit(
                    ev.AttemptFailed(
                        path="general", visit=1, step=1, attempt=1, model=one("model"), error=self._error(),
                        retry_in_ms=1, partial=one("partial"),
                    )
                )  # fmt: skip
        self._breakers()
        answer = "\n\n".join(some("answer", 60))
        run.emit(
            ev.NodeFinished(
                path="general", visit=1, outcome="failed", content=answer, error=self._error(), duration_ms=9
            )
        )
        if run.number % 2:
            run.emit(ev.Committed(exit="success", exit_node=one("node"), text=answer))
        else:
            run.emit(ev.RolledBack(reason=one("reason"), error=self._error()))

    def _error(self) -> ErrorInfo:
        one = self.texts.one
        return ErrorInfo(ErrorClass.PROTOCOL, one("code"), one("error"), one("error"), one("node"))

    def _prune(self, run: ScriptedRun) -> None:
        selection = f"{self.texts.one('selection')} m"
        messages = tuple(
            ev.PrunedMessage("tool", "user", 9, len(text), 0, "", text, rank="made")
            for text in self.texts.some("prune", 60)
        )
        run.emit(
            ev.ContextPruned(
                selection, self.texts.one("prune"), 1790, 1070, 2048, tuple(self.texts.some("prune", 3)), messages, 0
            )
        )
        run.emit(ev.ContextMeasured(selection=selection, tokens=600, window=2048, messages=7, reserved=9, by_kind={}))

    def _breakers(self) -> None:
        self.engine.all_breakers.clear()
        for text in self.texts.some("breaker", 10):
            self.engine.breaker(
                ev.BreakerSnapshot(
                    text, "endpoint", "open", failures=3, until_ms=self.engine.now_ms() + 60_000,
                    last_error=self.texts.one("breaker"), recent="..xxx",
                ),
                "closed",
            )  # fmt: skip

    # -- rounds ------------------------------------------------------------------------------------------------------

    async def drive(self, pilot: Pilot[object]) -> None:
        """Until as many texts as wanted were shown."""
        app = pilot.app
        assert isinstance(app, CockpitApp)
        try:
            await until(lambda: app.backend_state.status != "starting")
            while self.texts.made < self.strings:
                self.rounds += 1
                await self._round(app)
            app.exit()
        except BaseException as error:
            self.broken.append(f"round {self.rounds}: {error!r}")
            app.exit()
            raise

    async def _round(self, app: CockpitApp) -> None:
        app.conversation.ask(self.texts.one("question"), self.texts.one("question"))
        await self._frames(app, 3)
        await until(lambda: len(self.engine.rows) == self.rounds and not app.conversation.busy, 120)
        words = self.texts.one("toast")[:300]  # a taller one would have its title above the screen
        app.notify(words, title=self.texts.one("toast"), markup=False, timeout=60)
        await self._sees(app, rf"toast{self.texts.made}\.")
        for number in (2, 3, 4, 5):
            app._cockpit.action_pane(number)
            await self._frames(app, 1)
        app.clear_notifications()
        await self._screens(app)

    async def _screens(self, app: CockpitApp) -> None:
        one, some = self.texts.one, self.texts.some
        signs, view, desk = app.signs, app.live.view, app.desk
        assert desk is not None
        rows = [self._row(number, text) for number, text in enumerate(some("transaction", 44), 1)]

        async def listed(*_: object, **__: object) -> list[TransactionRow]:
            return rows

        self.engine.transactions = listed  # type: ignore[method-assign]
        self.engine.kept = {text: SessionRow(text, text, 1, n, n) for n, text in enumerate(some("session", 44))}
        self.engine.remembered.clear()
        for text in some("memory", 44):
            await self.engine.remember(text)
        self.engine.installed = [ModelInfo(text, parameters_b=0.1, window=9) for text in some("model", 40)]
        for text in some("logged", 20):
            app.run_watch.journal.say("app", "warning", text)
        request = ApprovalRequest(
            one("approval"), one("approval"), "irreversible", {one("approval"): one("approval")}, "hash",
            node=one("node"),
        )  # fmt: skip
        runs = [run.transaction for run in self.engine.rows]
        earlier, events = [await self.engine.events(each) for each in (runs * 2)[-2:]]
        self.broken += await wrong_in_files(events)
        prune = next(iter(view.memory.values())).prunes[-1] if view.memory else None
        for words, screen in (
            ("transaction", TransactionsScreen(app.opened)), ("session", SessionsScreen()),
            ("memory", MemoriesScreen()), ("model", ModelsScreen()),
            ("general", NodeScreen("general", app._cockpit.moment, signs)),
            ("router", NodeScreen("router", app._cockpit.moment, signs)),
            ("approval", ApprovalScreen(request, signs, lambda *_: None)), ("REPLAY", ReplayScreen(rows[0], events)),
            *([("prune", PrunedScreen(view, prune, signs))] if prune is not None else []),
            *hostile_screens(self.texts, self.engine, desk, (Side(rows[0], events), Side(rows[1], earlier))),
        ):  # fmt: skip
            await app.push_screen(screen)  # type: ignore[arg-type]
            await self._sees(app, words)
            await self._frames(app, 1)
            await app.pop_screen()
        await self._beside(app)

    async def _beside(self, app: CockpitApp) -> None:
        """The sessions beside the panes, and a letter over all that is in sight."""
        app._cockpit.list_sessions()
        await self._sees(app, r"session\d")
        app.action_jump()
        await until(lambda: isinstance(app.screen, JumpScreen), 120)
        await self._frames(app, 1)
        app.pop_screen()
        await self._frames(app, 1)

    def _row(self, number: int, text: str) -> TransactionRow:
        one = self.texts.one
        return TransactionRow(
            number=number, tx=f"tx-{number}", status=("committed", "rolled_back")[number % 2], session=one("session"),
            graph_id=one("graph"), question=text, answer=text, exit="success", reason=one("reason"), error=one("error"),
            backend=one("backend"), started_ms=0, duration_ms=1, events=9, usage=ev.Usage(),
        )  # fmt: skip

    async def _sees(self, app: CockpitApp, words: str) -> None:
        """Wait for words of the pattern `words`: drawing the screen to look at it costs more than the app does."""
        try:
            async with asyncio.timeout(120):
                while re.search(words, text_of(app)) is None:  # noqa: ASYNC110 - it offers no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{words} never came; {app.screen!r} showed:\n{text_of(app)}") from None

    async def _frames(self, app: CockpitApp, count: int) -> None:
        """Let so many frames be painted, and look whether the last of them stands."""
        for _ in range(count):
            await asyncio.sleep(0.05)
        rows = app.screen._compositor.render_strips()
        for y, row in enumerate(rows):
            if row.cell_length != app.size.width:
                self.broken.append(f"round {self.rounds}, {type(app.screen).__name__}, row {y}: {row.text!r}")
        toasts = [toast.region for toast in app.screen.query(Toast)]
        for frame in app.screen.query(".frame"):
            if frame.display and frame.region and frame.styles.border_left[0] not in ("", "none"):  # low ones have none
                for y in range(frame.region.y + 1, frame.region.bottom - 1):
                    for column in (frame.region.x, frame.region.right - 1):
                        covered = any(toast.contains(column, y) for toast in toasts)
                        if not covered and not _begins_at(rows[y], column, "│┃█▁▂▃▄▅▆▇ "):
                            self.broken.append(f"round {self.rounds}, border at {column},{y}: {rows[y].text!r}")


def _begins_at(row: Strip, column: int, characters: str) -> bool:
    """Whether a piece of the row begins in a column, with one of `characters`."""
    at = 0
    for segment in row:
        if at == column:
            return segment.text[0] in characters
        at += segment.cell_length
    return False


def main() -> None:
    seed, strings, report = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    show = Show(HostileTexts(seed, harmless="harmless" in sys.argv), strings)
    with tempfile.TemporaryDirectory() as folder:
        app = CockpitApp(
            show.engine.open,
            "multi_domain",
            load_graph=spec,
            user_themes=Path(folder),
            desk=hostile_desk(show.texts, Path(folder)),
        )
        app.run(auto_pilot=show.drive)
    report.write_text(json.dumps({"made": show.texts.made, "rounds": show.rounds, "broken": show.broken[:20]}))


if __name__ == "__main__":
    main()
