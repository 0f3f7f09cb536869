"""The installed models: which of them answers, and fetching and removing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import EngineError
from engine.models.catalogue import ROLES, Resolution, can_chat
from engine.models.protocol import ModelInfo
from tinyllm_tui.keymap import bindings
from tinyllm_tui.model_words import SUGGESTED, TOY, file_size, is_toy, pull_line
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.screens.model_rows import columns, heading, row_content
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.rows import Rows
from tinyllm_tui.words import cut

if TYPE_CHECKING:
    from textual.timer import Timer

    from tinyllm_tui.app import CockpitApp

_FRAME_S = 0.1
"""Seconds between two drawings of the bar."""
_LOOK_S = 3.0
"""Seconds between two looks at what is loaded."""
_EVERY = "every role"
_LOW = 16
"""Rows of the terminal below which the list comes before what is said of models."""


class ModelsScreen(SafeScreen):
    """A list of models; Enter lets one answer for every role, from the next question on, until the cockpit is left."""

    CSS_PATH = "models.tcss"
    AUTO_FOCUS = "#models-list"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("models", "everywhere", without=("models.use",)))

    def __init__(self) -> None:
        super().__init__()
        self._models: list[ModelInfo] = []
        self._roles: Mapping[str, Resolution | EngineError] = {}
        self._kind = ""
        self._nothing = "Looking for the models."
        """What stands in the place of a list without rows."""
        self._drawing: Timer | None = None

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        self._title = Static("", id="models-title", markup=False)
        self._head = Static("", id="models-head", markup=False)
        self._list = Rows(signs=self.cockpit.signs, id="models-list")
        self._empty = Static("", id="models-empty", markup=False)
        self._detail = Static("", id="models-detail", markup=False)
        self._hint = Static("", id="models-hint", markup=False)
        self._bar = Static("", id="models-bar", markup=False)
        names = [each.source for each in SUGGESTED]
        place = "a name, such as qwen2.5:3b of Ollama, or hf:owner/repo/file.gguf"
        self._field = Input(
            id="models-name", placeholder=place, compact=True, suggester=SuggestFromList(names, case_sensitive=False)
        )
        yield from (self._title, self._head, self._empty, self._list, self._detail, self._hint, self._bar, self._field)
        yield Footer()

    def on_mount(self) -> None:
        self._field.display = False
        self.look()
        self._drawing = self.set_interval(_FRAME_S, self._draw_bar)
        self.set_interval(_LOOK_S, self._look_again)
        self._draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Ask the backend for its models."""
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    def _look_again(self) -> None:
        if self._models:  # a backend that does not answer is asked when the person wants it
            self.look()

    async def _read(self) -> None:
        try:
            engine = await self.cockpit.opened()
            self._models = await engine.models()
            self._roles = await engine.roles()
            self._kind = (await engine.backend()).kind
        except EngineError as error:
            self._models, self._roles = [], {}
            self._nothing = f"{error.message} {error.remedy}".strip()
        else:
            self._nothing = "No model is installed. p fetches one."
        self._draw()

    def roles_of(self, model: ModelInfo) -> list[str]:
        """The roles for which a model answers."""
        return [role for role, r in self._roles.items() if isinstance(r, Resolution) and r.model == model.name]

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        signs = self.cockpit.signs
        width = max(self.size.width - 4, 20)
        layout = columns(width)
        place = self._list.highlighted
        self._list.clear_options()
        rows = [(model, self._roles_words(model)) for model in self._models]
        self._list.add_options(
            Option(row_content(model, roles, layout, signs), id=str(number))
            for number, (model, roles) in enumerate(rows)
        )
        if rows:
            self._list.highlighted = min(place or 0, len(rows) - 1)
        parts = ["Models", *([str(len(rows)), self._kind] if rows else [])]
        self._title.update(Content(" " + f" {signs.dot} ".join(parts)))
        self._head.update(heading(layout))
        self._head.display = bool(rows)
        self._empty.update(Content(one_line(self._nothing, 600)))
        self._empty.display = not rows
        self.refresh_bindings()
        self._draw_hint()
        self._draw_detail()
        self._draw_bar()

    def _roles_words(self, model: ModelInfo) -> str:
        roles = self.roles_of(model)
        return _EVERY if len(roles) == len(ROLES) else " ".join(f"@{role}" for role in roles)

    def _draw_hint(self) -> None:
        toy = is_toy(self._models)
        self._hint.display = toy
        if toy and self.size.height < _LOW:
            self._hint.update(Content("A toy: p fetches a better one."))
        elif toy:
            width = max(self.size.width - 4, 20)
            lines = [TOY, "Better ones for the embedded backend, which 1 and 2 fetch (or use Ollama):"]
            for number, each in enumerate(SUGGESTED, 1):
                words = f"{number}  {each.title:<13} {file_size(each.size_bytes):>7}  {each.source}"
                lines.append(cut(words, width, self.cockpit.signs.ellipsis))
            self._hint.update(Content("\n".join(lines)))

    def _draw_detail(self) -> None:
        model = self.selected
        low = self.size.height < _LOW
        self._detail.display = model is not None and not (low and self._field.display)
        self._detail.styles.max_height = 4 if low else 5
        if model is None:
            return
        whys = [f"@{role}: {r.why}" for role, r in self._roles.items()
                if isinstance(r, Resolution) and r.model == model.name]  # fmt: skip
        distinct = list(dict.fromkeys(why.partition(": ")[2] for why in whys))
        answers = f"every role: {distinct[0]}" if len(whys) == len(ROLES) and len(distinct) == 1 else "; ".join(whys)
        can = ", ".join(sorted(model.capabilities))
        lines = [f"{one_line(model.name, 200)}" + (f"  can {can}" if can else "")]
        lines.append(f"answers for {answers}" if answers else "answers for no role")
        if model.path is not None:
            path = one_line(str(model.path), 1000)
            room = max(self.size.width - 4, 20)
            lines.append(path if len(path) <= room else f"{self.cockpit.signs.ellipsis}{path[1 - room :]}")
        self._detail.update(Content("\n".join(lines)))

    def _draw_bar(self) -> None:
        pulls = self.cockpit.pulls
        if not pulls.busy and not self._bar.display:
            return
        if self._bar.display != pulls.busy:
            self._bar.display = pulls.busy
            self.refresh_bindings()
        if pulls.busy:
            signs, width = self.cockpit.signs, max(self.size.width - 4, 20)
            head = cut(f"{signs.marks['imported']} {one_line(pulls.name, 300)}", width - 12, signs.ellipsis)
            self._bar.update(Content(f"{head}  c cancels\n{pull_line(pulls.meter, width, signs)}"))

    @property
    def selected(self) -> ModelInfo | None:
        """The model that is highlighted."""
        place = self._list.highlighted
        return None if place is None or place >= len(self._models) else self._models[place]

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._draw_detail()

    # -- which model answers -----------------------------------------------------------------------------------------

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.selected is not None:
            self._begin_use(self.selected.name, None)

    def action_role(self) -> None:
        """Let the selected model answer for one role."""
        model = self.selected
        if model is None:
            return
        if not can_chat(model):
            self.notify(f"{one_line(model.name, 80)} only makes embeddings.", severity="warning", markup=False)
            return
        answers = [(role.name, f"@{role.name:<9} {self._answering(role.name)}") for role in ROLES.values()]
        words = "For which role shall it answer? The name beside each is the model that answers now."

        def taken(role: str | None) -> None:
            if role is not None:
                self._begin_use(model.name, role)

        self.app.push_screen(ChoiceScreen(one_line(model.name, 60), words, answers), taken)

    def action_automatic(self) -> None:
        """Let the best installed model answer for each role again."""
        self._begin_use(None, None)

    def _answering(self, role: str) -> str:
        found = self._roles.get(role)
        return one_line(found.model, 40) if isinstance(found, Resolution) else "nothing"

    def _begin_use(self, model: str | None, role: str | None) -> None:
        self.run_worker(self._use(model, role), group="use", exclusive=True, exit_on_error=False)

    async def _use(self, model: str | None, role: str | None) -> None:
        try:
            await (await self.cockpit.opened()).use(model, role)
        except EngineError as error:
            self._fail(error)
            return
        subject = _EVERY if role is None else f"@{role}"
        what = "The best installed model" if model is None else one_line(model, 80)
        self.notify(f"{what} answers for {subject} from the next question on, until you quit.", markup=False)
        self.cockpit.models_changed()

    # -- fetching and removing ---------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean nothing now do nothing and are not shown."""
        del parameters
        if action == "cancel_pull":
            return self.cockpit.pulls.busy
        return action not in ("role", "remove", "automatic") or bool(self._models)

    def action_pull(self) -> None:
        """Ask for the name of a model to fetch."""
        self._ask_name("")

    def action_suggested(self, number: int) -> None:
        """Offer to fetch one of the suggested models."""
        if is_toy(self._models):
            self._ask_name(SUGGESTED[number - 1].source)

    def _ask_name(self, name: str) -> None:
        self._field.value = name
        self._field.display = True
        self._draw_detail()
        self._field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        name = event.value.strip()
        if not name or self.cockpit.pulls.begin(name):
            self._close_field()
            self._draw_bar()

    def _close_field(self) -> None:
        self._field.display = False
        self._draw_detail()
        self._list.focus()

    def action_cancel_pull(self) -> None:
        """Stop fetching."""
        self.cockpit.pulls.cancel()

    def action_remove(self) -> None:
        """Remove the selected model, after a question of which Enter means no."""
        model = self.selected
        if model is None:
            return
        roles = self._roles_words(model)
        words = f"{one_line(model.name, 80)} ({file_size(model.size_bytes)}) would be removed from the disk."
        words += f" It answers for {roles}." if roles else ""

        def answered(answer: str | None) -> None:
            if answer == "remove":
                self.run_worker(self._remove(model.name), group="remove", exit_on_error=False)

        answers = (("keep", "Keep it"), ("remove", "Remove it"))
        self.app.push_screen(ChoiceScreen("Remove a model", words, answers), answered)

    async def _remove(self, name: str) -> None:
        try:
            await (await self.cockpit.opened()).library.delete(name)
        except EngineError as error:
            self._fail(error)
            return
        self.notify(f"Removed {one_line(name, 80)}.", markup=False)
        self.cockpit.models_changed()

    def _fail(self, error: EngineError) -> None:
        self.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", timeout=15, markup=False)

    def action_look(self) -> None:
        """Look for the models again."""
        self._nothing = "Looking for the models."
        self._draw()
        self.look()

    def action_leave(self) -> None:
        """Leave the field of the name, or the screen; what is being fetched goes on."""
        if self._field.display:
            self._close_field()
        else:
            self.dismiss()
