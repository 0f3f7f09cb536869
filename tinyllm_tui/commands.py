"""Commands: what the palette finds, and what a slash in the prompt does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `action` is run on the screen."""

    title: str
    words: str
    action: str
    slash: str = ""
    """The word that does the same in the prompt."""


COMMANDS: tuple[Command, ...] = (
    Command("Help", "every key, by place", "app.help", "/help"),
    Command("Replay a past transaction", "list what was asked and step through it", "transactions", "/replay"),
    Command("New conversation", "the next question begins a session of its own", "new_session", "/new"),
    Command("Fork", "the latest answer, or the replayed run from the step shown", "fork", "/fork"),
    Command("Parent", "replay the run of which this is a fork", "parent", "/parent"),
    Command("Models", "choose which one answers, fetch and remove them", "models", "/models"),
    Command("Runs of an earlier session", "what this start found unfinished", "open_found", "/earlier"),
    Command("Right route", "say which route was right for the latest question", "correct_route", "/route"),
    Command("Copy the answer", "the latest answer to the clipboard", "copy_answer", "/copy"),
    Command("Zoom the pane", "this pane alone, or all of them again", "zoom", "/zoom"),
    Command("Go to the prompt", "", "prompt"),
    Command("Go to Chat", "pane 1", "pane(1)"),
    Command("Go to Graph", "pane 2", "pane(2)"),
    Command("Go to Breakers", "pane 3", "pane(3)"),
    Command("Go to Memory", "pane 4", "pane(4)"),
    Command("Go to Timeline", "pane 5", "pane(5)"),
    Command("Next theme", "dark, light and your own", "app.next_theme", "/theme"),
    Command("Quit", "a run that goes on is rolled back", "app.quit", "/quit"),
)


def slash_command(text: str) -> Command | None:
    """The command that `text` names, where it is exactly a slash word (`/code ...` is a question for the router)."""
    return next((command for command in COMMANDS if command.slash and command.slash == text), None)


class CockpitCommands(Provider):
    """Our commands in Textual's palette."""

    def _all(self) -> Iterator[Command]:
        yield from COMMANDS
        for name in sorted(self.app.available_themes):
            if name.startswith("tinyllm") or name not in _textual_themes():
                yield Command(f"Theme: {name}", "", f"app.use_theme({name!r})")

    async def discover(self) -> Hits:
        for command in self._all():
            yield DiscoveryHit(command.title, partial(self.screen.run_action, command.action), help=command.words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._all():
            score = matcher.match(command.title)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(command.title),
                    partial(self.screen.run_action, command.action),
                    help=command.words,
                )


def _textual_themes() -> frozenset[str]:
    from textual.theme import BUILTIN_THEMES

    return frozenset(BUILTIN_THEMES)
