"""Saying in the cockpit which route was right, and taking it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

import engine as engine_package
from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.run.engine import Engine
from engine.view import NodeView, View, VisitView
from tests.routing_graph import birds_or_stones
from tests.scripted_backend import ScriptedBackend
from tests.tui.scripted_engine import ScriptedEngine, ScriptedRun
from tests.tui.test_cockpit import SIZES, app_of, ask, flat, screen_text, text_of, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.correct_route import CorrectRouteScreen
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.widgets.routed import last_decision

ONE = birds_or_stones()
SEVERAL = birds_or_stones(multi_label=True, max_labels=2)


async def misroutes(run: ScriptedRun) -> None:
    """A run whose router takes an owl for a stone."""
    run.begin()
    run.emit(ev.NodeStarted(path="router", visit=1, message=1, source="start"))
    run.emit(
        ev.RouteDecided(
            path="router", visit=1, labels=("stones",), target="stones", route="stones", stage="words",
            scores={"stones": 0.71, "birds": 0.22},
        )
    )  # fmt: skip
    run.emit(ev.NodeFinished(path="router", visit=1, outcome="ok", duration_ms=3))
    run.emit(ev.Committed(exit="success", exit_node="end", text="stones"))


async def answered(pilot: Pilot[None], app: CockpitApp, question: str = "Owl?") -> None:
    await ask(pilot, question)
    await until(pilot, lambda: app.live.view.finished and not app.conversation.busy)
    await pilot.press("escape")


async def offered(pilot: Pilot[None]) -> CorrectRouteScreen:
    """Press r, and give the dialog."""
    await pilot.press("r")
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, CorrectRouteScreen) and "The right route" in screen_text(app))
    assert isinstance(app.screen, CorrectRouteScreen)
    return app.screen


@pytest.mark.parametrize("size", SIZES)
async def test_r_marks_the_right_route_of_the_latest_question_and_says_from_when_on(
    size: tuple[int, int], tmp_path: Path
) -> None:
    engine = ScriptedEngine(misroutes)
    app = app_of(engine, tmp_path, load_graph=lambda _name: ONE)
    async with app.run_test(size=size, notifications=True) as pilot:
        await answered(pilot, app)
        screen = await offered(pilot)
        assert screen._choices.marked == ["stones"], "what was chosen is marked at first"
        text = flat(text_of(app).replace("│", " "))
        for words in ("Owl?", "It went to stones by words. Which route is right?", "from the next question on"):
            assert words in text or size == SIZES[-1], "there it is scrolled"
        await pilot.press("up")
        await until(pilot, lambda: screen._choices.marked == ["birds"])
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, CorrectRouteScreen))
        (row,) = engine.taught
        assert (row.question, row.labels, row.router, row.tx) == ("Owl?", ("birds",), "router", "tx-1")


async def test_several_routes_are_marked_where_the_router_gives_several(tmp_path: Path) -> None:
    engine = ScriptedEngine(misroutes)
    app = app_of(engine, tmp_path, load_graph=lambda _name: SEVERAL)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        screen = await offered(pilot)
        await pilot.press("up")
        assert screen._choices.marked == ["stones"]
        await pilot.press("space")
        assert screen._choices.marked == ["stones", "birds"]
        await pilot.press("down", "space")
        assert screen._choices.marked == ["birds"]
        await pilot.press("up", "space")
        assert screen._choices.marked == ["birds"], "one is always marked"
        await pilot.press("down", "space", "enter")
        await until(pilot, lambda: bool(engine.taught))
        assert engine.taught[0].labels == ("birds", "stones")


async def test_enter_on_another_row_means_that_row_where_nothing_was_marked(tmp_path: Path) -> None:
    engine = ScriptedEngine(misroutes)
    app = app_of(engine, tmp_path, load_graph=lambda _name: SEVERAL)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await offered(pilot)
        await pilot.press("up", "enter")
        await until(pilot, lambda: bool(engine.taught))
        assert engine.taught[0].labels == ("birds",)


async def test_enter_on_the_route_that_was_taken_changes_nothing_and_says_so(tmp_path: Path) -> None:
    engine = ScriptedEngine(misroutes)
    app = app_of(engine, tmp_path, load_graph=lambda _name: SEVERAL)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await offered(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Nothing was changed" in flat(text_of(app)))
        assert not engine.taught


async def test_what_was_taught_is_listed_and_u_takes_it_back(tmp_path: Path) -> None:
    engine = ScriptedEngine(misroutes)
    app = app_of(engine, tmp_path, load_graph=lambda _name: ONE)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await engine.teach(ONE, "Wren\x1b[2J [/nope]?", ["birds"])
        await answered(pilot, app)
        screen = await offered(pilot)
        await until(pilot, lambda: "birds: Wren [/nope]?" in text_of(app))
        assert screen._undoable is None, "the one that is listed is for another question"
        await pilot.press("up", "enter")
        await until(pilot, lambda: len(engine.taught) == 2 and not isinstance(app.screen, CorrectRouteScreen))
        screen = await offered(pilot)
        await until(pilot, lambda: "birds: Owl?" in text_of(app))
        await pilot.press("u")
        await until(pilot, lambda: [row.question[:4] for row in engine.taught] == ["Wren"])
        await until(pilot, lambda: "birds: Owl?" not in text_of(app))
        await pilot.press("tab", "u")
        await until(pilot, lambda: engine.taught == [])


async def test_escape_leaves_everything_as_it_is(tmp_path: Path) -> None:
    engine = ScriptedEngine(misroutes)
    app = app_of(engine, tmp_path, load_graph=lambda _name: ONE)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await offered(pilot)
        await pilot.press("up", "escape")
        await until(pilot, lambda: not isinstance(app.screen, CorrectRouteScreen))
        assert engine.taught == []


async def test_what_the_store_refuses_is_said_and_the_dialog_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(misroutes)

    async def refuses(*_: object, **__: object) -> None:
        raise EngineError(ErrorClass.RESOURCE, "full", "The disk [/is] full.", remedy="Free some space.")

    monkeypatch.setattr(engine, "teach", refuses)
    app = app_of(engine, tmp_path, load_graph=lambda _name: ONE)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await offered(pilot)
        await pilot.press("up", "enter")
        await until(pilot, lambda: "The disk [/is] full. Free some space." in flat(text_of(app)))
        assert isinstance(app.screen, CorrectRouteScreen)


async def test_without_a_routers_decision_r_says_so(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(misroutes), tmp_path, load_graph=lambda _name: ONE)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.upcoming is not None)
        await pilot.press("escape", "r")
        await until(pilot, lambda: "No router has decided anything here." in flat(text_of(app)))


async def test_a_routers_details_offer_it_also_in_a_replay_and_those_of_other_nodes_do_not(tmp_path: Path) -> None:
    engine = ScriptedEngine(misroutes)
    app = app_of(engine, tmp_path, load_graph=lambda _name: ONE)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Owl?" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #1" in text_of(app))
        await pilot.press("alt+2", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen) and "type entry" in text_of(app))
        assert "right route" not in text_of(app)
        await pilot.press("r", "escape", "down", "right", "enter")  # whichever way it is drawn
        await until(pilot, lambda: isinstance(app.screen, NodeScreen) and "right route" in text_of(app))
        assert "0.71" in text_of(app)
        await offered(pilot)
        await pilot.press("up", "enter")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen))
        assert engine.taught[0].labels == ("birds",)


def test_the_latest_decision_that_stands_is_the_one_to_correct_with_what_its_router_was_given() -> None:
    def decided(route: str, path: str = "r") -> ev.RouteDecided:
        return ev.RouteDecided(path=path, visit=1, labels=(route,), target=route, route=route, stage="rule")

    first = VisitView(1, 10, source="start", route=decided("a"))
    taken_back = VisitView(2, 20, source="start", route=decided("b"), rewound=True)
    inner = VisitView(1, 15, source="x", route=decided("c", "loop#1/r2"))
    made = VisitView(1, 12, output="made by x", finished_ms=13)
    view = View(question="asked")
    view.nodes = {
        "start": NodeView("start", "entry", "Start"),
        "x": NodeView("x", "model", "X", visits=[made]),
        "r": NodeView("r", "router", "R", visits=[first, taken_back]),
        "loop#1/r2": NodeView("loop#1/r2", "router", "R2", drawn="r2", visits=[inner]),
    }
    latest = last_decision(view)
    assert latest is not None
    assert (latest.path, latest.question, latest.decision.route) == ("loop#1/r2", "made by x", "c")
    of_node = last_decision(view, "r")
    assert of_node is not None
    assert (of_node.question, of_node.decision.route) == ("asked", "a")
    assert last_decision(view, "r2") == last_decision(view, "loop") == latest
    assert last_decision(view, "x") is None
    assert last_decision(View()) is None


async def test_a_question_that_was_misrouted_is_corrected_asked_again_and_goes_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole story with a real engine and a real store; no model makes embeddings, so words decide."""
    ScriptedBackend().install(monkeypatch)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Engine]:
        async with engine_package.open(tmp_path / "data") as eng:
            yield eng

    question = "Is a puffin made of granite or slate, or is it grey?"
    app = CockpitApp(opened, "multi_domain", load_graph=lambda _name: ONE, user_themes=tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await answered(pilot, app, question)
        decided = last_decision(app.live.view)
        assert decided is not None
        assert (app.live.view.answer, decided.decision.route) == ("stones", "stones"), "it is misrouted"
        await offered(pilot)
        await pilot.press("up", "enter")
        await until(pilot, lambda: not isinstance(app.screen, CorrectRouteScreen))
        await pilot.press("enter")
        before = app.live.view.tx
        await ask(pilot, question)
        await until(pilot, lambda: app.live.view.tx != before and app.live.view.finished and not app.conversation.busy)
        assert app.live.view.answer == "birds", "it goes right"
        await pilot.press("escape")
        await offered(pilot)
        await until(pilot, lambda: "birds: Is a puffin" in text_of(app))
        await pilot.press("u")
        await until(pilot, lambda: "birds: Is a puffin" not in text_of(app))
        await pilot.press("escape", "enter")
        before = app.live.view.tx
        await ask(pilot, question)
        await until(pilot, lambda: app.live.view.tx != before and app.live.view.finished and not app.conversation.busy)
        assert app.live.view.answer == "stones", "taken back, it is routed as before"
