"""Hostile texts in figures, logs, tools and settings, in two runs beside each other and in exported files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from textual.screen import Screen

from engine.events import Event
from engine.store.approvals import ApprovalRow
from engine.store.samples import CallSample, RunSample, Samples, VisitSample
from engine.tools.facts import ToolFacts
from tests.tui.hostile_texts import HostileTexts
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.terminal_bytes import Written
from tinyllm_tui.exports import _drawn
from tinyllm_tui.screens.compare import CompareScreen, Side
from tinyllm_tui.screens.health import HealthScreen
from tinyllm_tui.screens.logs import LogsScreen
from tinyllm_tui.screens.settings import SettingsScreen
from tinyllm_tui.screens.tools import ToolsScreen
from tinyllm_tui.settings import load
from tinyllm_tui.settings_desk import SettingsDesk


def hostile_desk(texts: HostileTexts, folder: Path) -> SettingsDesk:
    """A model and an alert that are called what nobody would call them; the terminal's title is set."""
    model, alert = (text.encode(errors="replace").decode() for text in texts.some("setting", 2))
    rule = {"name": alert[:60], "metric": "success_rate", "below": 0.99}
    file = folder / "config.yaml"
    file.write_text(json.dumps({"model": model, "alerts": [rule]}), encoding="utf-8")
    return SettingsDesk(load(config_file=file), {}, file)


def samples(texts: HostileTexts) -> Samples:
    """Twenty runs, each with a node and a model of its own."""
    one, numbers = texts.one, range(1, 21)
    return Samples(
        tuple(
            RunSample(n, f"tx-{n}", one("graph"), "committed", "success", one("reason"), one("question"), 0, n, n % 2)
            for n in numbers
        ),
        tuple(VisitSample(n, "graph.x", one("figure"), "ok", n) for n in numbers),
        tuple(
            CallSample(n, "graph.x", "general", one("figure"), n % 3 == 0, False, False, 9, 3, 5) for n in numbers
        ),
    )  # fmt: skip


def tool_list(texts: HostileTexts) -> list[ToolFacts]:
    one = texts.one
    return [ToolFacts(one("tool"), one("tool"), "irreversible", "ask_call", 9.0, False, one("tool")) for _ in range(9)]


def asked(texts: HostileTexts) -> list[ApprovalRow]:
    """Requests whose arguments are no JSON, as those of models often are."""
    one = texts.one
    return [
        ApprovalRow(
            n, f"tx-{n}", 0, one("node"), one("tool") if n % 2 else "", one("asked"), one("asked"), one("asked"),
            "irreversible", one("host"),
        )
        for n in range(1, 21)
    ]  # fmt: skip


def hostile_screens(
    texts: HostileTexts, engine: ScriptedEngine, desk: SettingsDesk, sides: tuple[Side, Side]
) -> list[tuple[str, Screen[Any]]]:
    """Screens, each with words that stand on it when it shows what it was given."""
    engine.sampled = samples(texts)
    facts = tool_list(texts)

    async def tools() -> list[ToolFacts]:
        return facts

    engine.tools, engine.asked = tools, asked(texts)  # type: ignore[method-assign]
    return [
        ("figure", HealthScreen()), ("logged", LogsScreen()), ("tool", ToolsScreen()),
        ("setting", SettingsScreen(desk)), ("COMPARE", CompareScreen(*sides)),
    ]  # fmt: skip


async def wrong_in_files(events: list[Event]) -> list[str]:
    """What would command a terminal in the files for people that a run is exported to; malformed ones raise."""
    wrong: list[str] = []
    for form in ("md", "svg"):
        data = b"".join([line async for line in _drawn(form, events)])
        written = Written(data)
        if written.commanding or written.kinds or b"\x1b" in data:
            wrong.append(f"{form}: {written.commanding} {written.kinds}")
        if form == "svg":
            ElementTree.fromstring(data)
    return wrong
