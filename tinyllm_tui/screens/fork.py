"""The dialog in which a fork of a past run is begun: from which step, with which question, graph and model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Footer, Input, Label, Static

from engine import events as ev
from engine.errors import EngineError, ErrorClass, classify
from engine.run.fork import make_fork
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.screens.fork_graphs import GraphChoices, graph_choices, named_graph
from tinyllm_tui.widgets.chat.prompt import PASTE_LIMIT, Prompt
from tinyllm_tui.words import Glyphs, cut

if TYPE_CHECKING:
    from engine.graph.spec import GraphSpec
    from tinyllm_tui.app import CockpitApp

OUTSIDE = "What tools changed outside of the program is not forked: it stays as it is now."


@dataclass(frozen=True, slots=True)
class ForkPoint:
    """A step of a past run from which another can go on."""

    tx: str
    number: int
    """That of the past run; 0 where it has none."""
    question: str
    graph: str
    """Id of the graph that was recorded."""
    graph_hash: str
    wanted: int
    """The step that was asked for."""
    step: int
    """The nearest one, not after it, from which a run can go on."""
    nodes: tuple[str, ...]
    """What is under way there."""

    @property
    def title(self) -> str:
        listed = ", ".join(one_line(node, 30) for node in self.nodes)
        nodes = f" ({'node' if len(self.nodes) == 1 else 'nodes'} {listed})" if listed else ""
        return f"Fork {f'#{self.number} ' if self.number else ''}from step {self.step}{nodes}"

    @property
    def words(self) -> str:
        """What is taken over."""
        if self.step == 1:
            return "The run begins anew; the one that is forked stays as it is."
        near = "" if self.step == self.wanted else f" (the nearest to {self.wanted} from which a run can go on)"
        return (
            f"What was done up to step {self.step}{near} is taken over; a changed question, model or graph counts from"
            " there on."
        )


def fork_point(events: Sequence[ev.Event], at: int | None = None) -> ForkPoint:
    """Where a fork would begin.

    Args:
        events: of the past run, in order; those of the engine's own stream among them do not count.
        at: sequence number of the last step to share; default: the last from which a run can go on.

    Raises:
        EngineError: not_found: there is no beginning; invalid_request: there is no such step.
    """
    steps = [event for event in events if event.tx is not None]
    begin = steps[0].body if steps else None
    if not isinstance(begin, ev.Begin):
        raise EngineError(
            ErrorClass.NOT_FOUND, "no_events", "The events of this run are gone.", remedy="Fork another one."
        )
    fork = make_fork(steps, begin.number, at)
    graph = str(begin.graph.get("id", ""))
    nodes = tuple(dict.fromkeys(each.node for each in fork.state.frontier))
    wanted = len(steps) if at is None else at
    return ForkPoint(
        fork.parent, begin.number, begin.question, graph, begin.graph_hash, wanted, fork.seq, nodes
    )  # fmt: skip


class QuestionField(Prompt):
    """The question of the past run, to be changed. It stays when it is sent: the fork may be refused."""

    def __init__(self, question: str) -> None:
        super().__init__(id="fork-question", placeholder="The question")
        self._token = sanitize(question)
        if len(self._token) > PASTE_LIMIT:
            self._token = f"[the question: {len(question):,} characters]"
        self._original = self._pastes[self._token] = question
        self.load_text(self._token)

    def on_mount(self) -> None:
        self.move_cursor(self.document.end)

    @property
    def changed(self) -> str | None:
        """What is asked instead; None where that is what was asked."""
        return None if self.text == self._token else self.question()

    def action_submit(self) -> None:
        self.post_message(self.Submitted(self.question(), self.text))


class ForkScreen(ModalScreen[None]):
    """Enter begins the fork, which becomes the live run; Esc leaves. The past run stays as it is.

    Args:
        point: where it begins.
        signs: how it is drawn.
    """

    CSS_PATH = "fork.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("fork", "everywhere"))

    def __init__(self, point: ForkPoint, signs: Glyphs) -> None:
        super().__init__()
        self.point = point
        self._signs = signs

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        point = self.point
        self._question = QuestionField(point.question)
        self._model = Input(id="fork-model", placeholder="as configured", compact=True)
        graph = f"chosen below ({one_line(point.graph.removeprefix('graph.'), 30)}), or a name, a file, a hash"
        self._graph = Input(id="fork-graph", placeholder=graph, compact=True)
        self._graphs = GraphChoices(point.graph_hash, self._signs)
        with VerticalScroll(id="fork", can_focus=False) as frame:
            frame.border_title = Content(f" {point.title} ")
            frame.border_subtitle = Content(f" enter begins it {self._signs.dot} esc leaves ")
            yield Static(point.words, markup=False, classes="fork--words")
            for name, field in (("Question", self._question), ("Model", self._model), ("Graph", self._graph)):
                with Horizontal(classes="fork--row"):
                    yield Label(name, markup=False)
                    yield field
            yield self._graphs
            yield Static("", id="fork-installed", markup=False)
            yield Static(OUTSIDE, id="fork-outside", markup=False, classes="fork--words")
        yield Footer()

    def on_mount(self) -> None:
        self.set_focus(self._question)
        self.run_worker(self._name_models(), group="models", exclusive=True, exit_on_error=False)
        self.run_worker(self._offer_graphs(), group="graphs", exclusive=True, exit_on_error=False)

    async def _offer_graphs(self) -> None:
        """List the graphs with which it can go on."""
        self._graphs.offer(await graph_choices(self.cockpit, self.point.graph, self.point.graph_hash))

    async def _name_models(self) -> None:
        """Say which models are installed, and complete their names."""
        try:
            names = sorted(model.name for model in await (await self.cockpit.opened()).models())
        except EngineError:
            return  # the fork, once begun, says what is wrong
        self._model.suggester = SuggestFromList(names, case_sensitive=False)
        if names:
            words = f"Installed: {', '.join(one_line(name, 60) for name in names)}"
            self.query_one("#fork-installed", Static).update(Content(cut(words, 240, self._signs.ellipsis)))

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        event.stop()
        self._submit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._submit()

    def on_option_list_option_selected(self, event: GraphChoices.OptionSelected) -> None:
        event.stop()
        self._submit()

    def _submit(self) -> None:
        if not self._question.text.strip():
            self.notify("The question is empty.", severity="warning")
        elif not any(worker.group == "begin" and worker.is_running for worker in self.workers):
            self.run_worker(self._begin(), group="begin", exit_on_error=False)

    async def _begin(self) -> None:
        try:
            graph = await self._wanted_graph()
            model = self._model.value.strip() or None
            begun = await self.cockpit.conversation.fork(
                self.point.tx, self.point.step, question=self._question.changed, graph=graph, model=model,
                shown=self._question.text,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here as a message and not as a traceback
            known = classify(error)
            words = one_line(f"{known.message} {known.remedy}".strip(), 600)
            self.notify(words, severity="error", markup=False)
            return
        if begun:
            self.cockpit.show_live()  # ends this worker too

    async def _wanted_graph(self) -> GraphSpec | None:
        """What is named; else what is chosen; None for the graph that was recorded."""
        name = self._graph.value.strip()
        if name:
            return await named_graph(self.cockpit, name)
        choice = self._graphs.choice
        if choice.kind == "revision":
            return await (await self.cockpit.opened()).graph_revision(choice.hash)
        return choice.graph

    def action_leave(self) -> None:
        self.dismiss()
