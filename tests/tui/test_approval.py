"""The cockpit asks: the dialog, its keys, its queue. The engine is real; its graphs need no model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

import engine
from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.store.rows import TransactionRow
from engine.tools.policy import Approval, ApprovalRequest
from tests.graphs import make_graph, node
from tests.scripted_backend import ScriptedBackend
from tests.tui.test_cockpit import screen_text, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.approval import ApprovalScreen
from tinyllm_tui.screens.help import HelpScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.transactions import TransactionsScreen

pytestmark = pytest.mark.usefixtures("scripted")

CALL = ApprovalRequest(
    "files_delete",
    "Deletes a file.",
    "irreversible",
    {"path": "notes\u202etxt.exe", "force": True},
    "hash",
    node="tidy",
)
ROW = TransactionRow(
    number=1, tx="tx", status="committed", session=None, graph_id="graph.test", question="first", answer="first",
    exit="success", reason="", error="", backend="", started_ms=0, duration_ms=1, events=9, usage=ev.Usage(),
)  # fmt: skip


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedBackend:
    backend = ScriptedBackend()
    backend.install(monkeypatch)
    monkeypatch.setattr(ApprovalScreen, "QUIET_S", 0.0)
    return backend


def asking(**config: Any) -> GraphSpec:
    targets = {"prompt": "Publish this?", "approved_target": "done", "rejected_target": "kept", **config}
    return make_graph(
        [
            node("start", "entry"),
            node("publish", "approval", **targets),
            node("done", "exit"),
            node("kept", "exit", status="fallback"),
        ],
        [("start", "publish")],
    )


class Rig:
    """A cockpit over an engine in memory."""

    def __init__(self, tmp_path: Path, graph: GraphSpec, **options: Any) -> None:
        self.engine: Engine | None = None

        @asynccontextmanager
        async def opened() -> AsyncIterator[Engine]:
            async with engine.open() as self.engine:
                yield self.engine

        self.app = CockpitApp(
            opened, "multi_domain", user_themes=tmp_path / "themes", load_graph=lambda _name: graph, **options
        )

    @property
    def dialog(self) -> ApprovalScreen | None:
        return self.app.screen if isinstance(self.app.screen, ApprovalScreen) else None

    @property
    def text(self) -> str:
        return screen_text(self.app)

    @property
    def behind(self) -> str:
        """What the screen behind the dialog shows."""
        strips = self.app.screen_stack[-2]._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)

    async def ask(self, pilot: Pilot[None], question: str = "hello") -> None:
        """Ask a question, and wait until it is asked back."""
        await until(pilot, lambda: self.app.backend_state.status != "starting")
        await pilot.press(*question, "enter")
        await until(pilot, lambda: self.dialog is not None and "Enter does nothing" in self.text)

    async def ended(self, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: self.dialog is None and not self.app.conversation.busy)

    @property
    def ended_at(self) -> str:
        return self.app.live.view.exit_node


async def test_the_dialog_shows_who_asks_what_and_for_which_text(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot, "hello")
        for words in ("publish asks", "Publish this?", "The text that goes on:", "hello"):
            assert words in rig.text
        await until(pilot, lambda: "? asks you" in rig.behind and "you are asked" in rig.behind)
        await pilot.press("n")
        await rig.ended(pilot)


@pytest.mark.parametrize(("key", "exit_node"), [("y", "done"), ("n", "kept"), ("escape", "kept")])
async def test_keys_answer(key: str, exit_node: str, tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot)
        await pilot.press(key)
        await rig.ended(pilot)
        assert rig.ended_at == exit_node


async def test_enter_and_other_keys_are_never_yes(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot)
        await pilot.press("enter", "space", "tab", "enter", "Y", "h", "ctrl+j", "e")
        await pilot.pause()
        assert rig.dialog is not None
        assert len(rig.app.live.view.approvals) == 1
        await pilot.press("n")
        await rig.ended(pilot)
        assert rig.ended_at == "kept"


async def test_keys_of_a_person_who_is_typing_are_not_taken_as_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApprovalScreen, "QUIET_S", 1000.0)
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot)
        await pilot.press(*"yes why n", "escape", "y")
        await pilot.pause()
        assert rig.dialog is not None
        monkeypatch.setattr(ApprovalScreen, "QUIET_S", 0.0)
        await pilot.press("y")
        await rig.ended(pilot)


def test_a_key_is_taken_when_none_came_for_a_while() -> None:
    now = 0.0
    answers: list[Approval] = []
    screen = ApprovalScreen(CALL, None, lambda _request, answer: answers.append(answer), now=lambda: now)  # type: ignore[arg-type]
    ApprovalScreen.QUIET_S = 0.5
    now = 0.4
    screen.action_yes()
    now = 0.8
    screen.action_yes()
    assert not answers
    now = 1.3
    screen.action_yes()
    assert [answer.allowed for answer in answers] == [True]


async def test_an_editable_text_is_edited_and_goes_on_with_a_yes(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking(editable=True))
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot, "hello")
        await pilot.press("e", "o", "y", "n", "escape")
        await until(pilot, lambda: "(changed by you)" in rig.text and "oynhello" in rig.text)
        await pilot.press("y")
        await rig.ended(pilot)
        assert rig.app.live.view.answer == "oynhello"
        assert rig.ended_at == "done"


async def test_a_text_that_may_not_be_changed_cannot_be_edited(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot)
        assert "edit" not in rig.text.splitlines()[-1]
        await pilot.press("e", "x", "y")
        await rig.ended(pilot)
        assert rig.app.live.view.answer == "hello"


async def test_cancelling_the_run_closes_the_dialog(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot)
        await pilot.press("ctrl+c")
        await rig.ended(pilot)
        assert rig.app.live.view.reason == "cancelled"
        assert rig.app.approvals.pending == 0


async def test_a_dialog_that_another_screen_covers_is_gone_when_that_closes(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot)
        await rig.app.push_screen(HelpScreen(rig.app.signs))
        rig.app.cancel_run()
        await until(pilot, lambda: not rig.app.conversation.busy)
        assert isinstance(rig.app.screen, HelpScreen)
        await pilot.press("escape")
        await until(pilot, lambda: rig.dialog is None and not isinstance(rig.app.screen, HelpScreen))
        assert "committed" not in rig.text


async def test_it_comes_up_over_another_screen(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: rig.app.backend_state.status != "starting")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(rig.app.screen, TransactionsScreen))
        rig.app.conversation.ask("hello", "hello")
        await until(pilot, lambda: rig.dialog is not None)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(rig.app.screen, TransactionsScreen))
        await until(pilot, lambda: not rig.app.conversation.busy)
        assert rig.ended_at == "done"


async def test_a_replay_says_that_the_live_run_asks(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot, "first")
        await pilot.press("y")
        await rig.ended(pilot)
        assert rig.engine is not None
        past = await rig.engine.events(rig.app.live.view.tx)
        await rig.app.push_screen(ReplayScreen(ROW, past))
        assert "live run asks you" not in rig.text
        rig.app.conversation.ask("second", "second")
        await until(pilot, lambda: rig.dialog is not None and "live run asks you" in rig.behind)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(rig.app.screen, ReplayScreen) and not rig.app.conversation.busy)
        await until(pilot, lambda: "live run asks you" not in rig.text)


async def test_several_requests_queue_up_and_are_answered_one_by_one(tmp_path: Path) -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["a", "b"]),
            node("a", "approval", prompt="First?"),
            node("b", "approval", prompt="Second?"),
            node("both", "join", on_dead="degrade"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("a", "both"), ("b", "both"), ("both", "end")],
    )
    rig = Rig(tmp_path, graph)
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot)
        await until(pilot, lambda: "1 more after this" in rig.text and "First?" in rig.text)
        await pilot.press("n")
        await until(pilot, lambda: "Second?" in rig.text and "more after this" not in rig.text)
        await pilot.press("y")
        await rig.ended(pilot)
        view = rig.app.live.view
        assert (view.nodes["a"].state, view.nodes["b"].state, view.status) == ("failed", "ok", "committed")


async def test_a_tool_is_shown_with_its_exact_arguments_and_effect(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: rig.app.backend_state.status != "starting")
        answer = asyncio.create_task(rig.app.approvals.ask(CALL))
        await until(pilot, lambda: "Enter does nothing" in rig.text and '"force": true' in rig.text)
        for words in (
            "tidy: may the tool files_delete run?",
            "CANNOT BE UNDONE",
            '"force": true',
            "notes\\u202etxt.exe",
        ):
            assert words in rig.text
        await pilot.press("h")
        await pilot.pause()
        assert not answer.done(), "there is no host that could be allowed"
        await pilot.resize_terminal(40, 12)
        await until(pilot, lambda: "tidy: run files_delete?" in rig.text)
        words = " ".join(rig.text.replace("│", " ").split())
        assert '"force": true}' in words, "what is to be allowed is in sight without scrolling"
        assert "CANNOT BE UNDONE" in words
        await pilot.press("y")
        assert await answer == Approval(True, "hash")


async def test_a_yes_can_be_for_a_host(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    request = ApprovalRequest(
        "http_get", "Gets a page.", "pure", {"url": "https://a.example/x"}, "hash", host="a.example"
    )
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: rig.app.backend_state.status != "starting")
        answer = asyncio.create_task(rig.app.approvals.ask(request))
        await until(pilot, lambda: rig.dialog is not None and "Host: a.example." in rig.text)
        await pilot.press("h")
        assert await answer == Approval(True, "hash", "host")


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (200, 60)])
async def test_a_long_request_scrolls_and_its_keys_stay_in_sight(size: tuple[int, int], tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking(editable=True))
    question = " ".join(f"word{number}" for number in range(900))
    async with rig.app.run_test(size=size) as pilot:
        await until(pilot, lambda: rig.app.backend_state.status != "starting")
        rig.app.conversation.ask(question, question)
        await until(pilot, lambda: rig.dialog is not None and "word0" in rig.text)
        assert "word899" not in rig.text or size[1] == 60
        await pilot.press("end")
        await until(pilot, lambda: "word899" in rig.text)
        footer = rig.text.splitlines()[-1]
        assert "y yes" in footer
        assert "n/esc no" in footer
        assert max(map(len, rig.text.splitlines())) <= size[0]
        await pilot.press("n")
        await rig.ended(pilot)


async def test_hostile_text_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking(prompt="[bold]Really?[/nope] {{ content }}"))
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: rig.app.backend_state.status != "starting")
        rig.app.conversation.ask("\x1b]0;gone\x07[red]x[/", "x")
        await until(pilot, lambda: rig.dialog is not None and "[bold]Really?[/nope] [red]x[/" in rig.text)
        assert "\x1b" not in rig.text
        await pilot.press("n")
        await rig.ended(pilot)


async def test_the_answer_is_in_the_log(tmp_path: Path) -> None:
    rig = Rig(tmp_path, asking())
    async with rig.app.run_test(size=(120, 40)) as pilot:
        await rig.ask(pilot)
        await pilot.press("y")
        await rig.ended(pilot)
        assert rig.engine is not None
        bodies = [event.body for event in await rig.engine.events(rig.app.live.view.tx)]
        (answered,) = [body for body in bodies if isinstance(body, ev.ApprovalAnswered)]
        assert (answered.allowed, answered.by) == (True, "person")
