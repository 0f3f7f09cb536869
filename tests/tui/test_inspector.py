"""The inspector: everything that is known of one node, live and in a replay, beside the panes and over them."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.app import ComposeResult

from engine.errors import ErrorClass, ErrorInfo
from engine.events import AskedTool, BreakerSnapshot
from engine.view import AttemptView, NodeView, View, VisitView
from tests.tui.test_cockpit import SIZES, screen_text, until
from tinyllm_tui.themed_app import ThemedApp
from tinyllm_tui.widgets.attempt_lines import ROWS, TEXT
from tinyllm_tui.widgets.inspector import NodeInspector
from tinyllm_tui.widgets.node_lines import node_lines, node_text
from tinyllm_tui.words import ASCII, UNICODE, plain

SLOW = ErrorInfo(ErrorClass.TIMEOUT, "timeout", "It took \x1b[31mtoo long.", "Wait.")


def retried() -> View:
    """A model that failed once and answers now; its breaker has counted the failure."""
    first = AttemptView(
        1, 1, "m:1b", "e", 100, messages=(("system", "Be brief."), ("user", "[/nope] 何ですか？\nSecond line")),
        finished_ms=900, duration_ms=800, error=SLOW, queued_ms=40, temperature=0.2, max_tokens=64, seed=7,
    )  # fmt: skip
    second = AttemptView(
        1, 2, "m:1b", "e", 1500, text="Because.", tokens=12, prompt_tokens=30, first_token_ms=200,
        thinking="Let me see.", tool_calls=(AskedTool("calculator", '{"expression": "6*7"}'),), tools=("calculator",),
    )  # fmt: skip
    visit = VisitView(1, 60, source="router", attempts=[first, second])
    view = View(graph={"id": "g", "nodes": [{"id": "n", "type": "model"}]}, t_ms=2000, started_wall_ms=1_000_000)
    view.nodes["n"] = NodeView("n", "model", "N", "running", [visit])
    view.breakers["e m:1b"] = BreakerSnapshot(
        "e m:1b", "endpoint", "closed", failures=1, recent="..x", last_error="slow"
    )
    view.breakers["g/n"] = BreakerSnapshot("g/n", "node", "open", until_ms=1_030_000, failures=3, last_error="too slow")
    view.breakers["g/other"] = BreakerSnapshot("g/other", "node", "open")
    return view


def said(width: int = 100) -> str:
    return " ".join(" ".join(plain(line) for line in node_lines(retried(), "n", 2000, width)).split())


def test_the_request_stands_there_as_it_was_sent() -> None:
    for words in (
        "system Be brief.",
        "user [/nope] 何ですか？ Second line",
        "temperature 0.2",
        "at most 64 tokens",
        "seed 7",
    ):
        assert words in said()


def test_every_attempt_has_its_error_its_speed_and_where_its_time_went() -> None:
    for words in ("error It took too long.", "attempt 2", "30 tokens in", "12 out", "queued 40 ms", "total 840 ms"):
        assert words in said()
    for words in ("first token after 200 ms", "so far 500 ms", "thinking Let me see.", "answer Because."):
        assert words in said()
    assert 'asks for calculator {"expression": "6*7"}' in said()


def test_the_bar_of_a_call_has_the_shares_of_queue_wait_and_writing() -> None:
    lines = [plain(line) for line in node_lines(retried(), "n", 2000, 44)]
    bar = lines[next(n for n, line in enumerate(lines) if "500 ms" in line) + 1].strip()
    failed = lines[next(n for n, line in enumerate(lines) if "840 ms" in line) + 1].strip()
    assert failed == "··" + "░" * 38
    assert bar == "░" * 16 + "█" * 24  # 200 of 500 ms until the first token


def test_breakers_before_the_node_are_named_the_worst_first_and_others_are_not() -> None:
    text = said()
    assert text.index("○ OPEN 28.0s left · g/n") < text.index("closed 1 failed in a row · e m:1b ▮▮✗")
    assert "its last error too slow" in text
    assert "g/other" not in text


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [12, 24, 40, 110])
def test_no_line_is_wider_than_the_pane_and_nothing_commands_the_terminal(width: int, signs: object) -> None:
    lines = [plain(line) for line in node_lines(retried(), "n", 2000, width, signs)]  # type: ignore[arg-type]
    assert max(cell_len(line) for line in lines) <= max(width, 24)
    assert "\x1b" not in "".join(lines)


def test_a_very_long_text_is_cut_on_the_screen_and_copied_whole() -> None:
    view = retried()
    view.nodes["n"].visits[0].attempts[1].text = "word\n" * (ROWS * 20)
    lines = node_lines(view, "n", 2000, 60)
    assert len(lines) < ROWS + 60
    assert f"{ROWS * 100:,} characters" in "\n".join(plain(line) for line in lines)
    view.nodes["n"].visits[0].attempts[1].text = "x" * (TEXT * 2)
    assert "x" * (TEXT * 2) in node_text(view, "n", 2000)


class InspectorApp(ThemedApp):
    def __init__(self, view: View) -> None:
        super().__init__()
        self.view, self.inspector = view, NodeInspector(id="inspector")

    def compose(self) -> ComposeResult:
        yield self.inspector

    def on_mount(self) -> None:
        self.inspector.focus()


@pytest.mark.parametrize("size", SIZES)
async def test_it_shows_nothing_then_a_node_and_follows_the_run(size: tuple[int, int]) -> None:
    app = InspectorApp(retried())
    async with app.run_test(size=size) as pilot:
        app.inspector.show(app.view, "")
        await until(pilot, lambda: "Select a node" in screen_text(app))
        app.inspector.show(app.view, "n")
        await until(pilot, lambda: "type model" in screen_text(app))
        assert app.inspector.path == "n"
        app.view.nodes["n"].state = app.view.nodes["n"].visits[0].state = "ok"
        app.inspector.show(app.view, "n", 9000)
        await pilot.press("end")
        await until(pilot, lambda: "Because." in screen_text(app))
        app.inspector.show(app.view, "nothing")
        await until(pilot, lambda: "It has not run yet." in screen_text(app))
        assert app.inspector.scroll_offset.y == 0


async def test_y_copies_what_is_known_uncut() -> None:
    app = InspectorApp(retried())
    async with app.run_test(size=(40, 12), notifications=True) as pilot:
        await pilot.press("y")
        assert app.clipboard == ""
        app.inspector.show(app.view, "n")
        await pilot.press("y")
        await until(pilot, lambda: "Second line" in app.clipboard)
        assert "[/nope] 何ですか？" in app.clipboard
        assert "\x1b" not in app.clipboard
        assert "in the clipboard" in next(iter(app._notifications)).message
