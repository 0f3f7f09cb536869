"""Hot reload: what is noticed of a graph's files, and what the cockpit does with it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import yaml

from engine.errors import EngineError
from engine.graph.loader import load_graph
from tests.routing_graph import BIRDS, birds_or_stones
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, flat, text_of, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.graph_watch import GraphWatch, Notice, Revision

GRAPH = """\
id: graph.mine
nodes:
  - {id: start, type: entry}
  - id: talk
    type: model
    config: {prompt_id: tone}
  - {id: end, type: exit}
edges:
  - {from_node: start, to_node: talk}
  - {from_node: talk, to_node: end}
"""
RENAMED = GRAPH.replace("talk", "speak")
BROKEN = GRAPH.replace("to_node: talk", "to_node: tlak")
PROMPT = "id: tone\nsystem: Be brief.\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "graphs"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "tone.yaml").write_text(PROMPT)
    graph = folder / "mine.yaml"
    graph.write_text(GRAPH)
    return graph


def edit(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


async def watch_of(file: Path) -> GraphWatch:
    watch = GraphWatch(str(file), load_graph)
    await watch.read()
    return watch


async def looks(watch: GraphWatch, number: int = 8) -> list[Notice]:
    """What comes of looking so often that everything has settled."""
    return [notice for _ in range(number) for notice in await watch.look()]


def current(watch: GraphWatch) -> Revision:
    assert watch.revision is not None
    return watch.revision


async def test_files_that_stay_as_they_are_are_not_read_again(file: Path) -> None:
    reads: list[str] = []

    def load(name: str) -> object:
        reads.append(name)
        return load_graph(name)

    watch = GraphWatch(str(file), load)  # type: ignore[arg-type]
    await watch.read()
    assert await looks(watch) == []
    assert len(reads) == 1


async def test_a_valid_edit_is_the_next_revision_and_is_said_once(file: Path) -> None:
    watch = await watch_of(file)
    before = current(watch)
    edit(file, RENAMED)
    [notice] = await looks(watch)
    assert current(watch).key == load_graph(file).content_hash() != before.key
    assert notice.revision is current(watch)
    assert notice.words == f"graph mine changed: next run uses revision {current(watch).key[:6]}"


async def test_a_file_that_is_still_being_written_is_left_alone(file: Path) -> None:
    watch = await watch_of(file)
    for length in range(0, len(RENAMED), 60):
        edit(file, RENAMED[:length])
        assert await watch.look() == []
    edit(file, RENAMED)
    [notice] = await looks(watch)
    assert notice.error is None


async def test_an_edit_that_keeps_size_and_time_of_modification_is_noticed(file: Path) -> None:
    watch = await watch_of(file)
    before = os.stat(file)  # noqa: PTH116
    edit(file, GRAPH.replace("talk", "walk"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    [notice] = await looks(watch)
    assert notice.revision is not None


async def test_a_file_that_is_replaced_by_renaming_is_followed(file: Path) -> None:
    watch = await watch_of(file)
    for text in (RENAMED, GRAPH, RENAMED):
        other = file.with_name(".mine.yaml.swp")
        edit(other, text)
        other.replace(file)
        [notice] = await looks(watch)
        assert notice.revision is not None
        assert current(watch).key == load_graph(file).content_hash()


async def test_a_file_that_is_missing_for_a_moment_is_waited_for(file: Path) -> None:
    watch = await watch_of(file)
    remove(file)
    assert await looks(watch, 3) == []
    edit(file, RENAMED)
    [notice] = await looks(watch)
    assert notice.revision is not None


async def test_a_file_that_is_gone_is_said_once_and_the_revision_stays(file: Path) -> None:
    watch = await watch_of(file)
    before = current(watch)
    remove(file)
    [notice] = await looks(watch, 20)
    assert notice.words.startswith("mine.yaml: There is no such file.")
    assert current(watch) is before


async def test_a_file_that_is_only_touched_says_nothing(file: Path) -> None:
    watch = await watch_of(file)
    os.utime(file, (1, 1))
    assert await looks(watch) == []
    edit(file, BROKEN)
    assert len(await looks(watch)) == 1
    os.utime(file, (1, 1))
    assert await looks(watch) == []


async def test_a_comment_changes_no_revision(file: Path) -> None:
    watch = await watch_of(file)
    edit(file, f"# mine\n{GRAPH}")
    assert await looks(watch) == []


async def test_a_broken_edit_says_where_what_and_the_remedy_once_and_the_old_revision_stays(file: Path) -> None:
    watch = await watch_of(file)
    before = current(watch)
    edit(file, BROKEN)
    [notice] = await looks(watch, 20)
    assert notice.words.startswith("mine.yaml:9:24: ")
    assert "`tlak`" in notice.words
    assert "Did you mean `talk`?" in notice.words
    assert notice.words.endswith(f"runs use revision {before.short}.")
    assert current(watch) is before


async def test_a_broken_file_that_is_edited_and_still_broken_is_said_again(file: Path) -> None:
    watch = await watch_of(file)
    edit(file, BROKEN)
    assert len(await looks(watch)) == 1
    edit(file, f"{BROKEN}# the same error in another text\n")
    assert len(await looks(watch)) == 1


async def test_what_happens_to_other_files_repeats_no_complaint(file: Path) -> None:
    watch = await watch_of(file)
    edit(file, BROKEN)
    assert len(await looks(watch)) == 1
    edit(file.parent / "another.yaml", "no graph at all")
    assert await looks(watch) == []


async def test_a_mended_file_takes_effect(file: Path) -> None:
    watch = await watch_of(file)
    for text, words in ((RENAMED, "changed: next run uses"), (RENAMED, "is valid again")):
        edit(file, BROKEN)
        assert len(await looks(watch)) == 1
        edit(file, text)
        [notice] = await looks(watch)
        assert words in notice.words
        assert current(watch).key == load_graph(file).content_hash()


async def test_an_edited_prompt_is_a_new_revision_and_a_broken_one_is_named(file: Path) -> None:
    watch = await watch_of(file)
    prompt = file.parent / "prompts" / "tone.yaml"
    edit(prompt, PROMPT.replace("brief", "kind"))
    [notice] = await looks(watch)
    assert current(watch).graph.prompts["tone"].system == "Be kind."
    edit(prompt, "id: tone\nsystm: Be kind.\n")
    [notice] = await looks(watch)
    assert notice.words.startswith("prompts/tone.yaml:2:1: ")
    assert current(watch).graph.prompts["tone"].system == "Be kind."


async def test_an_edited_sub_graph_is_a_new_revision_of_the_graph_that_uses_it(file: Path) -> None:
    outer = file.with_name("outer.yaml")
    edit(outer, GRAPH.replace("type: model", "type: subgraph").replace("prompt_id: tone", "graph_id: mine"))
    watch = await watch_of(outer)
    edit(file, RENAMED)
    [notice] = await looks(watch)
    assert notice.revision is current(watch)
    for text in (BROKEN, f"{BROKEN}# still"):
        edit(file, text)
        [notice] = await looks(watch)
        assert notice.words.startswith("outer.yaml:6:14: ")
        assert "mine.yaml, line 9, column 24" in notice.words
        assert str(file.parent) not in notice.words


async def test_a_file_that_changes_all_the_time_keeps_no_other_from_settling(file: Path) -> None:
    watch = await watch_of(file)
    busy = file.parent / "busy.yaml"
    edit(file, RENAMED)
    notices = []
    for number in range(4):
        edit(busy, "#" * number)
        notices += await watch.look()
    assert [notice.error for notice in notices] == [None]


async def test_at_once_a_valid_edit_is_taken_and_a_broken_one_left_for_later(file: Path) -> None:
    watch = await watch_of(file)
    edit(file, BROKEN)
    assert await watch.look(at_once=True) == []
    assert len(await looks(watch)) == 1
    edit(file, RENAMED)
    [notice] = await watch.look(at_once=True)
    assert notice.revision is current(watch)
    assert await looks(watch) == []


async def test_a_graph_that_was_broken_from_the_start_takes_effect_when_it_is_mended(file: Path) -> None:
    edit(file, BROKEN)
    watch = await watch_of(file)
    assert isinstance(watch.error, EngineError)
    assert watch.revision is None
    assert await looks(watch) == []
    edit(file, GRAPH)
    [notice] = await looks(watch)
    assert notice.revision is current(watch)
    assert watch.error is None


async def test_what_was_noticed_while_the_one_who_looked_was_cancelled_is_not_lost(file: Path) -> None:
    watch = await watch_of(file)
    edit(file, RENAMED)
    watch._look(at_once=True)  # what the thread of a cancelled look does
    [notice] = await watch.look()
    assert notice.revision is current(watch)


async def test_a_name_that_no_graph_has_is_an_error_and_looking_goes_on() -> None:
    watch = GraphWatch("no_such_graph", load_graph)
    await watch.read()
    assert watch.error is not None
    assert await looks(watch) == []


# -- in the cockpit ----------------------------------------------------------------------------------------------------


class Trigger:
    """Stands in for the pause between two looks: the files are looked at when a test says so."""

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(0)

    async def pause(self, _seconds: float) -> None:
        await self._permits.acquire()

    def look(self, number: int = 8) -> None:
        for _ in range(number):
            self._permits.release()


def cockpit(file: Path, tmp_path: Path, engine: ScriptedEngine | None = None) -> tuple[CockpitApp, Trigger]:
    trigger = Trigger()
    app = CockpitApp(
        (engine or ScriptedEngine()).open, str(file), user_themes=tmp_path, load_graph=load_graph, pause=trigger.pause
    )
    return app, trigger


def drawn(app: CockpitApp) -> set[str]:
    drawing = app._cockpit.board.graph.drawing
    return set() if drawing is None else set(drawing.boxes)


async def test_an_edit_is_one_toast_and_the_pane_draws_the_new_graph(file: Path, tmp_path: Path) -> None:
    app, trigger = cockpit(file, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "talk" in drawn(app))
        edit(file, RENAMED)
        trigger.look()
        await until(pilot, lambda: drawn(app) == {"start", "speak", "end"})
        assert [toast.message for toast in app._notifications] == [
            f"graph mine changed: next run uses revision {load_graph(file).content_hash()[:6]}"
        ]


async def test_a_broken_edit_is_a_warning_and_the_next_run_uses_the_old_graph(file: Path, tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app, trigger = cockpit(file, tmp_path, engine)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "talk" in drawn(app))
        edit(file, BROKEN.replace("tlak", "tl\x1b[31mak[/nope]"))
        trigger.look(20)
        await until(pilot, lambda: len(app._notifications) == 1)
        [toast] = app._notifications
        assert toast.severity == "warning"
        assert "mine.yaml:" in toast.message
        assert "\x1b" not in toast.message
        app.clear_notifications()
        await until(pilot, lambda: "graph file broken: old revision in use" in text_of(app).splitlines()[0])
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and len(engine.rows) == 1)
        assert "talk" in {node.id for node in engine.rows[0].graph.nodes}
        assert not app._notifications
        assert "graph file broken" in text_of(app).splitlines()[0]
        edit(file, GRAPH)
        trigger.look()
        await until(pilot, lambda: "graph file broken" not in text_of(app).splitlines()[0])


async def test_a_live_run_keeps_its_graph_and_the_next_uses_the_edit(file: Path, tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app, trigger = cockpit(file, tmp_path, engine)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "The capital of France" in text_of(app))
        edit(file, RENAMED)
        trigger.look()
        await until(pilot, lambda: len(app._notifications) == 1)
        assert "talk" in drawn(app)
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy and "speak" in drawn(app))
        await pilot.press(*"again", "enter")
        await until(pilot, lambda: len(engine.rows) == 2 and not app.conversation.busy)
        assert [{n.id for n in run.graph.nodes} & {"talk", "speak"} for run in engine.rows] == [{"talk"}, {"speak"}]


async def test_a_question_right_after_saving_uses_what_was_saved(file: Path, tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app, _ = cockpit(file, tmp_path, engine)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        edit(file, RENAMED)
        await ask(pilot)
        await until(pilot, lambda: len(engine.rows) == 1 and not app.conversation.busy)
        assert "speak" in {node.id for node in engine.rows[0].graph.nodes}
        assert len(app._notifications) == 1


async def test_a_graph_that_was_broken_at_the_start_is_a_banner_until_it_is_mended(file: Path, tmp_path: Path) -> None:
    edit(file, BROKEN)
    app, trigger = cockpit(file, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "Did you mean `talk`?" in flat(text_of(app)))
        edit(file, GRAPH)
        trigger.look()
        await until(pilot, lambda: "talk" in drawn(app) and "Did you mean" not in text_of(app))


async def test_the_graph_of_a_finished_run_stays_coloured_while_the_files_stay(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed (success)" in text_of(app))
        assert app._cockpit.board.graph._lit.nodes["general"][0] == "✓"


async def test_utterances_that_two_routes_share_are_a_warning_with_their_place(file: Path, tmp_path: Path) -> None:
    document = birds_or_stones().model_dump(mode="json", exclude_defaults=True)
    router = next(node for node in document["nodes"] if node["type"] == "router")
    router["config"]["routes"][1]["utterances"] += [BIRDS[0], BIRDS[1]]
    edit(file, yaml.safe_dump(document, width=1000))
    app, _ = cockpit(file, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: len(app._notifications) == 1)
        [toast] = app._notifications
        assert toast.severity == "warning"
        assert toast.message.startswith("mine.yaml:")
        assert f"The routes `birds` and `stones` of `router` have the same utterance: “{BIRDS[0]}”." in toast.message
        assert toast.message.endswith("And 1 more: graph validate lists them.")
