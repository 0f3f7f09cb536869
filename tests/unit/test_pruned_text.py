"""What was pruned: the view knows it, and finds the whole texts, live, in a replay and from an exported run."""

from __future__ import annotations

from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.view import PruneView, View, apply, fold, pruned_text
from tests.graphs import chain, make_graph, node, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend, model
from tinyllm_tui.widgets.memory import memory_lines
from tinyllm_tui.words import plain


def prunes_of(view: View) -> list[PruneView]:
    return [prune for memory in view.memory.values() for prune in memory.prunes]


def texts_of(view: View) -> list[str]:
    """The whole text of everything that was pruned; each of them can be had."""
    found = [pruned_text(view, prune, message) for prune in prunes_of(view) for message in prune.messages]
    assert not [each.problem for each in found if each.problem]
    return [each.text for each in found]


def pane_of(view: View) -> str:
    return "\n".join(plain(line) for width in (38, 80) for line in memory_lines(view.memory, width))


async def talked(eng: Engine, scripted: ScriptedBackend, turns: int, graph: GraphSpec) -> str:
    """A session in which so much was said that the next question cannot be told all of it."""
    session = (await eng.create_session()).id
    for turn in range(turns):
        scripted.answers([f"answer {turn} " + f"blah{turn} " * 60])
        await run_in(eng, graph, f"question {turn}?", session=session)
    return session


async def test_a_run_that_prunes_shows_the_same_live_stored_and_exported(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    """At each pruning and at the end: the views are equal, and so are the pane's lines and the texts of what went."""
    scripted.installed = [model(window=600)]
    graph = chain(
        node("first", "model", max_tokens=100), node("second", "model", system_prompt="Check it.", max_tokens=60)
    )
    async with engine.open(tmp_path / "ours") as eng:
        session = await talked(eng, scripted, 8, graph)
        run = eng.start(graph, "And now?", session=session)
        live, at_prunes = View(), list[tuple[int, list[PruneView], str, list[str]]]()
        async for event in run.events():
            apply(live, event)
            if isinstance(event.body, ev.ContextPruned):
                at_prunes.append((event.gseq, [*prunes_of(live)], pane_of(live), texts_of(live)))
        await run.result()
        stored = await eng.events(run.transaction)
        exported = [line async for line in eng.export(run.transaction)]
        said = await eng.session_history(session)
    assert len(at_prunes) == 2
    for gseq, prunes, pane, texts in at_prunes:
        then = fold(event for event in stored if event.gseq <= gseq)
        assert (prunes_of(then), pane_of(then), texts_of(then)) == (prunes, pane, texts)
    again = fold(stored)
    assert again == live
    assert pane_of(again) == pane_of(live)
    assert [event.body.messages for event in stored if isinstance(event.body, ev.ContextPruned)] == [
        prune.messages for prune in prunes_of(live)
    ]
    texts = texts_of(live)
    assert set(texts) <= {row.content for row in said}, "whole, as it was said"
    assert live.history[1][1] in texts, "the oldest answer went"
    async with engine.open(tmp_path / "theirs") as eng:
        row = await eng.import_run(exported)
        elsewhere = await eng.view(row.tx)
    assert (prunes_of(elsewhere), pane_of(elsewhere), texts_of(elsewhere)) == (prunes_of(live), pane_of(live), texts)


async def test_what_went_says_why_it_went_where_it_did(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.installed = [model(window=600)]
    async with engine.open(tmp_path) as eng:
        session = await talked(eng, scripted, 6, one_model(max_tokens=100))
        ran = await run_in(eng, one_model(max_tokens=100), "And now?", session=session)
    (prune,) = prunes_of(ran.view)
    assert {message.rank for message in prune.messages} == {"earlier"}
    assert ran.view.memory["m small"].pinned == 6, "the question alone: bytes / 4 and the template's share"


async def test_a_cut_question_of_a_sub_graph_is_that_sub_graphs_own(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.installed = [model(window=300)]
    inside = chain(node("m", "model", max_tokens=50))
    graph = make_graph(
        [
            node("start", "entry"),
            node("sub", "subgraph", graph_id="inside", question="data.ask"),
            node("end", "exit"),
        ],
        [("start", "sub"), ("sub", "end")],
        graphs={"inside": inside.model_dump(mode="json")},
    )
    asked = "What of this? " + "word " * 400
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, graph, "outer", inputs={"ask": asked})
    (prune,) = prunes_of(ran.view)
    (message,) = prune.messages
    assert (message.kind, message.source, message.left_out > 0) == ("question", "question", True)
    assert pruned_text(ran.view, prune, message).text == asked


async def test_an_output_that_was_cut_is_found_where_it_was_made_also_after_a_fork(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.installed = [model(window=300)]
    long = "start " + "made of words " * 120 + "end"
    scripted.answers_by_system(a=[long], b=["short"])
    graph = chain(
        node("a", "model", system_prompt="a", max_tokens=50), node("b", "model", system_prompt="b", max_tokens=50)
    )
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, graph, "Why?")
        assert texts_of(ran.view) == [long]
        at = next(e.seq for e in ran.events if isinstance(e.body, ev.NodeStarted) and e.body.path == "b")
        fork = await eng.fork(ran.result.transaction, at=at)
        view = fold([event async for event in fork.events()])
    assert texts_of(view) == [long]
    view.nodes["a"].visits.clear()
    assert texts_of(view) == [long], "what a fork took over is known by itself"


def a_prune(message: ev.PrunedMessage) -> PruneView:
    return PruneView(0, "m small", "full", 90, 60, ("history, 30 tokens: old",), (message,), question="Why?")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("history 1", "does not have it (history 1)"),
        ("history -1", "does not have it"),
        ("history \u00b2", "does not have it"),
        ("history", "does not have it"),
        ("output m 1", "does not have it"),
        ("output", "does not have it"),
        ("elsewhere 3", "does not have it"),
        ("question", "has another text"),
        ("history 0", "has another text"),
        ("", "was not recorded"),
    ],
)
def test_a_text_that_cannot_be_had_is_said_plainly(source: str, words: str) -> None:
    view = View(history=(("user", "old"),))
    message = ev.PrunedMessage("history", "user", 30, 100, source=source)
    found = pruned_text(view, a_prune(message), message)
    assert words in found.problem
    assert found.text == ""


def test_a_very_long_text_that_only_the_event_has_is_there_as_far_as_it_was_recorded() -> None:
    message = ev.PrunedMessage("tool", "user", 9_000, 25_000, text="x" * 20_000)
    found = pruned_text(View(), a_prune(message), message)
    assert (len(found.text), found.missing, found.problem) == (20_000, 5_000, "")


def test_an_empty_text_is_a_text() -> None:
    message = ev.PrunedMessage("tool", "user", 4, 0)
    assert pruned_text(View(), a_prune(message), message).problem == ""
