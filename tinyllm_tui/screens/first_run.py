"""The first start: what answers here, and one question to try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Click, Key, Paste
from textual.widgets import Static

from engine.errors import EngineError
from engine.models.catalogue import can_chat
from engine.models.protocol import ModelInfo
from tinyllm_tui.keymap import bindings
from tinyllm_tui.model_words import is_toy
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.widgets.footer import Footer

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

QUESTION = "What is the capital of France?"
_NAMED = 4
"""Models that are named."""
_LOOKING = "Looking for what can answer here ..."


def found_words(kind: str, models: Sequence[ModelInfo]) -> str:
    """Which backend was found, with which models, and what to expect of them."""
    names = [one_line(model.name, 40) for model in models if can_chat(model)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    listed = ", ".join(names[:_NAMED]) + more
    if kind == "embedded":
        words = f"No model server is needed: the built-in {listed} answers, on this machine alone."
        if is_toy(list(models)):
            words += " It is tiny: it answers simple questions, and shows how everything works. m fetches a better one."
        return words
    where = "Ollama" if kind == "ollama" else "The model server"
    return f"{where} was found, with {listed}. It answers, each model where it does best."


class Try(Static):
    """The question; a click asks it."""

    def on_click(self, event: Click) -> None:
        event.stop()
        self.screen.call_next(self.screen.run_action, "ask")


class FirstRunScreen(Dialog[None]):
    """Enter asks the question; Esc leads to the prompt, and so does typing."""

    CSS_PATH = "first_run.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012 - as in Textual's base class
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("first_run", "everywhere"))

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        self._found = Static(_LOOKING, id="first-found", markup=False)
        with VerticalScroll(id="first"):
            yield Static("Welcome to tinyllm", id="first-title", markup=False)
            yield self._found
            yield Try(Content(f"{self.cockpit.signs.prompt} {QUESTION}"), id="first-question")
            yield Static("enter asks it, or type your own", id="first-hint", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.run_worker(self._look(), group="look", exclusive=True, exit_on_error=False)

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Leave it; the prompt has the next key."""
        if self.is_active:
            prompt = self.cockpit.prompt
            prompt.screen.set_focus(prompt)
        return super().dismiss(result)

    async def _look(self) -> None:
        try:
            engine = await self.cockpit.opened()
            kind = (await engine.backend()).kind
            words = found_words(kind, await engine.models())
        except EngineError as error:
            words = f"{error.message} {error.remedy}".strip()
        self._found.update(Content(one_line(words, 600)))

    def on_key(self, event: Key) -> None:
        """Who begins to type has a question: it goes on in the prompt."""
        if event.is_printable and event.character is not None:
            event.stop()
            self.dismiss()  # keys that came with the first are still delivered here
            self.cockpit.prompt.insert(event.character)

    def on_paste(self, event: Paste) -> None:
        """What is pasted is a question too."""
        event.stop()
        self.dismiss()
        self.cockpit.prompt.post_message(Paste(event.text))

    def action_ask(self) -> None:
        """Ask the question in the cockpit."""
        if not self.is_active:  # a question was typed so fast that its enter is delivered here
            self.cockpit.prompt.action_submit()
            return
        self.dismiss()
        self.cockpit.conversation.ask(QUESTION, QUESTION)

    def action_leave(self) -> None:
        self.dismiss()
