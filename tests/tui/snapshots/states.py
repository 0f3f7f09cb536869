"""States of the cockpit: how each is reached."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from textual.command import CommandPalette

from engine.errors import EngineError, ErrorClass
from engine.store.approvals import ApprovalRow
from engine.tools.policy import ApprovalRequest
from tests.routing_graph import birds_or_stones
from tests.tui.scripted_engine import ScriptedEngine, ScriptedRun, fails
from tests.tui.snapshots.stage import Stage
from tests.unit.test_alerts import runs
from tinyllm_tui.screens.approval import ApprovalScreen
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.compare import CompareScreen
from tinyllm_tui.screens.correct_route import CorrectRouteScreen
from tinyllm_tui.screens.fork import ForkScreen
from tinyllm_tui.screens.health import HealthScreen
from tinyllm_tui.screens.logs import LogsScreen
from tinyllm_tui.screens.memories import MemoriesScreen
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.screens.open_run import OpenRunScreen
from tinyllm_tui.screens.pruned import PrunedScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.sessions import SessionsScreen
from tinyllm_tui.screens.tools import ToolsScreen
from tinyllm_tui.screens.transactions import TransactionsScreen
from tinyllm_tui.settings import load
from tinyllm_tui.settings_desk import SettingsDesk

ARGUMENTS = '{"path": "a\\u202eb\x1b[2J", "text": "[/nope]"}'


async def idle(stage: Stage) -> None:
    await stage.sees("no call has failed")


async def typed(stage: Stage) -> None:
    await stage.press(*"/me")
    await stage.sees("/memory")


async def streaming(stage: Stage) -> None:
    stage.engine.pace.hold = asyncio.Event()
    await stage.begins()
    await stage.sees("capital of France is")


async def answered(stage: Stage) -> None:
    await stage.asks()
    await stage.sees("committed")


async def failed(stage: Stage) -> None:
    await stage.asks("What is 2 + 2?")
    await stage.sees("OPEN")


async def cancelled(stage: Stage) -> None:
    await streaming(stage)
    await stage.press("escape")
    await stage.sees("rolled back")


async def pane(stage: Stage, key: str) -> None:
    await answered(stage)
    await stage.press(key)


async def opened(stage: Stage, key: str, screen: type[object], words: str = "") -> None:
    await stage.press("escape", key)
    await stage.on(screen, words)


async def transactions(stage: Stage) -> None:
    await stage.asks("first")
    stage.engine.script = fails
    await stage.asks("other")
    await stage.press("ctrl+r")
    await stage.on(TransactionsScreen, "#2 ")


async def replay(stage: Stage) -> None:
    await stage.asks()
    await stage.press("ctrl+r")
    await stage.on(TransactionsScreen, "#1 ")
    await stage.press("enter")
    await stage.on(ReplayScreen, "REPLAY #1")
    await stage.press("home", *["right_curly_bracket"] * 3)
    await stage.sees("9/")


async def fork(stage: Stage) -> None:
    await stage.asks()
    await opened(stage, "f", ForkScreen, "Installed")


async def node(stage: Stage) -> None:
    await stage.asks()
    await stage.press("alt+2")
    await stage.until(lambda: stage.app._cockpit.board.graph.has_focus)
    await stage.press("down", "enter")
    await stage.on(NodeScreen)


async def pruned(stage: Stage) -> None:
    await stage.asks()
    await stage.press("alt+4")
    await stage.until(lambda: stage.app._cockpit.board.memory.has_focus)
    await stage.press("enter")
    await stage.on(PrunedScreen, "quokka")


async def route(stage: Stage) -> None:
    await stage.asks("Owl?")
    await opened(stage, "r", CorrectRouteScreen, "The right route")


async def memories(stage: Stage) -> None:
    for text in ("The zoo opens at nine.", "Tea is at five.", "[/nope] \x1b[31mred"):
        await stage.engine.remember(text)
    await opened(stage, "M", MemoriesScreen, "Tea is")


async def compare(stage: Stage) -> None:
    await stage.asks()
    stage.engine.answer = stage.engine.answer.replace("Seine", "Loire")
    await stage.asks()
    await stage.press("ctrl+r")
    await stage.on(TransactionsScreen, "#2 ")
    await stage.press("space", "down", "c")
    await stage.on(CompareScreen, "COMPARE #2 #1")


async def open_run(stage: Stage) -> None:
    await transactions(stage)
    await stage.press("o")
    await stage.on(OpenRunScreen)


async def by_name(stage: Stage, name: str, screen: type[object]) -> None:
    """A screen that is opened from the palette too."""
    stage.app.opener.open(name)
    await stage.on(screen)


async def health(stage: Stage) -> None:
    stage.engine.sampled = runs("..fx" * 12)
    await opened(stage, "H", HealthScreen, "Models")


async def logs(stage: Stage) -> None:
    await stage.asks("What is 2 + 2?")
    await opened(stage, "L", LogsScreen, "following")


async def tools(stage: Stage) -> None:
    stage.engine.asked = [
        ApprovalRow(
            7, "tx-7", 0, "save", "file_write", "Writes a file.", "", ARGUMENTS, "reversible", "", "no", "person"
        )
    ]
    await opened(stage, "T", ToolsScreen, "17 tools")
    await stage.press("end")


async def sessions(stage: Stage) -> None:
    await stage.asks()
    await opened(stage, "s", SessionsScreen, "2 messages")


async def choice(stage: Stage) -> None:
    await sessions(stage)
    await stage.press("x")
    await stage.on(ChoiceScreen)


async def palette(stage: Stage) -> None:
    await stage.press("ctrl+p")
    await stage.on(CommandPalette, "Replay a past")


async def asks_back(run: ScriptedRun) -> None:
    """A run that wants to delete a file."""
    run.begin()
    assert run.engine.approver is not None
    request = ApprovalRequest(
        "files_delete", "Deletes a file.", "irreversible", {"path": "notes.txt", "force": True}, "hash", node="tidy"
    )
    await run.engine.approver.ask(request)


async def approval(stage: Stage) -> None:
    await stage.begins("Tidy up")
    await stage.on(ApprovalScreen, "files_delete")


def offline() -> ScriptedEngine:
    engine = ScriptedEngine()
    engine.backend_error = EngineError(
        ErrorClass.CONNECTION, "no_server", "No model server answers.", remedy="Start Ollama: ollama serve"
    )
    return engine


def in_ascii(_folder: Path) -> dict[str, Any]:
    return {"ascii_only": True}


def of_nature(_folder: Path) -> dict[str, Any]:
    return {"load_graph": lambda _name: birds_or_stones()}


def with_desk(folder: Path) -> dict[str, Any]:
    """A file of settings."""
    file = folder / "config.yaml"
    file.write_text("theme: tinyllm-dark\n")
    return {"desk": SettingsDesk(load(config_file=file), {}, file)}


def first_start(_folder: Path) -> dict[str, Any]:
    return {"first_run": True}
