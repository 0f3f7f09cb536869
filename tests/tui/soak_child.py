"""The cockpit under a steady load of scripted events, in a process of its own; started by test_soak.py.

python -m tests.tui.soak_child SECONDS EVENTS_PER_MINUTE REPORT
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from engine import events as ev
from engine.view import fold
from tests.benchmarks.paint_driver import resident_bytes
from tests.tui.scripted_engine import MODEL, ScriptedEngine, ScriptedRun
from tests.tui.test_cockpit import flat, spec, text_of
from tests.waiting import until
from tinyllm_tui.app import CockpitApp

SIZE = (160, 50)
_WARM = 0.25
"""Part of the time after which memory is first taken: caches are full then."""
_KEPT_RUNS = 3
"""Runs whose events the double keeps: the real engine has them in a file."""


@dataclass
class Figures:
    """What came of it."""

    runs: int = 0
    events: int = 0
    seconds: float = 0.0
    waited_s: float = 0.0
    """Of these, how long other processes had the cores that this one was ready to use."""
    first_mb: float = 0.0
    last_mb: float = 0.0
    held_events: int = 0
    """Events that are still in memory at the end."""
    left_tasks: list[str] = field(default_factory=list)
    """After the app has ended."""
    wrong: list[str] = field(default_factory=list)
    """What the panes did not say at the end."""


class Load:
    """Runs one after the other, each a few hundred events, so many a minute."""

    def __init__(self, a_minute: int) -> None:
        self.engine = ScriptedEngine(self.script)
        self._gap_s = 60 / a_minute
        self._due = 0.0

    async def script(self, run: ScriptedRun) -> None:
        engine = self.engine
        old = {each.transaction for each in engine.rows[:-_KEPT_RUNS]}
        engine.log = [event for event in engine.log if event.tx not in old]
        run.begin()
        for visit in range(1, 6):
            for path in ("router", "general", "math"):
                run.emit(ev.NodeStarted(path=path, visit=visit, message=visit))
                run.remember(path, tokens=400 + visit * 200)
                await self._pause(2)
                text = f"Run {run.number}, visit {visit} of {path}: " + "some words of an answer, " * 20
                await self._write(run, path, visit, text)
                run.emit(ev.NodeFinished(path=path, visit=visit, outcome="ok", content=text, duration_ms=9))
                await self._pause(1)
            state: ev.BreakerStateName = "open" if visit % 2 else "closed"
            engine.breaker(
                ev.BreakerSnapshot(f"embedded {MODEL}", "endpoint", state, until_ms=engine.now_ms() + 9000), "closed"
            )
            await self._pause(1)
        answer = f"# Answer {run.number}\n\n- one\n- two\n\n```python\nprint({run.number})\n```\n"
        run.emit(ev.Committed(exit="success", exit_node="answer", text=answer))

    async def _write(self, run: ScriptedRun, path: str, visit: int, text: str) -> None:
        run.emit(
            ev.ModelStarted(
                path=path, visit=visit, step=1, attempt=1, model=MODEL, endpoint="embedded", request_hash="0"
            )
        )
        for offset in range(0, len(text), 24):
            piece = text[offset : offset + 24]
            run.emit(
                ev.ModelDelta(path=path, visit=visit, step=1, attempt=1, offset=offset, text=piece, tokens=offset // 4)
            )
            await self._pause(1)

    async def _pause(self, events: int) -> None:
        """Until the next event is due; what came too late is made up for."""
        now = time.monotonic()
        self._due = max(self._due, now - 1) + events * self._gap_s
        await asyncio.sleep(max(self._due - now, 0))


def _waited_s() -> float:
    """Seconds that this thread was ready to run and did not (Linux, sched-stats.rst); elsewhere always 0."""
    file = Path("/proc/thread-self/schedstat")
    return int(file.read_text(encoding="ascii").split()[1]) / 1e9 if file.exists() else 0.0


def _megabytes() -> float:
    gc.collect()
    return resident_bytes() / 1e6


async def soak(seconds: float, a_minute: int, folder: Path) -> Figures:
    """Ask again and again, and look at what is held and what is shown."""
    load, figures = Load(a_minute), Figures()
    engine = load.engine
    before = asyncio.all_tasks()
    app = CockpitApp(engine.open, "multi_domain", load_graph=spec, user_themes=folder)
    async with app.run_test(size=SIZE):
        await until(lambda: app.backend_state.status == "ready")
        began, waited = time.monotonic(), _waited_s()
        while (spent := time.monotonic() - began) < seconds or figures.runs < 3:
            question = f"Question {figures.runs + 1}"
            app.conversation.ask(question, question)
            await until(lambda: len(engine.rows) == figures.runs + 1, 60)
            await until(lambda: not app.conversation.busy, 120)
            figures.runs += 1
            if not figures.first_mb and spent > seconds * _WARM:
                figures.first_mb = _megabytes()
            figures.last_mb = _megabytes()
        figures.seconds, figures.events = time.monotonic() - began, engine.gseq
        figures.waited_s = _waited_s() - waited
        gc.collect()
        figures.held_events = sum(isinstance(each, ev.Event) for each in gc.get_objects())
        last = engine.rows[-1].transaction
        whole = fold(await engine.events(last))
        if app.live.view != whole:
            figures.wrong.append("the live view is another one than the log's")
        for words in (f"#{figures.runs} committed", f"Answer {figures.runs}", f"Question {figures.runs}", "closed"):
            try:
                await until(lambda words=words: words in flat(text_of(app)))  # type: ignore[misc]
            except TimeoutError:
                figures.wrong.append(f"{words!r} is not on the screen")
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    figures.left_tasks = [repr(task) for task in left]
    return figures


def main() -> None:
    seconds, a_minute, report = float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(soak(seconds, a_minute, Path(folder)))
    report.write_text(json.dumps(asdict(figures)), encoding="utf-8")


if __name__ == "__main__":
    main()
