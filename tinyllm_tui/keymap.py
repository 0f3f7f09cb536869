"""Every key of the cockpit in one table: bindings are made from it, and so is the help screen."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from textual.binding import Binding

Scope = Literal[
    "app",
    "everywhere",
    "cockpit",
    "prompt",
    "panes",
    "chat",
    "replay",
    "compare",
    "transactions",
    "health",
    "tools",
    "logs",
    "rows",
    "approval",
    "graph",
    "node",
    "inspector",
    "fork",
    "route",
    "breakers",
    "timeline",
    "memory",
    "sidebar",
    "pruned",
    "models",
    "sessions",
    "memories",
    "settings",
    "themes",
    "first_run",
    "choice",
    "help",
    "list",
]


@dataclass(frozen=True, slots=True)
class Key:
    """One binding."""

    id: str
    """Stable name by which it can be remapped."""
    keys: str
    """Textual key names, separated by commas."""
    action: str
    words: str
    """What it does, as the help screen says it."""
    footer: str = ""
    """The short form in the footer; empty: not shown there."""
    priority: bool = False
    shown: str = ""
    """How the key is written; default: as Textual writes it."""

    def binding(self) -> Binding:
        return Binding(
            self.keys,
            self.action,
            self.footer or self.words,
            show=bool(self.footer),
            key_display=self.shown or None,
            priority=self.priority,
            tooltip=self.words,
            id=self.id,
        )


_PANES = ("Chat", "Graph", "Breakers", "Memory", "Timeline")

KEYS: dict[Scope, tuple[Key, ...]] = {
    # bound on the app, behind every widget and screen: where text is selected, they copy it with the same key
    "app": (
        Key("app.interrupt", "ctrl+c", "interrupt", "cancel the answer (where text is selected: copy it)", shown="^c"),
    ),
    "everywhere": (
        Key("app.help", "f1", "app.help", "show this help", "help", shown="F1"),
        Key("app.palette", "ctrl+p", "app.command_palette", "search every command", shown="^p"),
        Key("app.jump", "ctrl+o", "app.jump", "jump: a letter over everything that one can go to", "jump", shown="^o"),
        Key("app.quit", "ctrl+q", "app.quit", "quit", "quit", priority=True, shown="^q"),
        Key("app.theme", "f9", "app.next_theme", "next theme"),
    ),
    "prompt": (
        Key("prompt.send", "enter", "submit", "send the question", "send", shown="enter"),
        Key("prompt.complete", "tab", "complete", "while a list of commands is open: write the marked one"),
        Key("prompt.close_list", "escape", "close_completions", "close the list of commands", shown="esc"),
        Key("prompt.newline", "ctrl+j,shift+enter,alt+enter", "newline", "begin a new line", shown="^j"),
        Key("prompt.unfold", "ctrl+t", "unfold_pastes", "write out the large pastes that are folded", shown="^t"),
        Key("prompt.earlier", "ctrl+up", "earlier", "an earlier question (also: up on the first line)", shown="^up"),
        Key("prompt.later", "ctrl+down", "later", "a later question (also: down on the last line)", shown="^down"),
    ),
    "cockpit": (
        Key("run.cancel", "escape", "leave", "cancel the run, or unzoom, or leave the prompt", "leave", shown="esc"),
        Key(
            "app.replay", "ctrl+r", "open('transactions')", "past transactions: open one to replay it", "replay",
            shown="^r",
        ),
        Key("app.found", "o", "open_found", "open the runs of an earlier session that this start found", "earlier"),
        Key("app.models", "m", "open('models')", "models: choose which one answers, fetch and remove them", "models"),
        Key("app.settings", "comma", "open('settings')", "settings: every one, and changing it", "settings", shown=","),
        Key("app.sessions", "s", "sessions", "sessions: go on with an earlier conversation", "sessions"),
        Key("app.sidebar", "ctrl+b", "sidebar", "show the sessions beside the panes, or hide them", shown="^b"),
        Key("app.memories", "M", "memories", "memories: what is remembered for good", "memories"),
        Key("app.health", "H", "open('health')", "health: rates and times of the latest runs, and alerts", "health"),
        Key("app.tools", "T", "open('tools')", "tools: what they may do, and what was asked lately", "tools"),
        Key("app.logs", "L", "open('logs')", "logs: what the engine and the program said", "logs"),
        Key("chat.edit", "e", "edit_question", "edit the question (selected, else latest) and send it again", "edit"),
        Key("chat.again", "g", "again", "ask the question (selected, else latest) once more", "again"),
        Key("chat.new", "ctrl+n", "new_session", "new conversation", shown="^n"),
    ),
    "panes": (
        *(
            Key(
                f"pane.{name.lower()}", f"alt+{n},{n}", f"pane({n})", f"go to {name} (plain {n} outside of the prompt)",
                shown=f"alt+{n}",
            )
            for n, name in enumerate(_PANES, 1)
        ),
        Key("pane.inspector", "alt+6,6", "pane(6)", "go to the inspector (6 outside of the prompt)", shown="alt+6"),
        Key("inspector.toggle", "f8", "inspector", "show the inspector, or hide it", "inspector", shown="F8"),
        Key("pane.next", "tab", "next_pane(1)", "next pane"),
        Key("pane.previous", "shift+tab", "next_pane(-1)", "previous pane"),
        Key("pane.up", "up", "scroll(-1)", "scroll up, where the pane has no rows to select"),
        Key("pane.down", "down", "scroll(1)", "scroll down"),
        Key("pane.zoom", "f10,z", "zoom", "this pane alone, or all again (plain z too)", "zoom", shown="F10"),
        Key("chat.copy", "y", "copy_answer", "copy the latest answer, or the selected one", "copy"),
        Key("chat.fork", "f", "fork", "fork it: ask its question again, changed", "fork"),
        Key("chat.parent", "p", "parent", "replay the run of which this is a fork", "parent"),
        Key("chat.route", "r", "correct_route", "say which route was right for the question", "right route"),
        # two entries, so that the footer shows Enter once where it opens a node
        Key("chat.prompt", "enter", "prompt", "from a pane back to the prompt", "prompt", shown="enter"),
        Key("chat.prompt_too", "i", "prompt", "from any pane back to the prompt (a selected node is inspected)"),
    ),
    "chat": (
        Key("chat.up", "shift+up", "select_message(-1)", "select the message before (also: a click)"),
        Key("chat.down", "shift+down", "select_message(1)", "select the message after it; after the last, none"),
        Key("chat.unselect", "escape", "leave_message", "select no message, end the search", "back", shown="esc"),
        Key("chat.unfold", "t", "unfold", "unfold or fold its thinking, a long question, a large paste"),
        # Enter leads to the prompt unless a message is selected in which something is folded
        Key("chat.unfold_too", "enter", "unfold_selected", "the same, with a message selected"),
        Key("chat.code", "Y", "screen.copy_code", "copy a code block of the message, which you choose"),
        Key("chat.open", "ctrl+r", "replay_message", "replay the selected message", "replay", shown="^r"),
        Key("chat.search", "slash", "search", "search in this conversation", "search", shown="/"),
        Key("chat.next_match", "n", "match(1)", "the next place where it was found", "next"),
        Key("chat.last_match", "N", "match(-1)", "the one before"),
        Key("chat.end", "end", "bottom", "to the end, and follow what is written"),
    ),
    "graph": (
        *(
            Key(f"graph.{way}", way, f"select({way!r})", f"select the node {words}")
            for way, words in (("up", "above"), ("down", "below"), ("left", "on the left"), ("right", "on the right"))
        ),
        Key("graph.open", "enter", "open_node", "open it: a sub-graph, else its details", "details", shown="enter"),
        Key("graph.inspect", "i", "inspect_node", "its details: asked, made, took (also: a second click)"),
        Key("graph.back", "backspace,escape", "outer_graph", "from a sub-graph back to the graph around it", "back"),
        Key("graph.turn", "t", "turn", "turn the drawing: from left to right, or from top to bottom"),
        Key("graph.fit", "equals_sign", "fit", "the whole graph small, or readable again", shown="="),
    ),
    "breakers": (
        Key("breakers.up", "up", "select(-1)", "select the breaker above"),
        Key("breakers.down", "down", "select(1)", "select the breaker below (also: a click)"),
        Key("breakers.open", "x", "force('open')", "open it by hand: its calls fail at once", "open"),
        Key("breakers.close", "c", "force('closed')", "close it: begin afresh", "close"),
        Key("breakers.disable", "d", "force('disabled')", "disable it: every call passes", "disable"),
        Key("breakers.auto", "a", "force('auto')", "leave it to itself again", "automatic"),
    ),
    "timeline": (
        Key("timeline.up", "up", "move(-1)", "select the event above"),
        Key("timeline.down", "down", "move(1)", "select the event below; after the last, follow the run again"),
        Key("timeline.lane_up", "shift+up", "lane(-1)", "select the lane above"),
        Key("timeline.lane_down", "shift+down", "lane(1)", "select the lane below (also: a click)"),
        Key("timeline.open", "enter", "open_node", "what the selected node did", "details", shown="enter"),
        Key("timeline.closer", "plus,equals_sign", "zoom(1)", "zoom in (ctrl and the wheel too)", "zoom in", shown="+"),
        Key("timeline.wider", "minus", "zoom(-1)", "zoom out", shown="-"),
        Key("timeline.fit", "0", "zoom(0)", "show all of the run"),
        Key("timeline.left", "left", "pan(-1)", "earlier, where a part is shown"),
        Key("timeline.right", "right", "pan(1)", "later"),
        Key("timeline.page_left", "shift+left", "pan(-1, True)", "a page earlier"),
        Key("timeline.page_right", "shift+right", "pan(1, True)", "a page later"),
        Key("timeline.filter", "slash", "filter", "filter by node, kind and text", "filter", shown="/"),
        Key("timeline.clear", "escape", "clear_filter", "show everything again", "clear", shown="esc"),
        Key("timeline.layout", "v", "layout", "lanes and events, lanes alone, or events alone", "view"),
    ),
    "memory": (
        Key("memory.open", "enter", "open_pruned", "what was pruned (also: a click)", "what went", shown="enter"),
    ),
    "sidebar": (
        Key("sidebar.open", "enter", "select", "go on with the session (also: a click)", "go on", shown="enter"),
        Key("sidebar.new", "n", "new", "begin a new conversation", "new"),
        Key("sidebar.leave", "escape", "leave_sidebar", "back to the prompt", "prompt", shown="esc"),
    ),
    "pruned": (
        Key("pruned.earlier", "left_square_bracket,left", "turn(-1)", "the pruning before", "earlier", shown="["),
        Key("pruned.later", "right_square_bracket,right", "turn(1)", "the pruning after it", "later", shown="]"),
        Key("pruned.read", "tab,shift+tab", "read", "from the list to the text, and back", "text", shown="tab"),
        Key("pruned.copy", "y", "copy_text", "copy the whole text", "copy"),
        Key("pruned.leave", "escape,q", "leave", "close what was pruned", "close", shown="esc"),
    ),
    "node": (
        Key("node.leave", "escape,q", "leave", "close the details of a node", "close", shown="esc"),
        Key("node.route", "r", "correct_route", "a router: say which route was right", "right route"),
    ),
    "inspector": (
        Key("inspector.up", "up", "scroll_up", "scroll up"),
        Key("inspector.down", "down", "scroll_down", "scroll down"),
        Key("inspector.copy", "y", "copy_node", "copy what is known of the node, uncut", "copy"),
    ),
    "approval": (
        Key("approval.yes", "y", "yes", "allow what is asked (Enter never does)", "yes"),
        Key("approval.no", "n,escape", "no", "do not allow it", "no", shown="n/esc"),
        Key("approval.edit", "e", "edit", "change the text before it goes on, where the graph allows that", "edit"),
        Key("approval.edited", "escape", "edited", "back from the text; y then sends it on", "back", shown="esc"),
        Key("approval.host", "h", "yes_for_host", "allow it, and the same tool for this host from now on", "this host"),
        Key("approval.cancel", "ctrl+c", "app.interrupt", "cancel the run", "cancel the run", shown="^c"),
    ),
    "transactions": (
        Key("transactions.filter", "slash", "filter", "filter the list (right arrow takes what is suggested)", "filter",
            shown="/"),
        Key("transactions.open", "enter", "open", "replay the transaction", "replay", shown="enter"),
        Key("transactions.fork", "f", "fork", "fork it: ask it again, changed", "fork"),
        Key("transactions.mark", "space", "mark", "mark it, to compare it with another", "mark", shown="space"),
        Key("transactions.compare", "c", "compare", "beside the marked one, or the parent of a fork", "compare"),
        Key("transactions.export", "e", "export_run", "write it to a file", "export"),
        Key("transactions.file", "o", "app.open_run", "replay an exported run from its file", "open file"),
        Key("transactions.parent", "p", "parent", "replay the run of which it is a fork", "parent"),
        Key("transactions.sort", "s", "sort", "newest first, or slowest first", "sort"),
        *(
            Key(f"transactions.toggle_{n}", str(n), f"switch({n - 1})", f"only {words}, or not")
            for n, words in enumerate(
                ("committed ones", "those with a fallback's answer", "rolled back ones", "forks", "imported ones",
                 "those of today"), 1
            )
        ),
        Key("transactions.leave", "escape", "leave", "leave the filter, or the list", "back", shown="esc"),
    ),
    "health": (
        Key("health.open", "enter", "open", "the slowest and failed runs of a node or model; of those: the replay",
            "runs", shown="enter"),
        Key("health.last", "n", "last", "figures of the last 20, 100, 500 or 2,000 runs", "how many"),
        Key("health.graph", "w", "graph", "of the runs of one graph, or of all", "graph"),
        Key("health.model", "m", "model", "of the runs that called one model, or of all", "model"),
        Key("health.look", "l", "look", "look again", "look again"),
        Key("health.leave", "escape", "leave", "back from the runs, or leave the screen", "back", shown="esc"),
    ),
    "tools": (
        Key("tools.open", "enter", "open", "of a request: replay its transaction", "replay", shown="enter"),
        Key("tools.leave", "escape", "leave", "leave the tools", "back", shown="esc"),
    ),
    "logs": (
        Key("logs.filter", "slash", "filter", "filter by words, and by engine, app or alert", "filter", shown="/"),
        Key("logs.follow", "f", "follow", "go to the newest line, and follow", "follow"),
        Key("logs.copy", "y", "copy_line", "copy the whole line", "copy"),
        Key("logs.open", "enter", "open", "replay the run of the line", "replay", shown="enter"),
        Key("logs.leave", "escape", "leave", "leave the filter, or the logs", "back", shown="esc"),
    ),
    "rows": (
        Key("rows.open", "enter", "open", "open the row (also: a second click)", "open", shown="enter"),
    ),
    "replay": (
        Key("replay.play", "space", "play", "play in recorded time, or stop", "play", shown="space"),
        Key("replay.leave", "escape", "leave", "leave the replay", "leave", shown="esc"),
        Key("replay.back", "left_square_bracket", "step(-1)", "one event back", shown="["),
        Key("replay.forward", "right_square_bracket", "step(1)", "one event forward", "step", shown="]"),
        Key("replay.node_back", "left_curly_bracket", "node(-1)", "to the previous start of a node", shown="{"),
        Key("replay.node_forward", "right_curly_bracket", "node(1)", "to the next start of a node", "node", shown="}"),
        Key("replay.fork", "f", "fork", "fork: go on from this step as a new run", "fork"),
        Key("replay.error_back", "N", "error(-1)", "to the previous failure, retry or opened breaker"),
        Key("replay.error_forward", "n", "error(1)", "to the next failure, retry or opened breaker", "error"),
        Key("replay.slower", "less_than_sign", "speed(-1)", "play slower, down to 1/8", shown="<"),
        Key("replay.faster", "greater_than_sign", "speed(1)", "play faster, up to 8 times", shown=">"),
        Key("replay.home", "home,circumflex_accent", "edge(0)", "to the beginning", priority=True),
        Key("replay.end", "end,dollar_sign", "edge(1)", "to the end", priority=True),
        Key("replay.go", "g", "go", "go to an event (31), a percentage (50%) or a time (2.4s)", "go to"),
        Key("replay.diff", "d", "diff", "what each step changes: shown below the panes, or not any more", "diff"),
        Key("replay.inspect", "i", "inspect", "what the selected node did, or the one that is at work"),
        Key("replay.mark", "b", "mark", "set a bookmark here, or remove it", "mark"),
        Key("replay.mark_back", "left_parenthesis", "bookmark(-1)", "to the previous bookmark", shown="("),
        Key("replay.mark_forward", "right_parenthesis", "bookmark(1)", "to the next bookmark", shown=")"),
        Key("replay.compare", "c", "compare", "beside the parent of a fork, or a run that you choose", "compare"),
        Key("replay.export", "e", "export_run", "write it to a file: a picture, a report, or all of it"),
    ),
    "compare": (
        Key("compare.play", "space", "play", "play both in recorded time, or stop", "play", shown="space"),
        Key("compare.leave", "escape", "leave", "leave the comparison", "leave", shown="esc"),
        Key("compare.back", "left_square_bracket", "step(-1)", "one moment back", shown="["),
        Key("compare.forward", "right_square_bracket", "step(1)", "one moment forward", "step", shown="]"),
        Key("compare.home", "home,circumflex_accent", "edge(0)", "to the beginning (^ where home scrolls a pane)"),
        Key("compare.end", "end,dollar_sign", "edge(1)", "to the end ($ where end scrolls a pane)"),
        Key("compare.go", "g", "go", "go to a share (50%) or a time (2.4s)", "go to"),
        Key("compare.measure", "percent_sign", "measure", "by the same time, or the same share of each", "time/share",
            shown="%"),
        Key("compare.slower", "less_than_sign", "speed(-1)", "play slower", shown="<"),
        Key("compare.faster", "greater_than_sign", "speed(1)", "play faster", shown=">"),
        Key("compare.facts", "1", "part(1)", "go to the facts"),
        Key("compare.graphs", "2", "part(2)", "go to the graphs"),
        Key("compare.answers", "3", "part(3)", "go to the answers", "parts", shown="1-3"),
        Key("compare.next", "tab", "next_part(1)", "next pane"),
        Key("compare.previous", "shift+tab", "next_part(-1)", "previous pane"),
        Key("compare.zoom", "f10,z", "zoom", "one part alone, or all again", "zoom", shown="F10"),
        Key("compare.replay", "r", "replay", "replay the run whose pane has the focus", "replay"),
    ),
    "models": (
        Key("models.use", "enter", "use", "let the model answer for every role, from the next question on"),
        Key("models.role", "r", "role", "let it answer for one role", "one role"),
        Key("models.auto", "a", "automatic", "let the best installed model answer for each role again", "automatic"),
        Key("models.pull", "p", "pull", "fetch a model (enter begins, it goes on when you leave)", "fetch"),
        Key("models.cancel", "c", "cancel_pull", "cancel what is being fetched", "cancel"),
        Key("models.remove", "x", "remove", "remove the model, after a question", "remove"),
        Key("models.first", "1", "suggested(1)", "fetch the first of the better models that are suggested"),
        Key("models.second", "2", "suggested(2)", "fetch the second"),
        Key("models.look", "l", "look", "look for the models again"),
        Key("models.leave", "escape", "leave", "leave the field of the name, or the list", "back", shown="esc"),
    ),
    "sessions": (
        Key("sessions.open", "enter", "open", "go on with the session", "go on", shown="enter"),
        Key("sessions.new", "n", "new", "begin a new conversation", "new"),
        Key("sessions.rename", "r", "rename", "rename the session", "rename"),
        Key("sessions.memory", "m", "memory", "turn its long-term memory off or on", "memory"),
        Key("sessions.delete", "x", "delete", "delete the session, after a question", "delete"),
        Key("sessions.filter", "slash", "filter", "find names, and words that were said", "find", shown="/"),
        Key("sessions.take", "enter", "submit", "in the field of the name: take it", "take the name", shown="enter"),
        Key("sessions.leave", "escape", "leave", "leave a field, or the list", "back", shown="esc"),
    ),
    "memories": (
        Key("memories.add", "a", "add", "add a note (enter keeps it)", "add"),
        Key("memories.edit", "e", "edit", "edit the memory (enter in the list, or a click, too)", "edit"),
        Key("memories.pin", "p", "pin", "pin it, so that it neither fades nor makes room; or not any more", "pin"),
        Key("memories.forget", "x", "forget", "forget it, after a question", "forget"),
        Key("memories.source", "t", "source", "replay the transaction that it comes from", "source"),
        Key("memories.search", "slash", "search", "find words", "find", shown="/"),
        Key("memories.leave", "escape", "leave", "leave a field, or the list", "back", shown="esc"),
        Key("prompt.keep", "enter", "submit", "in the field: keep the text", "keep", shown="enter"),
    ),
    "settings": (
        Key("settings.change", "enter", "change", "change the setting: turn it, choose, or write (also: a click)"),
        Key("settings.reset", "d,delete", "reset", "take it out of the file, so that its default counts", "default"),
        Key("settings.search", "slash", "search", "find settings by name and description", "find", shown="/"),
        Key("settings.leave", "escape", "leave", "leave a field, or the settings", "back", shown="esc"),
    ),
    "themes": (
        Key("themes.save", "s", "save", "show it at every start (enter: until you quit)", "every start"),
        Key("themes.leave", "escape", "leave", "back to the theme from before", "back", shown="esc"),
    ),
    "first_run": (
        Key("first_run.ask", "enter", "ask", "ask the question (also: a click)", "ask it", shown="enter"),
        Key("first_run.leave", "escape", "leave", "to the prompt (typing leads there too)", "your own", shown="esc"),
    ),
    "choice": (
        Key("choice.leave", "escape", "leave", "leave without an answer", "leave", shown="esc"),
    ),
    "help": (
        Key("help.filter", "slash", "filter", "find keys by what they do", "filter", shown="/"),
        Key("help.up", "up", "scroll(-1)", "scroll up"),
        Key("help.down", "down", "scroll(1)", "scroll down"),
        Key("help.close", "escape,f1,q", "leave", "leave the filter, or the help", "close", shown="esc"),
    ),
    "list": (
        Key("list.up", "up", "cursor_up", "the row above"),
        Key("list.down", "down", "cursor_down", "the row below"),
        Key("list.first", "home", "first", "the first row"),
        Key("list.last", "end", "last", "the last row"),
        Key("list.page_up", "pageup", "page_up", "a page up"),
        Key("list.page_down", "pagedown", "page_down", "a page down"),
    ),
    "route": (
        Key("route.mark", "space", "mark", "mark the route, where several can be right", "mark", shown="space"),
        Key("route.undo", "u", "undo", "take a correction back, from the next question on", "take back"),
        Key("route.leave", "escape", "leave", "leave everything as it is (enter keeps it)", "leave", shown="esc"),
    ),
    "fork": (
        Key("prompt.begin", "enter", "submit", "begin the fork", "begin", shown="enter"),
        Key("fork.leave", "escape", "leave", "leave without a fork", "leave", shown="esc"),
    ),
}  # fmt: skip

TITLES: dict[Scope, str] = {
    "app": "While an answer is written",
    "everywhere": "Everywhere",
    "prompt": "In the prompt",
    "cockpit": "Cockpit",
    "panes": "Panes",
    "chat": "In the chat",
    "graph": "In the graph",
    "breakers": "In the breakers",
    "timeline": "In the timeline",
    "memory": "In the memory",
    "sidebar": "In the sessions beside the panes",
    "pruned": "What was pruned",
    "node": "Details of a node",
    "inspector": "In the inspector",
    "approval": "When you are asked whether something may happen",
    "transactions": "Past transactions",
    "health": "Health",
    "tools": "Tools and approvals",
    "logs": "Logs",
    "rows": "In long lists",
    "replay": "Replay",
    "compare": "Two runs beside each other",
    "fork": "Forking a run",
    "route": "Saying which route was right",
    "models": "Models",
    "sessions": "Sessions",
    "memories": "Memories",
    "settings": "Settings",
    "themes": "Themes",
    "first_run": "The first start",
    "choice": "Small dialogs",
    "help": "In this help",
    "list": "In lists",
}


def bindings(*scopes: Scope, without: Iterable[str] = ()) -> list[Binding]:
    """Textual bindings of `scopes`, in order, except for the ids in `without`."""
    left_out = set(without)
    return [key.binding() for scope in scopes for key in KEYS[scope] if key.id not in left_out]


class _AltDigit(Enum):
    """Keys that Textual has no name for."""

    ONE = "alt+1"
    TWO = "alt+2"
    THREE = "alt+3"
    FOUR = "alt+4"
    FIVE = "alt+5"
    SIX = "alt+6"


def restore_alt_digits() -> None:
    """Make alt+1 ... alt+6 keys again.

    Textual 8.2 turns what terminals send for them (ESC, digit) into the characters that a Mac's option key types.
    """
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

    table: MutableMapping[str, Any] = ANSI_SEQUENCES_KEYS  # type: ignore[assignment]  # typed as read-only
    for digit, key in enumerate(_AltDigit, 1):
        table[f"\x1b{digit}"] = (key,)
