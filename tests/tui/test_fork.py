"""Forks of past runs, begun in the cockpit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import engine as engine_package
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import ConfigurationError
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.store.rows import RevisionRow, TransactionRow
from tests.graphs import make_graph, node
from tests.tui.scripted_engine import ScriptedEngine, ScriptedRun
from tests.tui.test_cockpit import SIZES, app_of, ask, flat, screen_text, spec, text_of, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.cockpit import CockpitScreen
from tinyllm_tui.screens.fork import OUTSIDE, ForkScreen, fork_point
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.transactions import TransactionsScreen
from tinyllm_tui.widgets.chat.prompt import PASTE_LIMIT

MATH = 7
"""Step of `adds` at which its node `math` has been reached."""


async def adds(run: ScriptedRun) -> None:
    """A run through `math`, with the messages that a fork takes over; a fork does only what was left."""
    run.begin()
    if run.fork is None:
        for number, (path, target) in enumerate((("start", "router"), ("router", "math")), 1):
            run.emit(ev.NodeStarted(path=path, visit=1, message=number))
            run.emit(ev.NodeFinished(path=path, visit=1, outcome="ok", content="on", message=number + 1, duration_ms=1))
            run.emit(ev.EdgeTaken(source=path, target=target, visit=1, message=number + 1, target_visit=1))
        assert run.seq == MATH
    run.emit(ev.NodeStarted(path="math", visit=1, message=3))
    await run.write("math", f"Answer to: {run.question}")
    run.emit(ev.Committed(exit="success", exit_node="answer", text=f"Answer to: {run.question}"))


async def replay_at(pilot: Pilot[None], step: int) -> None:
    """Open the replay of the newest run, at a step."""
    app = pilot.app
    await pilot.press("ctrl+r")
    await until(pilot, lambda: isinstance(app.screen, TransactionsScreen) and "#1 " in screen_text(app))
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #1" in screen_text(app))
    await pilot.press("g", *str(step), "enter")
    screen = app.screen
    assert isinstance(screen, ReplayScreen)
    await until(pilot, lambda: screen.playhead.position == step)


async def offered(pilot: Pilot[None]) -> ForkScreen:
    """Press f, and give the dialog."""
    await pilot.press("f")
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, ForkScreen) and "enter begins it" in screen_text(app))
    assert isinstance(app.screen, ForkScreen)
    return app.screen


async def answered(pilot: Pilot[None], app: CockpitApp, question: str = "1+1?") -> None:
    await ask(pilot, question)
    await until(pilot, lambda: app.live.view.finished and not app.conversation.busy)


@pytest.mark.parametrize("size", SIZES)
async def test_f_in_a_replay_forks_the_run_from_the_step_that_is_shown(size: tuple[int, int], tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=size) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        await offered(pilot)
        await until(pilot, lambda: "Fork #1 from step 7 (node math)" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and not app.conversation.busy)
        assert app.live.view.parent == (1, MATH)
        assert app.live.view == await engine.view(engine.rows[1].transaction)
        await until(pilot, lambda: "fork of #1 at step 7" in flat(text_of(app).replace("│", " ")))
        assert app.chat.latest is not None
        assert app.chat.latest.answer_text == "Answer to: 1+1?"
        assert len(app.chat.turns) == 2, "the exchange before it stays"
        assert engine.rows[1].session == engine.rows[0].session
        assert engine.approver is app.approvals


async def test_nodes_that_are_taken_over_are_drawn_as_done_while_the_fork_runs(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        await offered(pilot)
        engine.pace.hold = asyncio.Event()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and app.live.view.answer != "")
        assert app.live.view.nodes["router"].state == "ok"
        await until(pilot, lambda: "✓ router" in text_of(app) and "▶ math" in text_of(app))
        assert "· general" in text_of(app)
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy)


async def test_the_dialog_is_filled_with_the_question_and_says_that_the_outside_world_is_not_forked(
    tmp_path: Path,
) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        dialog = await offered(pilot)
        assert dialog._question.text == "1+1?"
        await until(pilot, lambda: "Installed: smollm2:135m" in text_of(app))
        assert OUTSIDE in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen))
        assert len(engine.rows) == 1, "Esc begins nothing"


async def test_question_model_and_graph_can_be_changed(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    named: list[str] = []

    def load(name: str) -> GraphSpec:
        named.append(name)
        return spec().model_copy(update={"version": "9.0.0"} if name == "other" else {})

    app = app_of(engine, tmp_path, load_graph=load)
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        dialog = await offered(pilot)
        await pilot.press(*" or 2?", "tab", *"big:7b", "tab", *"other")
        assert dialog.query_one("#fork-graph", Input).value == "other"
        await pilot.press("enter")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        fork = engine.rows[1]
        assert (fork.question, fork.model, fork.graph.version) == ("1+1? or 2?", "big:7b", "9.0.0")
        assert named[-1] == "other"
        assert app.live.view.answer == "Answer to: 1+1? or 2?"


@pytest.mark.parametrize(
    "keys", [("!",), ("tab", *"big:7b"), ("tab", "tab", *"other")], ids=["question", "model", "graph"]
)
async def test_at_the_end_of_a_run_what_is_changed_makes_the_fork_begin_anew_and_the_dialog_says_so(
    keys: tuple[str, ...], tmp_path: Path
) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(
        engine, tmp_path,
        load_graph=lambda name: spec().model_copy(update={"version": "9.0.0"} if name == "other" else {}),
    )  # fmt: skip
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, len(await engine.events(engine.rows[0].transaction)))
        dialog = await offered(pilot)
        assert dialog.point.at_end
        assert dialog.point.step > 1
        assert "begins anew" in flat(text_of(app).replace("│", " "))
        assert "The run begins anew" not in text_of(app)
        assert "enter begin " in text_of(app).splitlines()[-1]
        await pilot.press(*keys)
        await until(pilot, lambda: "The run begins anew" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        assert app.live.view.parent == (1, 1)


async def test_a_fork_with_another_graph_is_drawn_and_named_until_the_next_question(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    nodes = [
        node("start", "entry"), node("router", "transform", operation="upper"),
        node("math", "transform", operation="upper"), node("answer", "exit"),
    ]  # fmt: skip
    links = [("start", "router"), ("router", "math"), ("math", "answer")]
    other = make_graph(nodes, links).model_copy(update={"id": "graph.other", "name": "Another one"})
    app = app_of(engine, tmp_path, load_graph=lambda name: other if name == "other" else spec())
    own = spec().title
    async with app.run_test(size=(140, 40)) as pilot:
        await answered(pilot, app)
        assert own in text_of(app).splitlines()[0]
        await pilot.press("escape")
        await offered(pilot)
        engine.pace.hold = asyncio.Event()
        await pilot.press("tab", "tab", *"other", "enter")

        def other_is_shown() -> bool:
            drawing = app._cockpit.board.graph.drawing
            boxes = set() if drawing is None else set(drawing.boxes)
            return boxes == {each.id for each in other.nodes} and other.title in text_of(app).splitlines()[0]

        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and other_is_shown())
        engine.pace.hold.set()
        await until(pilot, lambda: app.live.view.finished and not app.conversation.busy)
        await pilot.pause()
        assert other_is_shown(), "a run keeps its graph also after it has ended"
        await pilot.press("i")
        await ask(pilot, "And now?")
        await until(pilot, lambda: own in text_of(app).splitlines()[0] and not other_is_shown())


async def test_an_empty_question_is_not_asked(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        dialog = await offered(pilot)
        dialog._question.clear()
        await pilot.press("enter")
        await until(pilot, lambda: "The question is empty." in text_of(app))
        assert app.screen is dialog
        assert len(engine.rows) == 1


async def test_a_fork_that_does_not_fit_is_one_toast_and_nothing_is_lost(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    small = make_graph([node("start", "entry"), node("end", "exit")], [("start", "end")])
    app = app_of(engine, tmp_path, load_graph=lambda name: small if name == "small" else spec())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        dialog = await offered(pilot)
        await pilot.press("!", "tab", "tab", *"small", "enter")
        await until(pilot, lambda: "has no node `math`" in flat(text_of(app).replace("│", " ")))
        assert "Fork from an earlier step" in flat(text_of(app).replace("│", " "))
        assert len(app._notifications) == 1
        assert app.screen is dialog
        assert dialog._question.text == "1+1?!"
        assert len(engine.rows) == 1
        assert not app.conversation.busy
        assert len(app.chat.turns) == 1


async def test_while_a_question_is_answered_a_fork_is_refused_with_one_message_and_its_text_stays(
    tmp_path: Path,
) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        engine.pace.hold = asyncio.Event()
        await pilot.press(*"2+2?", "enter")
        await until(pilot, lambda: app.conversation.busy and app.live.view.question == "2+2?")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "#2 " in text_of(app))
        await pilot.press("down", "f")
        await until(pilot, lambda: isinstance(app.screen, ForkScreen))
        await pilot.press("x", "enter")
        await until(pilot, lambda: "One question at a time" in text_of(app))
        assert len(app._notifications) == 1
        dialog = app.screen
        assert isinstance(dialog, ForkScreen)
        assert dialog._question.text == "1+1?x"
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy)
        assert app.live.view.answer == "Answer to: 2+2?"
        await pilot.press("enter")
        await until(pilot, lambda: len(engine.rows) == 3 and not app.conversation.busy)
        assert app.live.view.answer == "Answer to: 1+1?x"


async def test_f_in_the_chat_and_the_slash_word_ask_the_latest_question_again_from_its_beginning(
    tmp_path: Path,
) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        await pilot.press(*"/fork", "enter")
        await until(pilot, lambda: "There is no answer to fork yet." in text_of(app))
        await answered(pilot, app)
        await pilot.press("escape")
        dialog = await offered(pilot)
        assert "Fork #1 from the beginning" in text_of(app)
        assert "begins anew" in text_of(app)
        assert dialog.point.step == 1
        await pilot.press("!", "enter")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        assert app.live.view.parent == (1, 1)
        assert app.live.view.question == "1+1?!"


async def test_an_answer_that_is_not_recorded_cannot_be_forked_and_that_is_said(tmp_path: Path) -> None:
    async def unnumbered(run: ScriptedRun) -> None:
        run.number = 0
        await adds(run)

    engine = ScriptedEngine(unnumbered)
    engine.read_only = True
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await pilot.press("escape", "f")
        await until(pilot, lambda: "This answer is not recorded" in text_of(app))
        assert isinstance(app.screen, CockpitScreen)


async def test_esc_cancels_a_fork_like_any_other_run(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        await offered(pilot)
        engine.pace.hold = asyncio.Event()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and app.live.view.answer != "")
        await pilot.press("escape")
        await until(pilot, lambda: not app.conversation.busy)
        assert isinstance(engine.rows[1].terminal, ev.RolledBack)
        assert isinstance(engine.rows[0].terminal, ev.Committed)


async def test_a_step_inside_a_visit_leads_to_the_nearest_before_it_and_the_dialog_says_so(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot, app)
        events = await engine.events(engine.rows[0].transaction)
        inside = next(event.seq for event in events if isinstance(event.body, ev.NodeFinished))
        point = fork_point(events, inside)
        assert point.step < inside
        assert f"the nearest to {inside} from which a run can go on" in point.words()
        assert "nearest" not in fork_point(events, point.step).words()
        await replay_at(pilot, inside)
        await offered(pilot)
        await until(pilot, lambda: point.title in text_of(app))


async def test_a_very_long_question_is_a_token_in_the_dialog_and_goes_on_whole(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    question = "long " * PASTE_LIMIT
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        app.conversation.ask(question, "a long one")
        await until(pilot, lambda: app.live.view.finished and not app.conversation.busy)
        await pilot.press("escape")
        dialog = await offered(pilot)
        assert len(dialog._question.text) < 100
        assert dialog._question.changed is None
        await pilot.press("?", "enter")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        assert engine.rows[1].question == question + "?"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_footer_of_a_replay_and_the_help_name_the_key(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(adds), tmp_path)
    async with app.run_test(size=size) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        assert "f fork" in text_of(app)


def revision(version: str) -> tuple[RevisionRow, GraphSpec]:
    graph = spec().model_copy(update={"version": version})
    return RevisionRow(graph.content_hash(), graph.id, version, "", 0, 0, 2), graph


async def test_the_graph_is_chosen_from_those_that_ran_and_the_one_that_is_there_now(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    engine.revisions = [revision("0.1.0"), revision("1.0.0")]
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot, app)
        assert app.upcoming is not None
        app.graph_choice.revision = replace(app.upcoming, graph=spec().model_copy(update={"version": "2.0.0"}))
        await replay_at(pilot, MATH)
        dialog = await offered(pilot)
        await until(pilot, lambda: "as it is now" in text_of(app) and "version 0.1.0, 2 runs" in text_of(app))
        assert [choice.kind for choice in dialog._graphs._choices] == ["recorded", "now", "revision"]
        assert "● as recorded" in text_of(app), "the sign, not the colour, says which is chosen"
        await pilot.press("tab", "tab", "tab", "down", "down")
        await until(pilot, lambda: "● revision" in text_of(app) and "○ as recorded" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        assert engine.rows[1].graph.version == "0.1.0"


async def test_a_revision_can_be_named_by_the_beginning_of_its_hash(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    row, graph = revision("0.1.0")
    engine.revisions = [(row, graph)]

    def load(name: str) -> GraphSpec:
        if name != "multi_domain":
            raise ConfigurationError("unknown_graph", f"There is no graph {name!r}.", remedy="See graph list.")
        return spec()

    app = app_of(engine, tmp_path, load_graph=load)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        dialog = await offered(pilot)
        dialog._graph.value = "abc"
        await pilot.press("enter")
        await until(pilot, lambda: "There is no graph 'abc'." in text_of(app))
        dialog._graph.value = row.hash[:6]
        await pilot.press("enter")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        assert engine.rows[1].graph.version == "0.1.0"


async def test_p_opens_the_parent_of_a_fork_at_the_step_where_it_began(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        await offered(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and not app.conversation.busy)
        await until(pilot, lambda: "#2 ┣ fork of #1 at step 7 · committed" in text_of(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "┣ fork of #1 at step 7 · 1+1?" in text_of(app))
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #1 " in text_of(app))
        assert isinstance(app.screen, ReplayScreen)
        assert app.screen.playhead.position == MATH
        await pilot.press("p")
        await until(pilot, lambda: "#1 is no fork" in text_of(app))


async def test_a_parent_that_was_pruned_is_said_and_not_opened(tmp_path: Path) -> None:
    engine = ScriptedEngine(adds)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await replay_at(pilot, MATH)
        await offered(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and not app.conversation.busy)
        engine.pruned.add(engine.rows[0].transaction)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "fork of #1 (pruned) at step 7" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #2" in text_of(app))
        assert "fork of #1 (pruned) at step 7" in text_of(app).splitlines()[0]
        await pilot.press("p")
        await until(pilot, lambda: any("is not here: it was pruned" in each.message for each in app._notifications))
        assert isinstance(app.screen, ReplayScreen)


def plain_graph() -> GraphSpec:
    """A graph without a model."""
    return make_graph(
        [
            node("start", "entry"),
            node("first", "transform", operation="template", template="first of {{ question }}"),
            node("second", "transform", operation="template", template="second of {{ question }}"),
            node("end", "exit"),
        ],
        [("start", "first"), ("first", "second"), ("second", "end")],
    )


async def test_the_real_engine_forks_a_recorded_run_and_the_parent_stays_as_it_was(tmp_path: Path) -> None:
    opened: list[Engine] = []

    @asynccontextmanager
    async def open_engine() -> AsyncIterator[Any]:
        async with engine_package.open(tmp_path / "data", config=EngineConfig()) as eng:
            opened.append(eng)
            yield eng

    app = CockpitApp(
        open_engine, "multi_domain", load_graph=lambda _name: plain_graph(), user_themes=tmp_path / "themes"
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot, app, "Why?")
        eng = opened[0]
        parent: TransactionRow = await eng.transaction("1")
        before = await eng.events(parent.tx)
        started = next(
            event.seq for event in before if isinstance(event.body, ev.NodeStarted) and event.body.path == "second"
        )
        shown = [event for event in before if event.tx].index(next(e for e in before if e.seq == started)) + 1
        await replay_at(pilot, shown)
        await offered(pilot)
        await until(pilot, lambda: "(node second)" in text_of(app))
        await pilot.press("!", "enter")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and not app.conversation.busy)
        assert app.live.view.parent is not None
        assert app.live.view.parent[0] == 1
        assert app.live.view.answer == "second of Why?!"
        assert app.live.view.nodes["first"].last is not None
        assert app.live.view.nodes["first"].last.output == "first of Why?"
        assert app.live.view == await eng.view((await eng.transaction("2")).tx)
        assert await eng.events(parent.tx) == before
        await until(pilot, lambda: "fork of #1 at step" in text_of(app))
