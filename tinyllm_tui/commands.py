"""Commands: what the palette finds, and what a slash in the prompt does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from textual.actions import parse
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from tinyllm_tui.keymap import KEYS, TITLES, Scope
from tinyllm_tui.screens.hit_test import SafeScreen

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp
    from tinyllm_tui.keymap_choice import Keymap


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `action` is run on the screen."""

    title: str
    words: str
    action: str
    slash: str = ""
    """The word that does the same in the prompt."""
    argument: str = ""
    """What may follow the word: <...> is needed, [...] is not."""
    also: tuple[str, ...] = ()
    """Other words for it in the prompt."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.slash, *self.also) if self.slash else ()

    @property
    def usage(self) -> str:
        """How it is written in the prompt."""
        return f"{self.slash} {self.argument}".rstrip()


COMMANDS: tuple[Command, ...] = (
    Command("Help", "every key, by place", "app.help", "/help"),
    Command(
        "Replay a past transaction", "list what was asked and step through it", "open('transactions')", "/replay",
        "[#|file]",
    ),
    Command("Replay an exported run", "from its file, without importing it", "app.open_run"),
    Command("Compare two runs", "answers, routes and times beside each other", "compare", "/compare", "[# #]"),
    Command("Export the run", "its timeline as a picture, a report, or all that was recorded", "export_run"),
    Command("New conversation", "the next question begins a session of its own", "new_session", "/new", "[name]"),
    Command(
        "Sessions", "earlier conversations: go on with one, rename it, delete it", "sessions", "/session",
        "[resume ...]", ("/sessions",),
    ),
    Command(
        "Memories", "what is remembered for good: search, pin, edit, forget", "memories", "/memory", "[words]",
        ("/memories",),
    ),
    Command("Remember", "a note for all later questions", "write('/remember ')", "/remember", "<text>"),
    Command("Answer again", "the selected one, else the latest, once more", "again", "/again", "", ("/regenerate",)),
    Command("Edit the question", "the selected one, else the latest, and send it again", "edit_question", "/edit"),
    Command(
        "Fork", "the selected answer, else the latest; the replayed run from the step shown", "fork", "/fork", "[#]"
    ),
    Command("Parent", "replay the run of which this is a fork", "parent", "/parent"),
    Command(
        "Models", "choose which one answers, fetch and remove them", "open('models')", "/model", "[name|auto]",
        ("/models",),
    ),
    Command("Graph", "another one answers from the next question on", "write('/graph ')", "/graph", "<name|file>"),
    Command("Export", "write this conversation to a file, as md or json", "export", "/export", "[form] [file]"),
    Command("Health", "rates and times of the latest runs, and alerts", "open('health')", "/health"),
    Command("Tools and approvals", "what tools may do, and what was asked lately", "open('tools')", "/tools"),
    Command("Logs", "what the engine and the program said", "open('logs')", "/logs"),
    Command("Runs of an earlier session", "what this start found unfinished", "open_found", "/earlier"),
    Command("Right route", "say which route was right for the latest question", "correct_route", "/route"),
    Command("What was pruned", "what went from a model's context, with its whole text", "pruned", "/pruned"),
    Command(
        "Copy the answer", "the selected answer, else the latest, to the clipboard", "copy_answer", "/copy",
        "[answer|question|code]",
    ),
    Command("Copy a code block", "of the selected answer, else the latest", "copy_code"),
    Command(
        "Search this conversation", "every place where words stand", "search_chat", "/search", "[words]", ("/find",)
    ),
    Command("Unfold", "thinking, long questions and large pastes; or fold them again", "unfold", "/unfold"),
    Command("Zoom the pane", "this pane alone, or all of them again", "zoom", "/zoom"),
    Command("Go to the prompt", "", "prompt"),
    Command("Go to Chat", "pane 1", "pane(1)"),
    Command("Go to Graph", "pane 2", "pane(2)"),
    Command("Go to Breakers", "pane 3", "pane(3)"),
    Command("Go to Memory", "pane 4", "pane(4)"),
    Command("Go to Timeline", "pane 5", "pane(5)"),
    Command("Settings", "every setting, where its value is from, and changing it", "open('settings')", "/settings"),
    Command("Themes", "each is shown as you go through the list", "open('themes')", "/theme", "[name]"),
    Command("Next theme", "the one after this", "app.next_theme"),
    Command("Quit", "a run that goes on is rolled back", "app.quit", "/quit", also=("/exit",)),
)  # fmt: skip


def slash_command(word: str) -> Command | None:
    """The command that a slash word names."""
    return next((command for command in COMMANDS if word in command.names), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the palette."""

    title: str
    words: str
    action: str
    node: DOMNode
    """What the action is run on: the screen, or one of its widgets."""

    async def run(self) -> None:
        """Do it; where it can do nothing now, say so."""
        screen = self.node if isinstance(self.node, Screen) else self.node.screen if self.node.is_attached else None
        if isinstance(screen, SafeScreen) and isinstance(self.node, Widget) and self.node is not screen:
            screen.reach(self.node)
        if not await self.node.app.run_action(self.action, default_namespace=self.node):
            self.node.app.notify("There is nothing to do that with now.", severity="warning")


def entries(screen: Screen[Any], keymap: Keymap) -> list[Entry]:
    """Everything that can be done on `screen`: its commands, then every key of it and of its panes."""
    keys = {key.id: (scope, key) for scope, keys in KEYS.items() for key in keys}
    written = {key.action: keymap.written(key) for _scope, key in keys.values()}
    found: dict[tuple[str, object], Entry] = {}
    for command in COMMANDS:
        if _knows(screen, command.action):
            words = " ".join(each for each in (command.words, _in_brackets(written.get(command.action))) if each)
            found[command.action, None] = Entry(command.title, words, command.action, screen)
    for node in (screen, *screen.query(Widget), screen.app):
        where = None if node in (screen, screen.app) else node
        for name in dict.fromkeys(each for each in _bound(node) if each in keys):
            scope, key = keys[name]
            if key.id != "app.palette" and (key.action, where) not in found:
                title = f"{key.words[0].upper()}{key.words[1:]}"
                words = f"{TITLES[scope]} {_in_brackets(keymap.written(key))}"
                found[key.action, where] = Entry(title, words, key.action, node)
    return list(found.values())


def _bound(node: DOMNode) -> list[str]:
    """Ids of the bindings of a screen or widget."""
    own = (each for cls in type(node).__mro__ for each in vars(cls).get("BINDINGS", ()))
    return [each.id for each in own if isinstance(each, Binding) and each.id]


def scopes_of(screen: Screen[Any]) -> list[Scope]:
    """The scopes whose keys count where the focus is, the innermost first."""
    home = {key.id: scope for scope, keys in KEYS.items() for key in keys}
    nodes = (screen, screen.app) if screen.focused is None else screen.focused.ancestors_with_self
    return list(dict.fromkeys(home[name] for node in nodes for name in _bound(node) if name in home))


def _in_brackets(written: str | None) -> str:
    return f"({written})" if written else ""


def _knows(screen: Screen[Any], action: str) -> bool:
    """Whether there is such an action there."""
    namespace, name, _ = parse(action)
    return hasattr(screen.app if namespace == "app" else screen, f"action_{name}")


class CockpitCommands(Provider):
    """Our commands in Textual's palette."""

    def _all(self) -> Iterator[Entry]:
        yield from entries(self.screen, cast("CockpitApp", self.app).keys)
        for name in sorted(self.app.available_themes):
            if name.startswith("tinyllm") or name not in _textual_themes():
                yield Entry(f"Theme: {name}", "", f"app.use_theme({name!r})", self.screen)

    async def discover(self) -> Hits:
        for entry in self._all():
            yield DiscoveryHit(Content(entry.title), entry.run, text=entry.title, help=entry.words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for entry in self._all():
            score = matcher.match(f"{entry.title} {entry.words}")
            if score > 0:
                title = matcher.highlight(entry.title)
                yield Hit(score, title, entry.run, text=entry.title, help=entry.words)


def _textual_themes() -> frozenset[str]:
    from textual.theme import BUILTIN_THEMES

    return frozenset(BUILTIN_THEMES)
