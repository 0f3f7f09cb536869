"""The dialog in which a fork of a past run is begun: from which step, with which question, graph and model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, OptionList, Static, TextArea

from engine import events as ev
from engine.errors import EngineError, ErrorClass, classify
from engine.run.fork import make_fork
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.screens.fork_graphs import GraphChoices, graph_choices, named_graph
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.widgets.chat.prompt import PASTE_LIMIT, Prompt
from tinyllm_tui.widgets.footer import Footer
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
    at_end: bool = False
    """The end of a run was asked for, which is no choice of a step: with another question, graph or model the fork
    begins at the beginning, for all that follows was made of the past run's."""

    def step_with(self, *, changed: bool) -> int:
        """The step from which a fork goes on.

        Args:
            changed: with another question, graph or model.
        """
        return 1 if changed and self.at_end else self.step

    @property
    def title(self) -> str:
        if self.step == 1:
            return f"Fork {f'#{self.number} ' if self.number else ''}from the beginning"
        listed = ", ".join(one_line(node, 30) for node in self.nodes)
        nodes = f" ({'node' if len(self.nodes) == 1 else 'nodes'} {listed})" if listed else ""
        return f"Fork {f'#{self.number} ' if self.number else ''}from step {self.step}{nodes}"

    def words(self, *, changed: bool = False) -> str:
        """What is taken over; `changed` as for `step_with`."""
        if self.step_with(changed=changed) == 1:
            return "The run begins anew; the one that is forked stays as it is."
        near = "" if self.step == self.wanted else f" (the nearest to {self.wanted} from which a run can go on)"
        from_where = "begins anew" if self.at_end else "counts from there on"
        which = "with another question, model or graph it" if self.at_end else "a changed question, model or graph"
        return f"What was done up to step {self.step}{near} is taken over; {which} {from_where}."


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
    at_end = isinstance(steps[-1].body, ev.TERMINAL) and wanted == len(steps)
    return ForkPoint(
        fork.parent, begin.number, begin.question, graph, begin.graph_hash, wanted, fork.seq, nodes, at_end
    )  # fmt: skip


class QuestionField(Prompt):
    """The question of the past run, to be changed. It stays when it is sent: the fork may be refused."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("fork", without=("fork.leave",)))

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


class ForkScreen(Dialog[None]):
    """Enter begins the fork, which becomes the live run; Esc leaves. The past run stays as it is.

    Args:
        point: where it begins.
        signs: how it is drawn.
    """

    CSS_PATH = "fork.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("fork", "everywhere", without=("prompt.begin",)))
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-high")]  # noqa: RUF012 - as in Textual's base class

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
            yield Static(point.words(), id="fork-from", markup=False, classes="fork--words")
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

    @property
    def _changed(self) -> bool:
        """Whether another question, model or graph is given."""
        graph = bool(self._graph.value.strip()) or self._graphs.choice.kind != "recorded"
        return graph or bool(self._model.value.strip()) or self._question.changed is not None

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(OptionList.OptionHighlighted)
    def _say_from_where(self) -> None:
        self.query_one("#fork-from", Static).update(Content(self.point.words(changed=self._changed)))

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
            model, question = self._model.value.strip() or None, self._question.changed
            another = graph is not None and graph.content_hash() != self.point.graph_hash
            step = self.point.step_with(changed=another or model is not None or question is not None)
            begun = await self.cockpit.conversation.fork(
                self.point.tx, step, question=question, graph=graph, model=model, shown=self._question.text
            )
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
