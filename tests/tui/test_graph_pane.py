"""The graph pane by keys and mouse: selecting, opening sub-graphs and details, turning and fitting the drawing."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len
from textual.app import ComposeResult
from textual.pilot import Pilot

from engine.events import BreakerSnapshot
from engine.view import AttemptView, EdgeView, NodeView, View, VisitView
from tests.benchmarks.graph_drawing import large_graph
from tests.tui.test_cockpit import SIZES, screen_text, until
from tinyllm_tui.themed_app import ThemedApp
from tinyllm_tui.widgets.graph_lit import level_of, lit
from tinyllm_tui.widgets.graph_view import GraphPane
from tinyllm_tui.widgets.selection import NodeSelected
from tinyllm_tui.words import ASCII, UNICODE

HOSTILE = "\x1b[31m[/nope]\x07"


def form(graph_id: str, nodes: str, edges: str, **more: Any) -> dict[str, Any]:
    pairs = (edge.split(">") for edge in edges.split())
    return {
        "id": graph_id,
        "nodes": [{"id": n, "type": "model", "config": {}} for n in nodes.split()],
        "edges": [{"from_node": a, "to_node": b} for a, b in pairs],
        **more,
    }


def nested() -> dict[str, Any]:
    """A graph in whose node `sub` another one runs."""
    outer = form("graph.outer", "a b sub d", "a>b a>sub b>d sub>d")
    outer["nodes"][2] |= {"type": "subgraph", "config": {"graph_id": "graph.inner"}}
    outer["graphs"] = {"graph.inner": form("graph.inner", "x y", "x>y")}
    return outer


def running() -> View:
    """A run in the second visit of `sub`."""
    view = View(graph=nested(), graph_hash="h", status="executing", t_ms=4000)
    attempt = AttemptView(1, 2, "m", "e", 2500, tokens=31, first_token_ms=500)
    visits = {
        "a": [VisitView(1, 0, finished_ms=40, duration_ms=40, state="ok")],
        "b": [VisitView(1, 50, attempts=[attempt])],
        "sub": [VisitView(1, 50, state="ok"), VisitView(2, 60)],
        "d": [],
        "sub#2/x": [VisitView(1, 70, duration_ms=300, finished_ms=370, state="ok")],
        "sub#2/y": [VisitView(1, 400)],
    }
    for path, seen in visits.items():
        state = seen[-1].state if seen else "idle"
        view.nodes[path] = NodeView(path, "model", path, state, seen)
    view.nodes["sub"].type = "subgraph"
    for source, target in (("a", "b"), ("a", "sub"), ("sub#2/x", "sub#2/y")):
        view.edges[source, target] = EdgeView(source, target, taken=1)
    return view


class PaneApp(ThemedApp):
    """The pane alone."""

    def __init__(self, view: View, *, ascii_only: bool = False, breakers: dict[str, BreakerSnapshot] | None = None):
        super().__init__()
        self.pane = GraphPane(id="graph", ascii_only=ascii_only)
        self.view, self.signs, self.breakers = view, ASCII if ascii_only else UNICODE, breakers
        self.selected: list[str] = []
        self.opened: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.pane.focus()
        self.call_after_refresh(self.again)

    def again(self) -> None:
        self.pane.show(self.view, 4000, self.signs, None, self.breakers)

    def on_node_selected(self, event: NodeSelected) -> None:
        self.selected.append(event.path)

    def on_graph_pane_node_opened(self, event: GraphPane.NodeOpened) -> None:
        self.opened.append(event.path)


async def drawn(pilot: Pilot[None], app: PaneApp) -> None:
    await until(pilot, lambda: app.pane.drawing is not None and "a" in app.pane.drawing.boxes)


async def select(pilot: Pilot[None], app: PaneApp, node: str) -> None:
    app.pane.select_node(node)
    await until(pilot, lambda: app.pane.selected == node)


async def test_arrows_select_and_tell_and_the_selected_node_has_a_sign_of_its_own() -> None:
    app = PaneApp(running())
    async with app.run_test(size=(60, 30)) as pilot:
        await drawn(pilot, app)
        await pilot.press("down")
        assert app.selected[-1] in ("b", "sub")  # what runs is selected first
        await pilot.press("up")
        await pilot.press("down")
        await pilot.press("down")
        assert app.selected[1:] == ["a", app.selected[2], "d"]
        assert "❯d" in screen_text(app)


async def test_select_node_from_outside_marks_it_and_tells_nobody() -> None:
    app = PaneApp(running())
    async with app.run_test(size=(60, 30)) as pilot:
        await drawn(pilot, app)
        await select(pilot, app, "d")
        await until(pilot, lambda: "❯d" in screen_text(app))
        app.pane.select_node("sub#2/x")
        assert app.pane.selected == "sub"  # the node around what is not drawn here
        app.pane.select_node("nowhere")
        assert app.pane.selected == ""
        assert app.selected == []


async def test_a_click_selects_and_a_second_one_opens() -> None:
    app = PaneApp(running())
    async with app.run_test(size=(60, 30)) as pilot:
        await drawn(pilot, app)
        assert app.pane.drawing is not None
        x, y, _, _ = app.pane.drawing.boxes["d"]
        left, top = app.pane._offset()
        await pilot.click(app.pane, offset=(left + x + 1, top + y))
        await until(pilot, lambda: app.selected == ["d"])
        assert app.opened == []
        await pilot.click(app.pane, offset=(left + x + 1, top + y))
        await until(pilot, lambda: app.opened == ["d"])


@pytest.mark.parametrize("back", ["backspace", "escape"])
async def test_enter_opens_a_sub_graph_and_its_nodes_have_their_own_states_until_one_goes_back(back: str) -> None:
    app = PaneApp(running())
    async with app.run_test(size=(60, 30)) as pilot:
        await drawn(pilot, app)
        await select(pilot, app, "sub")
        await pilot.press("enter")
        await until(pilot, lambda: app.pane.drawing is not None and set(app.pane.drawing.boxes) == {"x", "y"})
        assert app.opened == []
        text = screen_text(app)
        assert "◀ graph.outer → sub#2" in text.splitlines()[0]
        assert "✓ 0.30s" in text
        assert "▶ 3.60s" in text
        app.pane.select_node("sub#2/y")
        await pilot.press("enter")
        await until(pilot, lambda: app.opened == ["sub#2/y"])
        await pilot.press(back)
        await until(pilot, lambda: app.pane.drawing is not None and "sub" in app.pane.drawing.boxes)
        assert app.pane.selected == "sub"
        assert not app.pane.check_action("outer_graph", ())


async def test_a_click_on_the_way_into_a_sub_graph_leads_back() -> None:
    app = PaneApp(running())
    async with app.run_test(size=(60, 30)) as pilot:
        await drawn(pilot, app)
        await select(pilot, app, "sub")
        await pilot.press("enter")
        await until(pilot, lambda: app.pane.inside == ("sub",) and "sub#2" in screen_text(app))
        await pilot.click(app.pane, offset=(3, 0))
        await until(pilot, lambda: app.pane.inside == ())


async def test_i_asks_for_the_details_also_of_a_sub_graph() -> None:
    app = PaneApp(running())
    async with app.run_test(size=(60, 30)) as pilot:
        await drawn(pilot, app)
        await pilot.press("i")
        assert app.opened == []
        await select(pilot, app, "sub")
        await pilot.press("i")
        await until(pilot, lambda: app.opened == ["sub"])


async def test_t_turns_the_drawing_and_turns_it_back() -> None:
    app = PaneApp(running())
    async with app.run_test(size=(90, 40)) as pilot:
        await drawn(pilot, app)
        assert app.pane.drawing is not None
        assert "▼" in screen_text(app)
        before = app.pane.drawing
        await pilot.press("t")
        await until(pilot, lambda: "╰▶" in screen_text(app) and "▼" not in screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: app.pane.drawing is before)


def large() -> View:
    """Nothing has run yet in a graph of 60 nodes."""
    shape = large_graph()
    return View(graph=form("g", " ".join(shape.nodes), " ".join(f"{a}>{b}" for a, b in shape.edges)), graph_hash="k")


async def test_equals_sign_fits_the_whole_graph_and_scrolls_again() -> None:
    app = PaneApp(large())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.pane.drawing is not None)
        assert app.pane.max_scroll_y > 0 or app.pane.max_scroll_x > 0
        await pilot.press("equals_sign")
        await until(pilot, lambda: (app.pane.max_scroll_x, app.pane.max_scroll_y) == (0, 0))
        await pilot.press("equals_sign")
        await until(pilot, lambda: app.pane.max_scroll_y > 0 or app.pane.max_scroll_x > 0)


async def test_the_selected_node_is_scrolled_into_sight() -> None:
    app = PaneApp(large())
    async with app.run_test(size=(40, 12)) as pilot:
        await until(pilot, lambda: app.pane.drawing is not None)
        app.pane.select_node("node_59")
        await until(pilot, lambda: "❯" in screen_text(app) and "node_59" in screen_text(app))


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("size", SIZES)
async def test_hostile_and_wide_names_break_no_line_at_any_size(size: tuple[int, int], ascii_only: bool) -> None:
    graph = nested()
    graph["name"] = graph["id"] = f"graph.{HOSTILE}"
    view = running()
    view.graph = graph
    view.nodes["b"].visits[0].attempts[0].model = HOSTILE
    app = PaneApp(view, ascii_only=ascii_only)
    async with app.run_test(size=size) as pilot:
        await drawn(pilot, app)
        await select(pilot, app, "sub")
        await pilot.press("enter")
        await until(pilot, lambda: app.pane.inside == ("sub",) and "sub#2" in screen_text(app))
        text = screen_text(app)
        assert "\x1b" not in text
        assert "\x07" not in text
        assert max(cell_len(line) for line in text.splitlines()) <= size[0]
        assert not ascii_only or text.isascii()


async def test_rows_with_wide_names_are_as_wide_as_the_others() -> None:
    names = "数学の専門家 b 한국어라우터"
    view = View(graph=form("g", names, "数学の専門家>b 数学の専門家>한국어라우터"), graph_hash="k")
    app = PaneApp(view)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.pane.drawing is not None)
        drawing = app.pane.drawing
        assert drawing is not None
        for y in range(drawing.height):
            width = sum(cell_len(text) for text, _ in app.pane._row(drawing, y))
            assert width <= drawing.width
        boxed = [row for row in screen_text(app).splitlines() if "한국어라우터" in row]
        assert boxed


def test_a_running_model_shows_speed_attempt_and_time() -> None:
    shown = lit(running(), 4000, UNICODE)
    assert shown.nodes["b"] == ("▶", "node_running", "31 tok/s try 2 3.95s")
    assert shown.nodes["sub"][2] == "y 3.60s"


def test_breakers_that_are_not_closed_stand_on_the_nodes_before_which_they_are() -> None:
    opened = BreakerSnapshot("graph.outer/d", "node", "open", failures=3)
    half = BreakerSnapshot("e m", "endpoint", "half_open")
    well = BreakerSnapshot("graph.outer/a", "node", "closed")
    shown = lit(running(), 4000, UNICODE, breakers={each.key: each for each in (opened, half, well)})
    assert shown.breakers == {"d": ("○", "breaker_open"), "b": ("◐", "breaker_half_open")}
    assert lit(running(), 4000, UNICODE, breakers={well.key: well}).breakers == {}


async def test_the_sign_of_a_breaker_is_drawn_on_its_node() -> None:
    opened = BreakerSnapshot("graph.outer/d", "node", "open", failures=3)
    app = PaneApp(running(), breakers={opened.key: opened})
    async with app.run_test(size=(60, 30)) as pilot:
        await drawn(pilot, app)
        await until(pilot, lambda: "○" in screen_text(app))


def test_edges_of_a_sub_graph_are_lit_in_it_alone() -> None:
    view = running()
    level = level_of(view, ("sub",))
    assert (level.prefix, level.graph["id"]) == ("sub#2/", "graph.inner")
    assert lit(view, 4000, UNICODE, prefix=level.prefix).taken == {("x", "y")}
    assert lit(view, 4000, UNICODE).taken >= {("a", "b"), ("a", "sub")}
    assert level_of(view, ("b",)).inside == ()


async def test_what_began_last_is_kept_in_sight_also_when_it_was_over_at_once() -> None:
    view = large()
    view.nodes["node_0"] = NodeView("node_0", "model", "", "ok", [VisitView(1, 5, state="ok")])
    app = PaneApp(view)
    async with app.run_test(size=(40, 12)) as pilot:
        await until(pilot, lambda: app.pane.drawing is not None and "node_0" in screen_text(app))
        view.nodes["node_59"] = NodeView("node_59", "exit", "", "ok", [VisitView(1, 9, finished_ms=9, state="ok")])
        app.again()
        await until(pilot, lambda: "✓ node_59" in screen_text(app))
