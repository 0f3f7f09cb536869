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
    "replay",
    "transactions",
    "approval",
    "graph",
    "node",
    "fork",
    "route",
    "breakers",
    "models",
    "choice",
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
        Key("app.quit", "ctrl+q", "app.quit", "quit", "quit", priority=True, shown="^q"),
        Key("app.theme", "f9", "app.next_theme", "next theme"),
    ),
    "prompt": (
        Key("prompt.send", "enter", "submit", "send the question", "send", shown="enter"),
        Key("prompt.newline", "ctrl+j,shift+enter,alt+enter", "newline", "begin a new line", shown="^j"),
        Key("prompt.earlier", "ctrl+up", "earlier", "an earlier question (also: up on the first line)", shown="^up"),
        Key("prompt.later", "ctrl+down", "later", "a later question (also: down on the last line)", shown="^down"),
    ),
    "cockpit": (
        Key("run.cancel", "escape", "leave", "cancel the run, or unzoom, or leave the prompt", "cancel", shown="esc"),
        Key("app.replay", "ctrl+r", "transactions", "past transactions: open one to replay it", "replay", shown="^r"),
        Key("app.found", "o", "open_found", "open the runs of an earlier session that this start found"),
        Key("app.models", "m", "models", "models: choose which one answers, fetch and remove them"),
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
        Key("pane.next", "tab", "next_pane(1)", "next pane"),
        Key("pane.previous", "shift+tab", "next_pane(-1)", "previous pane"),
        Key("pane.zoom", "f10,z", "zoom", "this pane alone, or all again (plain z too)", "zoom", shown="F10"),
        Key("chat.copy", "y", "copy_answer", "copy the latest answer"),
        Key("chat.fork", "f", "fork", "fork the latest answer: ask it again, changed"),
        Key("chat.parent", "p", "parent", "replay the run of which this is a fork"),
        Key("chat.route", "r", "correct_route", "say which route was right for the question"),
        # two entries, so that the footer shows Enter once where it opens a node
        Key("chat.prompt", "enter", "prompt", "from a pane back to the prompt", "prompt", shown="enter"),
        Key("chat.prompt_too", "i", "prompt", "from any pane, also with a node selected, back to the prompt"),
    ),
    "graph": (
        *(
            Key(f"graph.{way}", way, f"select({way!r})", f"select the node {words}")
            for way, words in (("up", "above"), ("down", "below"), ("left", "on the left"), ("right", "on the right"))
        ),
        Key("graph.open", "enter", "open_node", "what the selected node did (also: a click)", "details", shown="enter"),
    ),
    "breakers": (
        Key("breakers.up", "up", "select(-1)", "select the breaker above"),
        Key("breakers.down", "down", "select(1)", "select the breaker below (also: a click)"),
        Key("breakers.open", "x", "force('open')", "open it by hand: its calls fail at once", "open"),
        Key("breakers.close", "c", "force('closed')", "close it: begin afresh", "close"),
        Key("breakers.disable", "d", "force('disabled')", "disable it: every call passes", "disable"),
        Key("breakers.auto", "a", "force('auto')", "leave it to itself again", "automatic"),
    ),
    "node": (
        Key("node.leave", "escape,q", "leave", "close the details of a node", "close", shown="esc"),
        Key("node.route", "r", "correct_route", "a router: say which route was right", "right route"),
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
        Key("transactions.filter", "slash", "filter", "filter the list", "filter", shown="/"),
        Key("transactions.open", "enter", "open", "replay the transaction", "replay", shown="enter"),
        Key("transactions.fork", "f", "fork", "fork it: ask it again, changed", "fork"),
        Key("transactions.parent", "p", "parent", "replay the run of which it is a fork", "parent"),
        Key("transactions.leave", "escape", "leave", "leave the filter, or the list", "back", shown="esc"),
    ),
    "replay": (
        Key("replay.play", "space", "play", "play in recorded time, or stop", "play", shown="space"),
        Key("replay.back", "left_square_bracket", "step(-1)", "one event back", "back", shown="["),
        Key("replay.forward", "right_square_bracket", "step(1)", "one event forward", "step", shown="]"),
        Key("replay.node_back", "left_curly_bracket", "node(-1)", "to the previous start of a node", shown="{"),
        Key("replay.node_forward", "right_curly_bracket", "node(1)", "to the next start of a node", "node", shown="}"),
        Key("replay.home", "home", "edge(0)", "to the beginning"),
        Key("replay.end", "end", "edge(1)", "to the end"),
        Key("replay.go", "g", "go", "go to an event (31), a percentage (50%) or a time (2.4s)", "go to"),
        Key("replay.fork", "f", "fork", "fork: go on from this step as a new run", "fork"),
        Key("replay.leave", "escape", "leave", "leave the replay", "leave", shown="esc"),
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
    "choice": (
        Key("choice.leave", "escape", "leave", "leave without an answer", "leave", shown="esc"),
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
    "graph": "In the graph",
    "breakers": "In the breakers",
    "node": "Details of a node",
    "approval": "When you are asked whether something may happen",
    "transactions": "Past transactions",
    "replay": "Replay",
    "fork": "Forking a run",
    "route": "Saying which route was right",
    "models": "Models",
    "choice": "Small dialogs",
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


def restore_alt_digits() -> None:
    """Make alt+1 ... alt+5 keys again.

    Textual 8.2 turns what terminals send for them (ESC, digit) into the characters that a Mac's option key types.
    """
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

    table: MutableMapping[str, Any] = ANSI_SEQUENCES_KEYS  # type: ignore[assignment]  # typed as read-only
    for digit, key in enumerate(_AltDigit, 1):
        table[f"\x1b{digit}"] = (key,)


def written(key: Key) -> str:
    """How a key is written in the help."""
    return key.shown or key.keys.split(",")[0]
