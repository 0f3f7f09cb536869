"""The walks in which keys are pressed: one app each."""

from __future__ import annotations

from textual.command import CommandPalette

from engine.events import BreakerSnapshot
from engine.store.approvals import ApprovalRow
from tests.tui.pressed import Changes, Press, Walk
from tests.tui.pressed_seen import (
    at_rest,
    board,
    breaker,
    copied,
    field,
    focused,
    has_class,
    has_no_class,
    in_sidebar,
    of_screen,
    prompt,
    row,
    scrolled,
    selected,
)
from tests.tui.scripted_engine import ScriptedEngine, fails
from tests.tui.snapshots import states
from tests.tui.snapshots.stage import Stage
from tests.tui.test_correct_route import misroutes
from tests.tui.test_pruned import prunes
from tests.unit.test_alerts import runs
from tinyllm_tui.screens.approval import ApprovalScreen
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.cockpit import CockpitScreen
from tinyllm_tui.screens.compare import CompareScreen
from tinyllm_tui.screens.correct_route import CorrectRouteScreen
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
from tinyllm_tui.screens.tools import ToolsScreen
from tinyllm_tui.screens.transactions import TransactionsScreen
from tinyllm_tui.widgets.board import INSPECTOR

PROMPT = (
    Press("prompt.newline", prompt("h\n"), ("h",), ("backspace", "backspace")),
    Press("prompt.complete", lambda stage: stage.app.prompt.text == "/memory", tuple("/memo"), ("ctrl+u",)),
    Press(
        "prompt.close_list", lambda stage: not stage.app.prompt._completions.is_open,
        ("slash", "m", lambda stage: stage.app.prompt._completions.is_open), ("ctrl+u", prompt("")),
    ),
    Press("prompt.send", lambda stage: stage.engine.rows, ("h", "i"), (at_rest,)),
    Press("prompt.earlier", prompt("hi")),
    Press("prompt.later", prompt("")),
    Press("app.interrupt", "Ctrl+Q quits"),
    Press("app.palette", CommandPalette, (), ("escape", CockpitScreen)),
    Press("app.jump", JumpScreen, (), ("escape", CockpitScreen)),
    Press("app.theme", Changes(lambda stage: stage.app.theme)),
    Press("app.help", HelpScreen),
    Press("help.down", Changes(scrolled)),
    Press("help.up", Changes(scrolled)),
    Press("help.filter", focused("help-filter"), (), ("escape", focused("help-lines"))),
    Press("help.close", CockpitScreen),
    Press("chat.new", lambda stage: stage.app.chat.latest is None),
    Press("app.quit", lambda stage: stage.app.return_code == 0),
)  # fmt: skip

STREAMING = (
    Press("run.cancel", "rolled back"),
)  # fmt: skip

_BACK_IN_SIDEBAR = ("ctrl+b", has_no_class("-sidebar"), "ctrl+b", in_sidebar)

PANES = (
    Press("pane.next", focused("chat")),
    Press("pane.previous", focused("prompt")),
    Press("pane.graph", focused("graph")),
    Press("pane.breakers", focused("breakers")),
    Press("pane.memory", focused("memory")),
    Press("pane.timeline", focused("timeline")),
    Press("pane.chat", focused("chat")),
    Press("pane.inspector", lambda stage: board(stage).current == INSPECTOR),
    Press("inspector.toggle", has_no_class("-inspector"), (has_class("-inspector"),)),
    Press("pane.zoom", has_class("-zoomed"), (), ("f10", has_no_class("-zoomed"))),
    Press("chat.prompt", focused("prompt"), ("alt+4", focused("memory"))),
    Press("chat.prompt_too", focused("prompt"), ("alt+4", focused("memory"))),
    Press("chat.copy", lambda stage: "Paris" in copied(stage), ("alt+1", focused("chat"))),
    Press("chat.up", selected),
    Press("chat.down", lambda stage: not selected(stage)),
    Press("chat.unselect", lambda stage: not selected(stage), ("shift+up", selected)),
    Press("chat.open", ReplayScreen, ("shift+up", selected), ("escape", CockpitScreen, "shift+down")),
    Press("chat.search", lambda stage: stage.app.chat._typed is not None, (), ("escape",)),
    Press("chat.fork", ForkScreen),
    Press("fork.leave", CockpitScreen),
    Press("chat.parent", "This run is no fork"),
    Press("app.found", "found no run"),
    Press("chat.edit", prompt("What is the capital of France?"), (), ("escape", "escape", focused("chat"))),
    Press("app.replay", TransactionsScreen, (), ("escape", CockpitScreen)),
    Press("app.models", ModelsScreen, (), ("escape", CockpitScreen)),
    Press("app.settings", SettingsScreen),
    Press("settings.leave", CockpitScreen),
    Press("app.sessions", SessionsScreen),
    Press("sessions.leave", CockpitScreen),
    Press("app.memories", MemoriesScreen),
    Press("memories.leave", CockpitScreen),
    Press("app.health", HealthScreen, (), ("escape", CockpitScreen)),
    Press("app.tools", ToolsScreen, (), ("escape", CockpitScreen)),
    Press("app.logs", LogsScreen, (), ("escape", CockpitScreen)),
    Press("app.sidebar", has_class("-sidebar"), (), (in_sidebar,)),
    Press("sidebar.leave", focused("prompt")),
    Press("sidebar.new", lambda stage: stage.app.chat.latest is None, _BACK_IN_SIDEBAR),
    Press("sidebar.open", lambda stage: stage.app.conversation.session is not None, (*_BACK_IN_SIDEBAR, "end")),
    Press("chat.again", lambda stage: len(stage.engine.rows) == 2,
          ("alt+1", focused("chat"), lambda stage: stage.app.chat.latest)),
)  # fmt: skip

SCROLLED = (
    Press("pane.up", Changes(scrolled), ("alt+1", focused("chat"))),
    Press("pane.down", Changes(scrolled)),
    Press("chat.end", Changes(scrolled), ("up", "up", "up")),
)

GRAPH = (
    Press("graph.down", Changes(lambda stage: board(stage).graph.selected)),
    Press("graph.up", Changes(lambda stage: board(stage).graph.selected), ("down", "down")),
    Press("graph.turn", lambda stage: board(stage).graph._way == "right"),
    Press("graph.right", Changes(lambda stage: board(stage).graph.selected)),
    Press("graph.left", Changes(lambda stage: board(stage).graph.selected)),
    Press("graph.fit", lambda stage: board(stage).graph._small, (), ("equals_sign",)),
    Press("graph.inspect", NodeScreen),
    Press("node.leave", CockpitScreen),
    Press("graph.open", NodeScreen),
    Press("inspector.copy", copied),
)  # fmt: skip

INSPECTOR_KEYS = (
    Press("inspector.down", Changes(scrolled)),
    Press("inspector.up", Changes(scrolled)),
)

BREAKERS = (
    Press("breakers.down", Changes(lambda stage: board(stage).breakers.selected)),
    Press("breakers.up", Changes(lambda stage: board(stage).breakers.selected), ("down",)),
    Press("breakers.open", breaker("forced_open")),
    Press("breakers.disable", breaker("disabled")),
    Press("breakers.auto", lambda stage: not breaker("disabled")(stage)),
    Press("breakers.close", lambda stage: not breaker("forced_open")(stage), ("x", breaker("forced_open"))),
)  # fmt: skip

TIMELINE = (
    Press("timeline.up", Changes(lambda stage: board(stage).timeline._entry), (), ("up", "up")),
    Press("timeline.down", Changes(lambda stage: board(stage).timeline._entry)),
    Press("timeline.lane_up", Changes(lambda stage: board(stage).timeline._node)),
    Press("timeline.lane_down", Changes(lambda stage: board(stage).timeline._node)),
    Press("timeline.layout", Changes(lambda stage: board(stage).timeline.shown), (), ("v", "v")),
    Press("timeline.filter", lambda stage: board(stage).timeline._typing),
    Press("timeline.clear", lambda stage: not board(stage).timeline._filter.words, ("r",)),
    Press("timeline.open", NodeScreen, ("shift+down",)),
)  # fmt: skip

MEMORY = (
    Press("memory.open", PrunedScreen),
    Press("pruned.earlier", Changes(lambda stage: stage.app.screen._at())),  # type: ignore[attr-defined]
    Press("pruned.later", Changes(lambda stage: stage.app.screen._at())),  # type: ignore[attr-defined]
    Press("pruned.read", focused("pruned-text"), ("down", "down")),
    Press("pruned.copy", copied),
    Press("pruned.leave", CockpitScreen),
)  # fmt: skip

TRANSACTIONS = (
    Press("list.down", Changes(row)),
    Press("list.up", Changes(row)),
    Press("list.last", Changes(row)),
    Press("list.first", Changes(row)),
    Press("list.page_down", Changes(row)),
    Press("list.page_up", Changes(row)),
    Press("transactions.filter", focused("transactions-filter"), (), ("escape",)),
    *(
        Press(f"transactions.toggle_{n}", Changes(field), (), (str(n), lambda stage: not field(stage)))
        for n in range(1, 7)
    ),
    Press("transactions.sort", of_screen("_slowest_first"), (), ("s",)),
    Press("transactions.parent", "is no fork"),
    Press("transactions.export", ChoiceScreen),
    Press("choice.leave", TransactionsScreen),
    Press("transactions.file", OpenRunScreen, (), ("escape", TransactionsScreen)),
    Press("transactions.fork", ForkScreen, (), ("escape", TransactionsScreen)),
    Press("transactions.mark", of_screen("_marked")),
    Press("transactions.compare", CompareScreen, ("down",)),
    Press("compare.home", Changes(lambda stage: stage.app.screen._head.position)),  # type: ignore[attr-defined]
    Press("compare.forward", Changes(lambda stage: stage.app.screen._head.position)),  # type: ignore[attr-defined]
    Press("compare.back", Changes(lambda stage: stage.app.screen._head.position)),  # type: ignore[attr-defined]
    Press("compare.end", lambda stage: stage.app.screen._head.ended),  # type: ignore[attr-defined]
    Press("compare.go", focused("go-to"), (), ("escape",)),
    Press("compare.measure", Changes(lambda stage: stage.app.screen._head.by)),  # type: ignore[attr-defined]
    Press("compare.slower", of_screen("_pace")),
    Press("compare.faster", of_screen("_pace")),
    Press("compare.facts", focused("facts")),
    Press("compare.graphs", focused("graph-one")),
    Press("compare.answers", focused("answer-one")),
    Press("compare.next", focused("answer-two")),
    Press("compare.previous", focused("answer-one")),
    Press("compare.zoom", has_class("-alone"), (), ("z",)),
    Press("compare.play", of_screen("_timer")),
    Press("compare.replay", ReplayScreen, (), ("escape", CompareScreen)),
    Press("compare.leave", TransactionsScreen),
    Press("transactions.open", ReplayScreen, (), ("escape", TransactionsScreen)),
    Press("transactions.leave", CockpitScreen),
)  # fmt: skip

position = Changes(lambda stage: stage.app.screen.playhead.position)  # type: ignore[attr-defined]
REPLAY = (
    Press("replay.home", position, key="circumflex_accent"),
    Press("replay.end", position, key="dollar_sign"),
    Press("replay.back", position),
    Press("replay.forward", position),
    Press("replay.node_back", position),
    Press("replay.node_forward", position, ("circumflex_accent",)),
    Press("replay.error_forward", position),
    Press("replay.error_back", position, ("dollar_sign",)),
    Press("replay.slower", of_screen("_pace")),
    Press("replay.faster", of_screen("_pace")),
    Press("replay.mark", of_screen("_bookmarks")),
    Press("replay.mark_back", position, ("dollar_sign",)),
    Press("replay.mark_forward", position, ("circumflex_accent",)),
    Press("replay.go", focused("go-to")),
    Press("replay.diff", has_class("-diff"), ("escape",)),
    Press("replay.inspect", NodeScreen, (), ("escape", ReplayScreen)),
    Press("replay.compare", TransactionsScreen, (), ("escape", ReplayScreen)),
    Press("replay.export", ChoiceScreen, (), ("escape", ReplayScreen)),
    Press("replay.fork", ForkScreen, (), ("escape", ReplayScreen)),
    Press("replay.play", position, ("circumflex_accent",)),
    Press("replay.leave", TransactionsScreen),
)  # fmt: skip

HEALTH = (
    Press("health.last", of_screen("_last")),
    Press("health.graph", of_screen("_graph"), (), ("w",)),
    Press("health.model", of_screen("_model")),
    Press("health.look", of_screen("_samples"), (lambda stage: _more_runs(stage),)),
    Press("health.open", of_screen("_part"), ("end",)),
    Press("health.leave", of_screen("_part"), (), ("escape", CockpitScreen)),
)  # fmt: skip

TOOLS = (
    Press("tools.open", ReplayScreen, ("end",), ("escape", ToolsScreen)),
    Press("rows.open", focused("tools-details"), ("home",), ("escape",)),
    Press("tools.leave", CockpitScreen),
)

LOGS = (
    Press("logs.open", ReplayScreen, (), ("escape", LogsScreen)),
    Press("logs.filter", focused("logs-filter"), (), ("escape",)),
    Press("logs.follow", of_screen("_following"), ("home",)),
    Press("logs.copy", copied),
    Press("logs.leave", CockpitScreen),
)

MODELS = (
    Press("models.use", lambda stage: "smollm2:135m" in str(stage.engine.config)),
    Press("models.auto", lambda stage: "smollm2:135m" not in str(stage.engine.config)),
    Press("models.role", ChoiceScreen, (), ("escape", ModelsScreen)),
    Press("models.remove", ChoiceScreen, (), ("escape", ModelsScreen)),
    Press("models.pull", focused("models-name"), (), ("escape", focused("models-list"))),
    Press("models.first", focused("models-name"), (), ("escape", focused("models-list"))),
    Press("models.second", focused("models-name"), (), ("escape", focused("models-list"))),
    Press("models.leave", CockpitScreen),
)  # fmt: skip

SESSIONS = (
    Press("sessions.filter", focused("sessions-filter"), (), ("escape", focused("sessions-list"))),
    Press("sessions.rename", focused("sessions-name")),
    Press(
        "sessions.take", lambda stage: any(each.name.endswith("zoo") for each in stage.engine.kept.values()),
        ("z", "o", "o"), (focused("sessions-list"),),
    ),
    Press("sessions.memory", lambda stage: not all(each.memory for each in stage.engine.kept.values())),
    Press("sessions.delete", ChoiceScreen, (), ("escape", SessionsScreen)),
    Press("sessions.open", CockpitScreen),
    Press("sessions.new", lambda stage: stage.app.chat.latest is None, ("escape", "s", SessionsScreen)),
)  # fmt: skip

MEMORIES = (
    Press("memories.search", focused("memories-search"), (), ("escape", focused("memories-list"))),
    Press("memories.edit", focused("memories-field"), (), ("escape", focused("memories-list"))),
    Press("memories.pin", lambda stage: any(each.pinned for each in stage.engine.remembered.values())),
    Press("memories.forget", ChoiceScreen, (), ("escape", MemoriesScreen)),
    Press("memories.add", focused("memories-field")),
    Press("prompt.keep", lambda stage: len(stage.engine.remembered) == 4, ("n", "e", "w")),
)

APPROVAL = (
    Press("approval.yes", CockpitScreen),
    Press("approval.no", CockpitScreen, (lambda stage: _ask_again(stage), ApprovalScreen)),
    Press("approval.cancel", "rolled back", (lambda stage: _ask_again(stage), ApprovalScreen)),
)

CHOOSING = (
    Press("route.leave", CockpitScreen),
    Press("chat.route", CorrectRouteScreen),
)
FORKING = (
    Press("prompt.begin", lambda stage: len(stage.engine.rows) == 2),
)  # fmt: skip
FIRST_LEFT = (
    Press("first_run.leave", CockpitScreen),
)  # fmt: skip
FIRST_ASKED = (
    Press("first_run.ask", lambda stage: stage.engine.rows),
)  # fmt: skip


def _more_runs(stage: Stage) -> bool:
    stage.engine.sampled = runs("..x..")
    return True


def _ask_again(stage: Stage) -> bool:
    return not stage.app.conversation.busy and stage.app.conversation.ask("again", "again")


async def with_long_answer(stage: Stage) -> None:
    stage.engine.answer = "\n\n".join(f"Line {number}." for number in range(60))
    await stage.asks()
    await stage.sees("Line 59.")


async def with_small_node(stage: Stage) -> None:
    """The details of a node, more than fit."""
    stage.engine.answer = "\n\n".join(f"Line {number}." for number in range(60))
    await states.pane(stage, "alt+2")
    await stage.until(lambda: board(stage).graph.has_focus)
    board(stage).graph.select_node("general")
    await stage.press("enter")
    await stage.on(NodeScreen)
    await stage.pilot.resize_terminal(40, 12)
    await stage.pilot.pause()


async def with_breakers(stage: Stage) -> None:
    await states.failed(stage)
    stage.engine.breaker(BreakerSnapshot("other m", "endpoint", "closed"), "closed")
    await stage.press("alt+3")
    await stage.sees("other m")


async def transactions(stage: Stage) -> None:
    await stage.asks("first")
    stage.engine.script = fails
    await stage.asks("other")
    await stage.press("ctrl+r")
    await stage.on(TransactionsScreen, "#2 ")


async def replay(stage: Stage) -> None:
    await stage.asks("first")
    await stage.press("ctrl+r")
    await stage.on(TransactionsScreen, "#1 ")
    await stage.press("enter")
    await stage.on(ReplayScreen, "REPLAY #1")


async def health(stage: Stage) -> None:
    stage.engine.sampled = runs("..fx")
    await stage.press("escape", "H")
    await stage.on(HealthScreen, "Models")


async def tools(stage: Stage) -> None:
    await stage.asks()
    stage.engine.asked = [
        ApprovalRow(1, "tx-1", 0, "save", "file_write", "Writes.", "", "{}", "reversible", "", "no", "person")
    ]
    await stage.press("escape", "T")
    await stage.on(ToolsScreen, "17 tools")


async def logs(stage: Stage) -> None:
    await stage.asks()
    await stage.asks("more")
    await stage.press("escape", "L")
    await stage.on(LogsScreen, "following")


async def memory(stage: Stage) -> None:
    await stage.asks()
    await stage.press("alt+4")
    await stage.until(lambda: board(stage).memory.has_focus)


WALKS: dict[str, Walk] = {
    "prompt": Walk(states.idle, PROMPT),
    "streaming": Walk(states.streaming, STREAMING),
    "panes": Walk(states.answered, PANES, options=states.with_desk),
    "scrolled": Walk(with_long_answer, SCROLLED),
    "graph": Walk(lambda stage: states.pane(stage, "alt+2"), GRAPH),
    "inspector": Walk(with_small_node, INSPECTOR_KEYS),
    "breakers": Walk(with_breakers, BREAKERS, lambda: ScriptedEngine(fails)),
    "timeline": Walk(lambda stage: states.pane(stage, "alt+5"), TIMELINE),
    "memory": Walk(memory, MEMORY, lambda: ScriptedEngine(prunes)),
    "transactions": Walk(transactions, TRANSACTIONS),
    "replay": Walk(replay, REPLAY, lambda: ScriptedEngine(fails)),
    "health": Walk(health, HEALTH),
    "tools": Walk(tools, TOOLS),
    "logs": Walk(logs, LOGS),
    "models": Walk(lambda stage: states.opened(stage, "m", ModelsScreen, "smollm2"), MODELS),
    "sessions": Walk(states.sessions, SESSIONS),
    "memories": Walk(states.memories, MEMORIES),
    "approval": Walk(states.approval, APPROVAL, lambda: ScriptedEngine(states.asks_back)),
    "route": Walk(states.route, CHOOSING, lambda: ScriptedEngine(misroutes), states.of_nature),
    "fork": Walk(states.fork, FORKING),
    "first start, left": Walk(lambda stage: stage.sees("smollm2"), FIRST_LEFT, options=states.first_start),
    "first start, asked": Walk(lambda stage: stage.sees("smollm2"), FIRST_ASKED, options=states.first_start),
}
