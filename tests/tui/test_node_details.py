"""Selecting nodes in the graph pane, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from engine import events as ev
from engine.errors import ErrorClass, ErrorInfo
from engine.view import AttemptView, NodeView, OpView, View, VisitView
from tests.tui.scripted_engine import ScriptedEngine, ScriptedRun, fails
from tests.tui.test_cockpit import app_of, ask, text_of, until
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.widgets.node_lines import node_lines
from tinyllm_tui.widgets.op_lines import trace_lines
from tinyllm_tui.widgets.route_lines import route_lines
from tinyllm_tui.words import ASCII, UNICODE, Glyphs, node_detail, plain


async def test_arrow_keys_select_a_node_and_enter_opens_it(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed (success)" in text_of(app))
        pane = app._cockpit.board.graph
        await pilot.press("alt+2")
        await until(pilot, lambda: pane.has_focus)
        for key, node in (("down", "start"), ("down", "router"), ("down", "math"), ("right", "general")):
            await pilot.press(key)
            assert pane.selected == node
        await pilot.press("up", "up", "up", "up")
        assert pane.selected == "start"
        await pilot.press("down", "down", "right")
        await until(pilot, lambda: "❯" in text_of(app) and "enter details" in text_of(app).splitlines()[-1])
        assert text_of(app).splitlines()[-1].count("enter") == 1
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen) and "type model" in text_of(app))
        assert "smollm2:135m" in text_of(app)
        assert "The capital of France is" in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app._cockpit)


async def test_a_click_on_a_node_selects_it_and_another_one_opens_it(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(fails), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "rolled back: failed" in text_of(app))
        pane = app._cockpit.board.graph
        assert pane.drawing is not None
        x, y, _, _ = pane.drawing.boxes["math"]
        left, top = pane._offset()
        await pilot.click(pane, offset=(x + left + 2, y + top))
        await until(pilot, lambda: pane.selected == "math")
        assert not isinstance(app.screen, NodeScreen)
        await pilot.click(pane, offset=(x + left + 2, y + top))
        await until(pilot, lambda: isinstance(app.screen, NodeScreen) and "attempt 3" in text_of(app))
        assert pane.selected == "math"
        assert "Look at its log." in text_of(app)


async def test_enter_in_the_graph_without_a_selection_leads_to_the_prompt(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        board = app._cockpit.board
        await until(pilot, lambda: board.graph.drawing is not None)
        await pilot.press("alt+2")
        await until(pilot, lambda: board.graph.has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: board.prompt is not None and board.prompt.has_focus)


async def test_a_node_is_opened_from_a_replay_and_before_any_run(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app._cockpit.board.graph.drawing is not None)
        await pilot.press("alt+2")
        await until(pilot, lambda: app._cockpit.board.graph.has_focus)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "It has not run yet." in text_of(app))
        await pilot.press("escape", "alt+1", "enter")
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed (success)" in text_of(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "capital?" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: "REPLAY #1" in text_of(app))
        await pilot.press("alt+2", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen) and "visit 1" in text_of(app))


def busy_view() -> View:
    attempt = AttemptView(
        1, 2, "m\x1b[31m", "e", 100, messages=(("system", "Be brief.\nAlways."), ("user", "[/nope] why?")),
        text="x" * 30_000,
        tokens=7, prompt_tokens=61, finished_ms=900, duration_ms=800, first_token_ms=40, finish="length",
        error=ErrorInfo(ErrorClass.TIMEOUT, "timeout", "It took too long.", "Wait."),
    )  # fmt: skip
    visit = VisitView(1, 100, source="router", finished_ms=900, duration_ms=800, state="failed", attempts=[attempt])
    visit.error = attempt.error
    gate = VisitView(1, 0, gate=ev.GateDecided(path="loop", visit=1, passed=False, target="a", reason="too short"))
    view = View(graph={"nodes": [{"id": "loop", "type": "loop", "config": {"body": ["draft"], "condition": None}}]})
    view.nodes = {
        "loop": NodeView("loop", "loop", "Loop", "failed", [gate, visit]),
        "loop#1/draft": NodeView("loop#1/draft", "model", "Draft", "ok", [VisitView(1, 5, duration_ms=30, state="ok")]),
        "other": NodeView("other", "model", "Other"),
    }
    return view


@pytest.mark.parametrize("width", [24, 60, 110])
def test_the_details_say_what_a_node_was_given_made_and_why_it_failed(width: int) -> None:
    lines = [plain(line) for line in node_lines(busy_view(), "loop", 1000, width)]
    assert max(cell_len(line) for line in lines) <= width
    text = " ".join(" ".join(lines).split())
    for words in ("type loop", 'body ["draft"]', "Be brief.", "[/nope] why?", "finish length", "61 tokens in"):
        assert words in text
    for words in ("It took too long.", "refused: too short", "Inside it", "30,000 characters"):
        assert words in text
    assert "\x1b" not in text
    assert "condition" not in text


def test_a_node_that_runs_inside_another_shows_its_runs_there() -> None:
    view = busy_view()
    view.nodes["loop#1/draft"].drawn = "other"
    text = " ".join(plain(line) for line in node_lines(view, "other", 1000, 80))
    assert "loop#1/draft visit 1 · ok" in text


def with_tools() -> View:
    """A node that called a tool three times: once well, once in vain, and once when the program ended."""
    visit = VisitView(1, 0, state="running")
    failure = ErrorInfo(ErrorClass.INVALID_REQUEST, "bad", "No \x1b[31mnumber.", "Give one.")
    visit.ops = [
        OpView(1, "tool calculator", 10, '{"expression": "12*(3+4)"}', "84\x1b]0;hacked\x07", finished_ms=15),
        OpView(2, "tool [/nope]", 20, '{"text": "' + "long " * 90, error=failure, finished_ms=1520),
        OpView(3, "tool files", 1600, "{}"),
        OpView(3, "tool files", 1700, "{}"),
        OpView(4, "choose tools", 1750, "{}", "{}", finished_ms=1750),
    ]
    view = View(graph={"nodes": [{"id": "calc", "type": "tool", "config": {"tool_id": "calculator"}}]})
    view.nodes = {"calc": NodeView("calc", "tool", "Calculator", "running", [visit])}
    return view


@pytest.mark.parametrize("width", [24, 60, 110])
def test_the_details_show_tool_calls_with_arguments_result_error_and_duration(width: int) -> None:
    lines = [plain(line) for line in node_lines(with_tools(), "calc", 2000, width)]
    assert max(cell_len(line) for line in lines) <= width
    text = " ".join(" ".join(lines).split())
    for words in ("tool calculator · 5 ms", "expression: 12*(3+4)", "result 84", "tool [/nope] · 1.50s", "No number."):
        assert words in text
    for words in ("remedy Give one.", "tool files · interrupted", "tool files · running 300 ms", "step choose tools"):
        assert words in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [40, 80, 110])
@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_the_tool_calls_of_an_answer_stand_under_it_one_on_each_line(width: int, signs: Glyphs) -> None:
    lines = [plain(line) for line in trace_lines(with_tools(), 2000, width, signs)]
    assert len(lines) == 4
    assert max(cell_len(line) for line in lines) <= width
    assert lines[0] == f"  {signs.nodes['ok']} calculator 12*(3+4) {signs.result} 84 {signs.dot} 5 ms"
    assert "No num" in lines[1]
    assert "interrupted" in lines[2]
    assert "running 300 ms" in lines[3]
    assert "choose tools" not in "".join(lines)
    assert signs is UNICODE or "".join(lines).isascii()


def test_of_many_tool_calls_the_latest_are_named_and_the_others_counted() -> None:
    view = with_tools()
    view.nodes["calc"].visits[0].ops = [OpView(n, f"tool t{n}", n, finished_ms=n) for n in range(1, 8)]
    lines = [plain(line) for line in trace_lines(view, 10, 80, UNICODE)]
    assert [line.split()[1] for line in lines] == ["3", "t4", "t5", "t6", "t7"]
    assert lines[0] == "  and 3 earlier tool calls"


def test_tool_calls_that_a_retry_took_back_do_not_stand_under_the_answer() -> None:
    view = with_tools()
    view.nodes["calc"].visits[0].rewound = True
    assert trace_lines(view, 10, 80, UNICODE) == []


async def test_a_tool_call_stands_under_the_answer_in_the_chat_and_in_a_replay(tmp_path: Path) -> None:
    async def calculates(run: ScriptedRun) -> None:
        run.begin()
        run.emit(ev.NodeStarted(path="math", visit=1, message=1))
        arguments = '{"expression": "6*7"}'
        run.emit(ev.OpStarted(path="math", visit=1, step=1, op="tool calculator", args_hash="0", arguments=arguments))
        run.emit(ev.OpFinished(path="math", visit=1, step=1, op="tool calculator", result={"text": "42"}))
        run.emit(ev.NodeFinished(path="math", visit=1, outcome="ok", content="It is 42.", duration_ms=3))
        run.emit(ev.Committed(exit="success", exit_node="answer", text="It is 42."))

    app = app_of(ScriptedEngine(calculates), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "✓ calculator 6*7 → 42 · <1 ms" in text_of(app))
        await until(pilot, lambda: not app.conversation.busy)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Past transactions · 1" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: "REPLAY #1" in text_of(app) and "✓ calculator 6*7 → 42" in text_of(app))


def test_a_judges_grade_stands_in_the_graph_and_with_its_checks_in_the_details() -> None:
    gate = ev.GateDecided(
        path="judge", visit=1, passed=False, target="draft", reason="too vague",
        checks={"not_empty": True, "json": False}, retries=1, max_retries=2, judge="m:3b", score=0.35,
    )  # fmt: skip
    node = NodeView("judge", "gate", "Judge", "ok", [VisitView(1, 0, state="ok", gate=gate)])
    assert node_detail(node, 0) == "retry 1 0.35"
    text = " ".join(plain(line) for line in node_lines(View(nodes={"judge": node}), "judge", 0, 80))
    for words in ("refused: too vague, to draft · retry 1 of 2", "judge 0.35 of 1 by m:3b", "✓ not_empty · ✗ json"):
        assert words in text


ROUTED = ev.RouteDecided(
    path="r", visit=1, labels=("math",), target="math", route="math", stage="embedding",
    scores={"code": 0.1, "math": 0.912, "[/nope]\x1b[31m": 0.04}, stages=(("rule", 20), ("embedding", 70_000)),
    nearest=(("What is 7 + 5?", 0.83, "math"), ("Sum\x1b[2J a list\nin Python", 0.51, "code+math")),
    note="no installed model makes embeddings",
)  # fmt: skip


def test_every_label_of_a_route_has_a_bar_and_a_figure_in_its_details_the_best_first() -> None:
    node = NodeView("r", "router", "Router", "ok", [VisitView(1, 0, state="ok", route=ROUTED)])
    lines = [plain(line) for line in node_lines(View(nodes={"r": node}), "r", 0, 80)]
    text = "\n".join(lines)
    assert "math by embedding, to math" in text
    scores = lines[lines.index("  scores") + 1 :][:3]
    assert [line.split()[-1] for line in scores] == ["0.91", "0.10", "0.04"]
    assert [line.count("█") for line in scores] == [22, 2, 1]
    assert "✓ math" in scores[0]
    assert "✓" not in scores[1]
    assert " 0.83 math  What is 7 + 5?" in text
    assert " 0.51 code+math  Sum a list in Python" in text
    assert "asked rule <1 ms · embedding 70 ms" in text
    assert "note no installed model makes embeddings" in text


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [24, 60, 110])
def test_a_routers_decision_fits_whatever_the_width_and_shows_nothing_that_a_terminal_would_obey(
    width: int, signs: Glyphs
) -> None:
    lines = [plain(line) for line in route_lines(ROUTED, width, signs)]
    assert max(cell_len(line) for line in lines) <= width
    assert "\x1b" not in "".join(lines)
    assert signs is UNICODE or "".join(lines).isascii()
