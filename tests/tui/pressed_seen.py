"""What is looked at when keys are tried."""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import Input, OptionList

from tests.tui.pressed import Changes
from tests.tui.snapshots.stage import Stage
from tinyllm_tui.widgets.board import Board
from tinyllm_tui.widgets.row_list import RowList
from tinyllm_tui.widgets.sessions_pane import SessionsPane


def focused(name: str) -> Callable[[Stage], object]:
    """The widget with this id has the focus."""
    return lambda stage: stage.app.focused is not None and stage.app.focused.id == name


def board(stage: Stage) -> Board:
    return stage.app._cockpit.board


def of_screen(name: str) -> Changes:
    """An attribute of the screen in front."""
    return Changes(lambda stage: getattr(stage.app.screen, name))


def has_class(name: str) -> Callable[[Stage], object]:
    return lambda stage: stage.app.screen.has_class(name)


def has_no_class(name: str) -> Callable[[Stage], object]:
    return lambda stage: not stage.app.screen.has_class(name)


def scrolled(stage: Stage) -> float:
    """How far the widget with the focus is scrolled."""
    return -1 if stage.app.focused is None else stage.app.focused.scroll_offset.y


def row(stage: Stage) -> object:
    """The selected row of the list in front."""
    for rows in stage.app.screen.query(RowList):
        return rows.selected
    return stage.app.screen.query(OptionList).first().highlighted


def at_rest(stage: Stage) -> bool:
    return stage.app.live.view.finished and not stage.app.conversation.busy


def prompt(text: str) -> Callable[[Stage], object]:
    return lambda stage: stage.app.prompt.text == text


def in_sidebar(stage: Stage) -> bool:
    return isinstance(stage.app.focused, SessionsPane)


def selected(stage: Stage) -> object:
    return stage.app.chat.selected


def copied(stage: Stage) -> str:
    return stage.app.clipboard


def breaker(state: str) -> Callable[[Stage], object]:
    return lambda stage: any(each.state == state for each in stage.engine.all_breakers.values())


def field(stage: Stage) -> str:
    return stage.app.screen.query(Input).first().value
