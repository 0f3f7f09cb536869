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
    Command("Answer again", "ask the latest question once more", "again", "/again", also=("/regenerate",)),
    Command("Edit the question", "change the latest question and send it again", "edit_question", "/edit"),
    Command("Fork", "the latest answer, or the replayed run from the step shown", "fork", "/fork"),
    Command("Parent", "replay the run of which this is a fork", "parent", "/parent"),
    Command(
        "Models", "choose which one answers, fetch and remove them", "open('models')", "/model", "[name|auto]",
        ("/models",),
    ),
    Command("Graph", "another one answers from the next question on", "write('/graph ')", "/graph", "<name|file>"),
    Command("Export", "write this conversation to a file", "export", "/export", "[md|json] [file]"),
    Command("Runs of an earlier session", "what this start found unfinished", "open_found", "/earlier"),
    Command("Right route", "say which route was right for the latest question", "correct_route", "/route"),
    Command("What was pruned", "what went from a model's context, with its whole text", "pruned", "/pruned"),
    Command("Copy the answer", "the latest answer to the clipboard", "copy_answer", "/copy"),
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
