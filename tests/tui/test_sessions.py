"""Sessions in the cockpit: named after their first question, restored at the start, listed, resumed, deleted."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from textual.pilot import Pilot

import engine
from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.run.engine import Engine
from engine.store.rows import MessageRow, SessionRow
from tests.graphs import chain
from tests.running import run_in
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, flat, spec, text_of, until
from tests.tui.test_slash import ready, send, suggested
from tinyllm_tui import conversation
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.sessions import SessionsScreen
from tinyllm_tui.session_name import session_name
from tinyllm_tui.widgets.chat.history import turns_of


async def zoo(scripted: ScriptedEngine) -> str:
    """A session in which two questions were asked, and an older one with one; the id of the first."""
    other = await scripted.create_session("cooking")
    scripted.keep_turn(other.id, "How long do eggs boil?", "Ten minutes.", "tx-old", 40)
    row = await scripted.create_session("zoo")
    scripted.keep_turn(row.id, "What is a quokka?", "A small wallaby.", "tx-a", 41)
    scripted.keep_turn(row.id, "Where does it live?", "On **Rottnest** Island.", "tx-b", 42)
    scripted.kept[other.id] = scripted.kept[other.id].__class__(other.id, "cooking", 1_000, 2_000, 2)
    return row.id


async def opened(pilot: Pilot[None]) -> SessionsScreen:
    app = await ready(pilot)
    await pilot.press("escape", "s")
    await until(pilot, lambda: isinstance(app.screen, SessionsScreen) and "zoo" in text_of(app))
    assert isinstance(app.screen, SessionsScreen)
    return app.screen


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What is 2+2?", "What is 2+2?"),
        ("a\nb\t c", "a b c"),
        ("word " * 40, ("word " * 12).strip()),
        ("x" * 200, "x" * 60),
        ("\x1b[31mred", "red"),
    ],
)
def test_a_session_is_named_after_its_first_question(question: str, name: str) -> None:
    assert session_name(question) == name


def test_turns_are_questions_with_their_answers_also_where_one_is_missing() -> None:
    def row(role: str, tx: str) -> MessageRow:
        return MessageRow(role, f"{role} {tx}", tx, None, 5)

    turns = turns_of(
        [row("assistant", "0"), row("user", "1"), row("assistant", "1"), row("user", "2"), row("user", "3")]
    )
    assert [(turn.question, turn.answer) for turn in turns] == [
        ("", "assistant 0"), ("user 1", "assistant 1"), ("user 2", ""), ("user 3", ""),
    ]  # fmt: skip


async def test_a_question_begins_a_session_of_its_name_and_the_next_joins_it(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed" in text_of(app))
        await ask(pilot, "and?")
        await until(pilot, lambda: not app.conversation.busy and len(scripted.rows) == 2)
        assert [row.name for row in scripted.kept.values()] == ["capital?"]
        assert "─ capital? ─" in text_of(app), "the frame of the chat names the session"
        assert {run.session for run in scripted.rows} == {"session-1"}


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_the_latest_session_is_restored_at_the_start_and_goes_on(size: tuple[int, int], tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    session = await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "Rottnest Island" in text_of(app))
        await ask(pilot)
        await until(pilot, lambda: len(scripted.rows) == 1 and not app.conversation.busy)
        assert scripted.rows[0].session == session


async def test_of_a_long_session_the_latest_messages_are_read_and_the_others_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "MESSAGES_READ", 4)
    scripted = ScriptedEngine()
    session = await zoo(scripted)
    for number in range(3):
        scripted.keep_turn(session, f"Question {number}?", f"Answer {number}.", f"tx-{number}", 50 + number)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Answer 2." in text_of(app))
        assert "3 earlier questions above" in text_of(app)
        assert "Answer 1." in text_of(app)
        assert "Answer 0." not in text_of(app)


async def test_a_question_asked_before_the_session_is_read_stands_below_it_and_joins_it(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    session = await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 60)) as pilot:
        app.conversation.ask("capital?", "capital?")
        await until(pilot, lambda: len(scripted.rows) == 1 and not app.conversation.busy)
        assert scripted.rows[0].session == session
        # what stands above is mounted after the first frame
        await until(pilot, lambda: "Rottnest" in text_of(app) and "capital?" in text_of(app))
        text = text_of(app)
        assert text.index("Rottnest") < text.index("capital?")


async def test_what_a_real_run_said_is_shown_at_the_next_start(tmp_path: Path) -> None:
    nowhere = EngineConfig(backend="ollama", ollama_host="http://127.0.0.1:9")

    def open_engine() -> AbstractAsyncContextManager[Engine]:
        return engine.open(data_dir=tmp_path / "data", config=nowhere)

    async with open_engine() as eng:
        row = await eng.create_session("capitals")
        await run_in(eng, chain(), "Paris is the capital of France.", session=row.id)
    app = CockpitApp(open_engine, "multi_domain", load_graph=spec, user_themes=tmp_path / "themes")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: text_of(app).count("Paris is the capital") == 2 and "capitals" in text_of(app))
        await send(pilot, "/session rename towns")
        await until(pilot, lambda: app.conversation.session is not None and app.conversation.session.name == "towns")
        await send(pilot, "/remember Paris has a metro.")
        await until(pilot, lambda: any("Memory 1 is kept" in each.message for each in app._notifications))
    async with open_engine() as eng:
        assert [(each.text, each.session) for each in await eng.memories()] == [("Paris has a metro.", row.id)]
        assert (await eng.session(row.id)).name == "towns"


async def test_a_fresh_start_begins_a_new_session(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    await zoo(scripted)
    app = app_of(scripted, tmp_path, fresh=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: len(scripted.rows) == 1 and not app.conversation.busy)
        assert "quokka" not in text_of(app)
        assert scripted.rows[0].session == "session-3"


async def test_a_start_with_a_session_goes_on_with_that_one_and_an_unknown_one_is_said(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    await zoo(scripted)
    app = app_of(scripted, tmp_path, session="cooking")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Ten minutes." in text_of(app))
        assert "quokka" not in text_of(app)
    other = app_of(scripted, tmp_path, session="nowhere")
    async with other.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "There is no session 'nowhere'." in flat(text_of(other)))


async def test_questions_of_a_resumed_session_are_in_the_history_of_the_prompt(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("up", "up")
        assert app.prompt.text == "What is a quokka?"


async def test_hostile_words_of_an_old_session_stay_text(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    row = await scripted.create_session("[/nope] \x1b]0;x\x07")
    scripted.keep_turn(row.id, "[/nope]\x1b[31m", "[bold]x[/nope]\x1b]52;c;eA==\x07", "tx-h", 1)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "[/nope]" in text_of(app))
        await pilot.press("escape", "s")
        await until(pilot, lambda: isinstance(app.screen, SessionsScreen) and "[/nope]" in text_of(app))
        assert "\x1b" not in text_of(app)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_enter_in_the_list_goes_on_with_a_session(size: tuple[int, int], tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        assert "cooking" in text_of(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.screen is app._cockpit and "Ten minutes." in text_of(app))
        assert "quokka" not in text_of(app)


async def test_no_session_is_left_while_a_question_is_answered(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    await zoo(scripted)
    scripted.pace.hold = asyncio.Event()
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "capital of France" in text_of(app))
        await send(pilot, "/session resume cooking")
        await until(pilot, lambda: "One question at a time" in text_of(app))
        assert "capital of France" in text_of(app)


async def test_what_was_said_is_found_and_names_too(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("slash", *"eggs")
        await until(pilot, lambda: "cooking" in text_of(app) and "zoo" not in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: "zoo" in text_of(app))
        await pilot.press("slash", *"zo", "enter", "enter")
        await until(pilot, lambda: app.screen is app._cockpit)


async def test_a_session_is_renamed_and_its_memory_switched(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    session = await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "enter take the name" in text_of(app))
        row = next(line for line in text_of(app).split("\n") if "zoo " in line).rstrip()
        assert row[-3] == ":"  # the date is whole
        await pilot.press(*"zoo two", "enter")
        await until(pilot, lambda: scripted.kept[session].name == "zoo two" and "zoo two" in text_of(app))
        await pilot.press("m")
        await until(pilot, lambda: not scripted.kept[session].memory and "memory off" in text_of(app))
        await pilot.press("r", "escape", "m")
        await until(pilot, lambda: scripted.kept[session].memory)


async def test_keys_that_come_before_the_sessions_are_no_search_for_them(tmp_path: Path) -> None:
    read = asyncio.Event()

    class Slow(ScriptedEngine):
        async def sessions(self) -> list[SessionRow]:
            await read.wait()
            return await super().sessions()

    scripted = Slow()
    read.set()
    session = await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        read.clear()
        app.push_screen(SessionsScreen())
        await until(pilot, lambda: isinstance(app.screen, SessionsScreen) and app.screen.is_mounted)
        await pilot.resize_terminal(100, 30)  # it is drawn while there is nothing to list
        await pilot.press("m", "x")
        assert app.focused is not None
        assert app.focused.id == "sessions-list"
        read.set()
        await until(pilot, lambda: "2 messages" in text_of(app) and "zoo" in text_of(app))
        await pilot.press("m")
        await until(pilot, lambda: not scripted.kept[session].memory)


async def test_deleting_a_session_asks_first_and_enter_keeps_it(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    session = await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SessionsScreen))
        assert session in scripted.kept
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen))
        await pilot.press("down", "enter")
        await until(pilot, lambda: session not in scripted.kept)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app._cockpit and "quokka" not in text_of(app))


async def test_n_in_the_list_begins_a_new_conversation(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("n")
        await until(pilot, lambda: app.screen is app._cockpit and app.conversation.session is None)
        assert "quokka" not in text_of(app)


async def test_sessions_are_resumed_renamed_and_begun_by_words(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    session = await zoo(scripted)
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await pilot.press(*"/session resume c")
        await until(pilot, lambda: suggested(app) == ["cooking"])
        await pilot.press("enter")
        await until(pilot, lambda: "Ten minutes." in text_of(app))
        await send(pilot, "/session resume zoo")
        await until(pilot, lambda: "Rottnest" in text_of(app))
        await send(pilot, "/session rename my animals")
        await until(pilot, lambda: scripted.kept[session].name == "my animals")
        await send(pilot, "/session memory off")
        await until(pilot, lambda: not scripted.kept[session].memory)
        await send(pilot, "/session nonsense")
        await until(pilot, lambda: "was not understood" in text_of(app))
        app.prompt.clear()
        await send(pilot, "/session new physics")
        await until(pilot, lambda: app.conversation.session is None)
        await ask(pilot)
        await until(pilot, lambda: len(scripted.rows) == 1 and not app.conversation.busy)
        assert scripted.kept["session-3"].name == "physics"


async def test_renaming_before_there_is_a_session_is_refused(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await send(pilot, "/session rename x")
        await until(pilot, lambda: "has not begun" in text_of(app))


async def test_a_store_that_cannot_be_read_leaves_a_new_session_and_says_so(tmp_path: Path) -> None:
    class Unreadable(ScriptedEngine):
        async def sessions(self) -> list[object]:  # type: ignore[override]
            raise EngineError(ErrorClass.RESOURCE, "database_failed", "The database cannot be read.")

    app = app_of(Unreadable(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "The database cannot be read." in flat(text_of(app)))
        await ask(pilot)
        await until(pilot, lambda: "committed" in text_of(app))
