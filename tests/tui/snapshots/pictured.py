"""The states that are pictured (a new screen needs one more line in `STATES`), and how they are.

One frozen app is brought into a state and then through all sizes and themes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType
from textual._compositor import Compositor
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from tests.tui.scripted_engine import ScriptedEngine, fails
from tests.tui.snapshots.frozen import FrozenClock, FrozenPace
from tests.tui.snapshots.grid import Grid, Size, picture
from tests.tui.snapshots.stage import Arrive, Options, Stage, no_options
from tests.tui.snapshots.states import (
    answered,
    approval,
    asks_back,
    by_name,
    cancelled,
    choice,
    compare,
    failed,
    first_start,
    fork,
    health,
    idle,
    in_ascii,
    logs,
    memories,
    node,
    of_nature,
    offline,
    open_run,
    opened,
    palette,
    pane,
    pruned,
    replay,
    route,
    sessions,
    streaming,
    tools,
    transactions,
    typed,
    with_desk,
)
from tests.tui.test_cockpit import app_of, until
from tests.tui.test_correct_route import misroutes
from tests.tui.test_pruned import prunes
from tinyllm_tui.screens.approval import ApprovalScreen
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.cockpit import CockpitScreen
from tinyllm_tui.screens.compare import CompareScreen
from tinyllm_tui.screens.correct_route import CorrectRouteScreen
from tinyllm_tui.screens.first_run import FirstRunScreen
from tinyllm_tui.screens.fork import ForkScreen
from tinyllm_tui.screens.health import HealthScreen
from tinyllm_tui.screens.help import HelpScreen
from tinyllm_tui.screens.jump import JumpScreen
from tinyllm_tui.screens.logs import LogsScreen
from tinyllm_tui.screens.memories import MemoriesScreen
from tinyllm_tui.screens.models import ModelsScreen
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.screens.open_run import OpenRunScreen
from tinyllm_tui.screens.pruned import PrunedScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.sessions import SessionsScreen
from tinyllm_tui.screens.settings import SettingsScreen
from tinyllm_tui.screens.themes import ThemesScreen
from tinyllm_tui.screens.tools import ToolsScreen
from tinyllm_tui.screens.transactions import TransactionsScreen

SIZES: tuple[Size, ...] = ((120, 40), (200, 60), (80, 24), (40, 12))
THEMES = ("tinyllm-dark", "tinyllm-light")
_QUIET, _PATIENCE = 2, 20
"""Pauses without anything drawn after which a picture is taken, and those after which two equal pictures are enough."""


@dataclass(frozen=True)
class State:
    """One thing that the cockpit can show.

    Args:
        arrive: leads there from the idle cockpit, at the first size.
        screen: what is in front then.
        engine: makes the engine.
        options: makes further arguments of the app.
        again: keys that bring it back at another size.
    """

    arrive: Arrive
    screen: type[Any]
    engine: Callable[[], ScriptedEngine] = ScriptedEngine
    options: Options = no_options
    again: tuple[str, ...] = ()


STATES: dict[str, State] = {
    "idle": State(idle, CockpitScreen),
    "completion": State(typed, CockpitScreen),
    "streaming": State(streaming, CockpitScreen),
    "answered": State(answered, CockpitScreen),
    "answered_ascii": State(answered, CockpitScreen, options=in_ascii),
    "breaker_open": State(failed, CockpitScreen, lambda: ScriptedEngine(fails)),
    "cancelled": State(cancelled, CockpitScreen),
    "offline": State(lambda stage: stage.sees("No model server"), CockpitScreen, offline),
    "graph": State(lambda stage: pane(stage, "alt+2"), CockpitScreen),
    "timeline": State(lambda stage: pane(stage, "alt+5"), CockpitScreen),
    "help": State(lambda stage: opened(stage, "f1", HelpScreen), HelpScreen),
    "palette": State(palette, CommandPalette),
    "transactions": State(transactions, TransactionsScreen),
    "replay": State(replay, ReplayScreen),
    "fork": State(fork, ForkScreen),
    "models": State(lambda stage: opened(stage, "m", ModelsScreen, "smollm2"), ModelsScreen),
    "sessions": State(sessions, SessionsScreen),
    "memories": State(memories, MemoriesScreen),
    "choice": State(choice, ChoiceScreen),
    "node": State(node, NodeScreen),
    "pruned": State(pruned, PrunedScreen, lambda: ScriptedEngine(prunes)),
    "route": State(
        route, CorrectRouteScreen, lambda: ScriptedEngine(misroutes),
        of_nature,
    ),
    "first_run": State(lambda stage: stage.sees("smollm2"), FirstRunScreen, options=first_start),
    "settings": State(lambda stage: by_name(stage, "settings", SettingsScreen), SettingsScreen, options=with_desk),
    "themes": State(lambda stage: by_name(stage, "themes", ThemesScreen), ThemesScreen),
    "compare": State(compare, CompareScreen),
    "open_run": State(open_run, OpenRunScreen),
    "health": State(health, HealthScreen),
    "logs": State(logs, LogsScreen, lambda: ScriptedEngine(fails)),
    "tools": State(tools, ToolsScreen),
    "jump": State(answered, JumpScreen, again=("ctrl+o",)),
    "approval": State(approval, ApprovalScreen, lambda: ScriptedEngine(asks_back)),
}  # fmt: skip


async def pictures_of(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Size, list[Grid]]:
    """The state at every size, in every theme."""
    clock = FrozenClock()
    clock.install(monkeypatch)
    monkeypatch.chdir(tmp_path)  # paths that are shown do not begin with its name
    engine = state.engine()
    engine.pace = FrozenPace(clock)
    app = app_of(engine, tmp_path, **state.options(Path()))
    found: dict[Size, dict[str, Grid]] = {size: {} for size in SIZES}
    async with app.run_test(size=SIZES[0]) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        frames = _Frames(monkeypatch)
        await state.arrive(Stage(pilot, app, engine, clock))
        order = THEMES
        for size in SIZES:
            await pilot.resize_terminal(*size)
            if state.again:
                await _settled(pilot, frames)
                await pilot.press(*state.again)
            assert isinstance(app.screen, state.screen), f"{app.screen} is in front"
            for theme in order:
                app.theme = theme
                found[size][theme] = await _settled(pilot, frames)
            order = order[::-1]  # the next size begins in the theme that is there: it takes long to change it
        if engine.pace.hold is not None:
            engine.pace.hold.set()
    return {size: [grids[theme] for theme in THEMES] for size, grids in found.items()}


class _Frames:
    """Counts what would be drawn, and draws none of it: only whole pictures are, which nobody but a test asks for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        draw = Compositor.render_update

        def counted(compositor: Compositor, full: bool = False, **options: Any) -> RenderableType | None:
            if full:
                return draw(compositor, full, **options)
            self.count += 1
            compositor._dirty_regions.clear()
            return None

        monkeypatch.setattr(Compositor, "render_update", counted)


async def _settled(pilot: Pilot[None], frames: _Frames) -> Grid:
    """The picture when nothing is drawn any more, or when what is drawn is the same."""
    app, quiet, before = pilot.app, 0, None
    for turn in range(200):
        for field_of_text in (*app.screen.query(Input), *app.screen.query(TextArea)):
            field_of_text.cursor_blink = False
        drawn = frames.count
        await pilot.pause()
        quiet = quiet + 1 if frames.count == drawn else 0
        if quiet == _QUIET:
            return picture(app)
        if turn > _PATIENCE:  # a clock that is drawn again and again
            now = picture(app)
            if now == before:
                return now
            before = now
    raise AssertionError("the screen is never at rest")
