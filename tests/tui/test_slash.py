"""Slash commands: suggestions while one is typed, what each does, and text that only begins with a slash."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.scripted_engine import ScriptedEngine, answers, fails
from tests.tui.test_cockpit import app_of, ask, flat, text_of, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.commands import COMMANDS
from tinyllm_tui.screens.help import HelpScreen
from tinyllm_tui.screens.memories import MemoriesScreen
from tinyllm_tui.screens.models import ModelsScreen
from tinyllm_tui.screens.sessions import SessionsScreen
from tinyllm_tui.screens.transactions import TransactionsScreen
from tinyllm_tui.slash_text import fitting, nearest, slash_text, without_escape
from tinyllm_tui.widgets.chat.completions import Completions


async def ready(pilot: Pilot[None]) -> CockpitApp:
    app = pilot.app
    assert isinstance(app, CockpitApp)
    await until(pilot, lambda: app.backend_state.status == "ready")
    return app


async def send(pilot: Pilot[None], text: str) -> None:
    """Write a text as a person who pastes it, and send it."""
    app = pilot.app
    assert isinstance(app, CockpitApp)
    app.prompt.focus()
    app.prompt.write(text)
    await pilot.pause()
    app.prompt.action_close_completions()
    app.prompt.send()
    await pilot.pause()


def suggested(app: CockpitApp) -> list[str]:
    found = app._cockpit.query_one(Completions)
    return [str(found.get_option_at_index(at).prompt).split("  ")[0] for at in range(found.option_count)]


@pytest.mark.parametrize("text", ["/etc/passwd", "// help", "/ help", "What is /help?", "", "/tmp/x is full"])
def test_what_only_looks_like_a_command_is_none(text: str) -> None:
    assert slash_text(text) is None


@pytest.mark.parametrize(
    ("text", "word", "rest"), [("/Help", "/help", ""), (" /a-b  c\nd ", "/a-b", "c\nd"), ("/", "/", "")]
)
def test_a_word_behind_a_slash_is_read_with_what_follows(text: str, word: str, rest: str) -> None:
    found = slash_text(text)
    assert found is not None
    assert (found.word, found.rest) == (word, rest)


def test_two_slashes_send_one() -> None:
    assert without_escape("//help me") == "/help me"
    assert without_escape("a // b") == "a // b"


def test_what_begins_so_is_suggested_before_what_has_it_inside() -> None:
    assert fitting("a", ["beta", "alpha", "xyz"]) == ["alpha", "beta"]


def test_the_nearest_word_is_found_or_none() -> None:
    assert nearest("/hepl") == "/help"
    assert nearest("/qqqqqqqq") == ""


def test_no_word_names_two_commands() -> None:
    names = [name for command in COMMANDS for name in command.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_a_slash_opens_a_list_that_narrows_with_what_is_typed(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("slash")
        found = app._cockpit.query_one(Completions)
        await until(pilot, lambda: found.is_open and "/help" in text_of(app))
        await pilot.press("m", "e")
        await until(pilot, lambda: suggested(app)[0].startswith("/memory"))
        await pilot.press("tab")
        assert app.prompt.text == "/memory"
        await pilot.press("backspace", "backspace", "backspace", "backspace", "backspace", "backspace", "backspace")
        await until(pilot, lambda: not found.is_open)


async def test_arrows_choose_a_suggestion_and_enter_does_it(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("slash", "m")
        await until(pilot, lambda: [each.split()[0] for each in suggested(app)[:2]] == ["/memory", "/model"])
        await until(pilot, lambda: "❯ /memory" in text_of(app) and "❯ /model" not in text_of(app))
        await pilot.press("down")
        await until(pilot, lambda: "❯ /model" in text_of(app) and "❯ /memory" not in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        assert app.prompt.text == ""


async def test_enter_on_the_beginning_of_a_word_does_what_is_marked(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press(*"/hel", "enter")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))


async def test_a_command_that_needs_words_is_written_and_waits_for_them(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press(*"/rem", "enter")
        await until(pilot, lambda: app.prompt.text == "/remember ")
        await pilot.press(*"tea", "enter")
        await until(pilot, lambda: [row.text for row in engine.remembered.values()] == ["tea"])


async def test_esc_closes_the_list_and_a_new_slash_opens_it_again(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        found = app._cockpit.query_one(Completions)
        await pilot.press("slash", "escape", "h")
        assert not found.is_open
        assert app.prompt.text == "/h"
        assert app.prompt.has_focus
        await pilot.press("backspace", "backspace", "slash")
        await until(pilot, lambda: found.is_open)


async def test_tab_goes_to_the_next_pane_where_no_list_is_open(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("a", "tab")
        await until(pilot, lambda: not app.prompt.has_focus)


async def test_a_click_takes_a_suggestion(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("slash", "h", "e")
        await until(pilot, lambda: bool(suggested(app)) and suggested(app)[0].startswith("/help"))
        await pilot.click(Completions, offset=(3, 0))
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))


async def test_the_history_of_questions_is_not_held_up_by_a_command_in_it(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        for text in ("/zoom", "/zoom x"):
            await send(pilot, text)
            app.prompt.clear()
        await pilot.press("up")
        assert app.prompt.text == "/zoom x"
        await pilot.press("up")
        assert app.prompt.text == "/zoom"


async def test_an_unknown_word_names_the_nearest_and_stands_in_the_prompt_again(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await send(pilot, "/hepl me")
        await until(pilot, lambda: "no command /hepl. Did you mean /help?" in flat(text_of(app)))
        assert app.prompt.text == "/hepl me"
        assert not engine.rows


async def test_text_behind_two_slashes_and_paths_are_questions(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await send(pilot, "//help me")
        await until(pilot, lambda: len(engine.rows) == 1 and not app.conversation.busy)
        await send(pilot, "/etc/hosts says what?")
        await until(pilot, lambda: len(engine.rows) == 2)
        assert [run.question for run in engine.rows] == ["/help me", "/etc/hosts says what?"]


async def test_a_route_of_the_graph_is_asked_by_its_word_and_suggested(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await pilot.press(*"/ma")
        await until(pilot, lambda: any(each.startswith("/math") for each in suggested(app)))
        await send(pilot, "/math 2+2")
        await until(pilot, lambda: len(engine.rows) == 1 and not app.conversation.busy)
        await send(pilot, "/math")
        await until(pilot, lambda: "names a route" in text_of(app))
        assert [run.question for run in engine.rows] == ["/math 2+2"]


@pytest.mark.parametrize(
    ("text", "screen"),
    [
        ("/help", HelpScreen), ("/replay", TransactionsScreen), ("/session", SessionsScreen),
        ("/sessions", SessionsScreen), ("/session list", SessionsScreen), ("/memory", MemoriesScreen),
        ("/memory tea", MemoriesScreen), ("/model", ModelsScreen), ("/models", ModelsScreen), ("/HELP", HelpScreen),
    ],
)  # fmt: skip
async def test_a_command_opens_its_screen(text: str, screen: type, tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await send(pilot, text)
        await until(pilot, lambda: isinstance(app.screen, screen))


async def test_replay_with_a_number_opens_that_run_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    from tinyllm_tui.screens.replay import ReplayScreen

    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "committed" in text_of(app) and not app.conversation.busy)
        await send(pilot, "/replay #1")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen))


async def test_a_model_is_chosen_by_name_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await pilot.press(*"/model s")
        await until(pilot, lambda: suggested(app) == ["smollm2:135m"])
        await pilot.press("enter")
        await until(pilot, lambda: "answers for every role" in flat(text_of(app)))
        assert engine.config.model == "smollm2:135m"
        await send(pilot, "/model auto")
        await until(pilot, lambda: engine.config.model is None)


async def test_a_theme_is_chosen_by_name_and_an_unknown_one_names_the_nearest(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await send(pilot, "/theme tinyllm-light")
        await until(pilot, lambda: app.theme == "tinyllm-light")
        await send(pilot, "/theme dark")
        await until(pilot, lambda: "no theme dark. Did you mean tinyllm-dark?" in flat(text_of(app)))


async def test_a_graph_is_chosen_by_name_and_a_wrong_one_leaves_the_one_before(tmp_path: Path) -> None:
    from engine.graph.loader import load_graph

    app = app_of(ScriptedEngine(), tmp_path, load_graph=load_graph)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        before = app.graph_choice.title
        await send(pilot, "/graph no_such_graph")
        await until(pilot, lambda: "no_such_graph" in app.prompt.text)
        assert app.graph_choice.title == before
        other = next(name for name in app._cockpit.graph_names() if name != "multi_domain")
        await send(pilot, f"/graph {other}")
        await until(pilot, lambda: app.graph_choice.title != before)


async def test_export_writes_the_session_and_never_over_a_file(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    file = tmp_path / "said.md"
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await send(pilot, "/export")
        await until(pilot, lambda: "has not begun" in text_of(app))
        await ask(pilot)
        await until(pilot, lambda: "committed" in text_of(app) and not app.conversation.busy)
        await send(pilot, f"/export md {file}")
        await until(pilot, file.exists)
        assert "capital?" in file.read_text()
        file.write_text("mine")
        await send(pilot, f"/export {file}")
        await until(pilot, lambda: "is there already" in flat(text_of(app)))
        assert file.read_text() == "mine"


async def test_words_behind_a_command_that_takes_none_are_refused(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await send(pilot, "/zoom in")
        await until(pilot, lambda: "Nothing can follow /zoom" in flat(text_of(app)))
        assert not app.screen.has_class("-zoomed")


async def test_asking_again_forks_the_latest_run_from_its_beginning(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await send(pilot, "/again")
        await until(pilot, lambda: "no question to ask again" in flat(text_of(app)))
        await ask(pilot)
        await until(pilot, lambda: "committed" in text_of(app) and not app.conversation.busy)
        await pilot.press("escape", "g")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        assert engine.rows[1].question == "capital?"
        assert engine.rows[1].fork is not None
        assert engine.rows[1].session == engine.rows[0].session
        assert engine.replaced == ["", engine.rows[0].transaction], "its turn takes the place of the earlier one"


async def test_an_edited_question_is_sent_as_a_fork_and_the_draft_comes_back(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "committed" in text_of(app) and not app.conversation.busy)
        await pilot.press(*"draft", "escape", "e")
        await until(pilot, lambda: app.prompt.text == "capital?" and "esc leaves" in text_of(app))
        await pilot.press(*" of Peru", "enter")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        assert engine.rows[1].question == "capital? of Peru"
        assert engine.rows[1].fork is not None
        assert engine.replaced[1] == engine.rows[0].transaction
        assert app.prompt.text == "draft"
        assert "esc leaves" not in text_of(app)


async def test_a_turn_whose_place_is_to_be_taken_stands_there_again_where_that_comes_to_nothing(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)

    def questions() -> list[str]:
        return [item.turn.question for item in app.chat.turns]

    async with app.run_test(size=(120, 40)) as pilot:
        for count, question in enumerate(("one", "two"), 1):
            await ask(pilot, question)
            await until(pilot, lambda count=count: len(engine.rows) == count and not app.conversation.busy)  # type: ignore[misc]
        engine.script = fails
        await pilot.press("escape", "e", *"b", "enter")
        await until(pilot, lambda: len(engine.rows) == 3 and not app.conversation.busy)
        await until(pilot, lambda: "asked anew, in place of #2" in text_of(app) and "Paris" in text_of(app))
        assert questions() == ["one", "two", "twob"]
        engine.script = answers
        await pilot.press("escape", "g")
        await until(pilot, lambda: len(engine.rows) == 4 and not app.conversation.busy)
        assert questions() == ["one", "two", "twob"], "what failed is no turn of the session, and goes"
        assert engine.rows[3].question == "twob"


async def test_esc_leaves_an_edit_and_the_draft_comes_back(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "committed" in text_of(app) and not app.conversation.busy)
        await pilot.press(*"draft", "escape", "e")
        await until(pilot, lambda: app.prompt.text == "capital?")
        await pilot.press("escape")
        await until(pilot, lambda: app.prompt.text == "draft" and not app.conversation.editing)


async def test_a_paste_of_many_lines_is_folded_and_sent_whole(tmp_path: Path) -> None:
    from textual.events import Paste

    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        pasted = "\n".join(f"line {number}" for number in range(40))
        app.prompt.post_message(Paste(pasted))
        await until(pilot, lambda: "40 lines" in app.prompt.text)
        await pilot.press("enter")
        await until(pilot, lambda: len(engine.rows) == 1)
        assert engine.rows[0].question == pasted


async def test_a_command_waits_for_nothing_while_a_question_is_answered(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "capital of France" in text_of(app))
        await send(pilot, "/remember tea at five")
        await until(pilot, lambda: len(engine.remembered) == 1)
        await send(pilot, "/new")
        await until(pilot, lambda: "A run goes on" in text_of(app))


async def test_a_session_in_which_nothing_was_said_is_not_summarised(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await send(pilot, "/session summarise")
        await until(pilot, lambda: "Nothing was said in this session yet" in flat(text_of(app)))
        assert app.prompt.text == "/session summarise"
