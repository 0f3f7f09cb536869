"""Made-up runs in a store: as many as a test, a benchmark or a picture needs, written by the real event log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from engine import events as ev
from engine.bus import EventBus
from engine.errors import ErrorClass, ErrorInfo
from engine.store import queries
from engine.store.database import Database
from engine.store.log import EventLog, TxStream

MODELS = ("qwen2.5:3b", "smollm2:135m")
QUESTIONS = ("What is the capital of France?", "Write a function that reverses a list.", "What is 17 * 23?",
             "Summarise this text in one sentence.", "Why is the sky blue?")  # fmt: skip
Say = Callable[[ev.Body], None]


def graph(name: str) -> dict[str, Any]:
    return {"id": f"graph.{name}", "name": name, "version": "1.0.0", "nodes": [], "edges": []}


def run(say: Say, number: int, dice: random.Random) -> None:
    """One run, as the events of it: most go well, some are answered by a fallback, some fail or are cancelled."""
    name = "multi_domain" if number % 3 else "quick"
    question = QUESTIONS[number % len(QUESTIONS)]
    say(ev.Begin(graph=graph(name), graph_hash=name, question=question, session=None, number=number, backend="ollama"))
    for path in ("start", "router"):
        node(say, path, dice.randint(0, 40))
    worker = ("code", "math", "general")[number % 3]
    model = MODELS[number % 7 == 0]
    say(ev.NodeStarted(path=worker, visit=1, message=1))
    chance = dice.random()
    if chance < 0.08:
        fail(say, worker, model, number)
        return
    for step in range(3):
        say(ev.ModelDelta(path=worker, visit=1, step=1, attempt=1, offset=step * 40, text="word " * 8, tokens=step * 8))
    took, tokens = round(dice.lognormvariate(7.2, 0.5)), dice.randint(20, 160)
    say(
        ev.ModelFinished(
            path=worker, visit=1, step=1, attempt=1, model=model, text="word " * tokens, finish="stop",
            prompt_tokens=300, completion_tokens=tokens, duration_ms=took, first_token_ms=took // 5,
            cached=number % 11 == 0,
        )
    )  # fmt: skip
    say(ev.NodeFinished(path=worker, visit=1, outcome="ok", content="word " * tokens, duration_ms=took))
    node(say, "check", 1)
    if chance < 0.12:
        say(ev.RolledBack(reason="cancelled"))
    else:
        exit_: ev.ExitStatus = "fallback" if chance < 0.2 else "success"
        say(ev.Committed(exit=exit_, exit_node="answer", text="word " * tokens, usage=ev.Usage(300, tokens, 1)))


def node(say: Say, path: str, took: int) -> None:
    say(ev.NodeStarted(path=path, visit=1, message=1))
    say(ev.NodeFinished(path=path, visit=1, outcome="ok", duration_ms=took))


def fail(say: Say, worker: str, model: str, number: int) -> None:
    error = ErrorInfo(ErrorClass.SERVER, "server_error", "The model server answered 500.", "Look at its log.", worker)
    for attempt in (1, 2, 3):
        say(ev.AttemptFailed(path=worker, visit=1, step=1, attempt=attempt, model=model, error=error))
    if number % 2:
        breaker = ev.BreakerSnapshot(f"http://127.0.0.1:11434 {model}", "endpoint", "open", failures=3, recent="..xxx")
        say(ev.BreakerChanged(breaker, "closed"))
    say(ev.NodeFinished(path=worker, visit=1, outcome="failed", error=error, duration_ms=900))
    say(ev.RolledBack(reason="failed", error=error))


class Recorder:
    """Says events of runs; its clock is moved by hand, so that runs take their time without anybody waiting."""

    def __init__(self, database: Database, next_gseq: int, started: float) -> None:
        self.now = 0.0
        self.log = EventLog(
            EventBus(), database, next_gseq=next_gseq, now=lambda: self.now, wall=lambda: started + self.now
        )

    def sayer(self, tx: str) -> Say:
        """What appends the events of one run."""
        stream = TxStream(tx, self.now)

        def say(body: ev.Body) -> None:
            took = getattr(body, "duration_ms", 0) if isinstance(body, ev.NodeFinished) else 1
            self.now += took / 1000
            self.log.append(body, None if isinstance(body, ev.BreakerChanged | ev.BackendChanged) else stream)

        return say


async def record(
    folder: Path,
    runs: int | Iterable[Callable[[Say, int], None]],
    *,
    started: float = 1_790_000_000.0,
    apart: float = 60.0,
) -> None:
    """Write runs into the store of `folder`.

    Args:
        folder: of the database.
        runs: scripts of them; a number: so many made-up ones.
        started: Unix time of the first, in seconds.
        apart: seconds between them.
    """
    dice = random.Random(1)
    database = await Database.open(folder)
    next_gseq, first = await queries.next_numbers(database)
    recorder = Recorder(database, next_gseq, started)
    writer = asyncio.create_task(recorder.log.write_forever())
    scripts = [lambda say, number: run(say, number, dice)] * runs if isinstance(runs, int) else list(runs)
    try:
        for number, script in enumerate(scripts, first):
            script(recorder.sayer(f"tx-{number}"), number)
            recorder.now += apart
            if number % 50 == 0:
                await recorder.log.flush()
        await recorder.log.flush()
    finally:
        recorder.log.close()
        await writer
        await database.close()
