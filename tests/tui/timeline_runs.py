"""Made-up runs for the timeline: bodies with the times at which they happen, as events, or played in the cockpit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from engine import events as ev
from engine.errors import ErrorClass, ErrorInfo
from engine.view import View, fold
from tests.tui.scripted_engine import ScriptedEngine, ScriptedRun
from tinyllm_tui.app import CockpitApp

MODEL = "qwen2.5:3b"
Timed = Sequence[tuple[int, ev.Body]]


def started(path: str, visit: int = 1, attempt: int = 1) -> ev.NodeStarted:
    return ev.NodeStarted(path=path, visit=visit, message=1, attempt=attempt)


def finished(path: str, visit: int = 1, outcome: Any = "ok", error: ErrorInfo | None = None) -> ev.NodeFinished:
    return ev.NodeFinished(path=path, visit=visit, outcome=outcome, duration_ms=1, error=error)


def calls(path: str, attempt: int = 1, queued_ms: int = 0, visit: int = 1) -> ev.ModelStarted:
    return ev.ModelStarted(
        path=path, visit=visit, step=1, attempt=attempt, model=MODEL, endpoint="ollama", request_hash="0",
        queued_ms=queued_ms,
    )  # fmt: skip


def answered(path: str, attempt: int = 1, visit: int = 1) -> ev.ModelFinished:
    return ev.ModelFinished(
        path=path, visit=visit, step=1, attempt=attempt, model=MODEL, text="Yes.", finish="stop", prompt_tokens=20,
        completion_tokens=12, duration_ms=300,
    )  # fmt: skip


def broke(path: str, attempt: int = 1, retry_in_ms: int | None = 200) -> ev.AttemptFailed:
    error = ErrorInfo(ErrorClass.CONNECTION, "connection", "The model server's answer broke off.", "Look at its log.")
    return ev.AttemptFailed(
        path=path, visit=1, step=1, attempt=attempt, model=MODEL, error=error, retry_in_ms=retry_in_ms
    )


def graph(*names: str) -> dict[str, Any]:
    """A graph with these nodes, as `begin` has it."""
    return {"id": "graph.made_up", "nodes": [{"id": name, "type": "model", "config": {}} for name in names]}


def begin(*names: str) -> ev.Begin:
    return ev.Begin(graph=graph(*names), graph_hash="h", question="why?", session=None, number=1)


def breaker(previous: Any, state: Any) -> ev.BreakerChanged:
    return ev.BreakerChanged(ev.BreakerSnapshot(key=f"ollama {MODEL}", scope="endpoint", state=state), previous)


BUSY: Timed = [
    (0, started("start")),
    (5, finished("start")),
    (5, started("router")),
    (180, finished("router")),
    (180, started("code")),
    (182, started("math")),
    (185, started("essay")),
    (200, calls("code")),
    (600, calls("math", queued_ms=410)),
    (1000, calls("essay", queued_ms=800)),
    (1100, broke("code")),
    (1300, calls("code", attempt=2)),
    (1500, answered("math")),
    (1510, finished("math")),
    (1800, broke("code", attempt=2)),
    (1801, breaker("closed", "open")),
    (2200, calls("code", attempt=3)),
    (2300, ev.ContextPruned(f"essay {MODEL}", "over 80 %", 1700, 1200, 2048, ("a", "b"))),
    (2600, answered("essay")),
    (2610, finished("essay")),
    (3000, answered("code", attempt=3)),
    (3010, finished("code")),
    (3010, ev.Checkpoint(1, 30, ())),
    (3012, started("join")),
    (3020, finished("join")),
    (3020, started("polish")),
    (3025, started("polish#1/draft")),
    (3500, finished("polish#1/draft")),
    (3502, started("polish#1/draft", visit=2)),
    (4000, finished("polish#1/draft", visit=2)),
    (4005, finished("polish")),
    (4006, started("check")),
    (4100, finished("check")),
    (4110, breaker("open", "half_open")),
    (4200, ev.Checkpoint(2, 60, ())),
    (4210, started("answer")),
    (4220, finished("answer")),
    (4230, ev.Committed(exit="success", exit_node="answer", text="Yes.")),
]
BUSY_NODES = ("start", "router", "code", "math", "essay", "join", "polish", "check", "answer")


def events_of(timed: Timed, *names: str) -> list[ev.Event]:
    """The bodies as events of one transaction, after its begin."""
    bodies = [(0, begin(*names)), *timed]
    return [
        ev.Event(n, None if isinstance(body, ev.BreakerChanged) else "t", n, at, 1_000_000 + at, body)
        for n, (at, body) in enumerate(bodies, 1)
    ]


def view_of(timed: Timed, *names: str) -> View:
    return fold(events_of(timed, *names))


async def busy(run: ScriptedRun) -> None:
    """`BUSY` in the cockpit, at its pace."""
    run.begin()
    before = 0
    for at, body in BUSY:
        await run.engine.pace.sleep((at - before) / 1000)
        before = at
        if isinstance(body, ev.BreakerChanged):
            run.engine.publish(None, 0, at, body)
        else:
            run.emit(body)


def main() -> None:
    """The cockpit with the busy run, to be looked at: `uv run python -m tests.tui.timeline_runs [light] [ascii]`."""
    theme = "tinyllm-light" if "light" in sys.argv else "tinyllm-dark"
    engine = ScriptedEngine(busy, scale=2.0)
    CockpitApp(engine.open, "multi_domain", theme=theme, ascii_only="ascii" in sys.argv, load_graph=made_up).run()


def made_up(_name: str = "") -> Any:
    from engine.graph.spec import GraphSpec

    edges = [("start", "router"), *(("router", n) for n in ("code", "math", "essay"))]
    edges += [*((n, "join") for n in ("code", "math", "essay")), ("join", "polish"), ("polish", "check")]
    edges += [("check", "answer")]
    types = {"start": "entry", "answer": "exit", "join": "join"}
    return GraphSpec.model_validate(
        {
            "id": "graph.made_up",
            "nodes": [{"id": n, "type": types.get(n, "model"), "config": {}} for n in BUSY_NODES],
            "edges": [{"from_node": a, "to_node": b} for a, b in edges],
        }
    )


if __name__ == "__main__":
    main()
