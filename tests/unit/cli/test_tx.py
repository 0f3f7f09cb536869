"""Lists of past transactions: one line each, whatever the question was."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import engine
from engine.events import Usage
from engine.store.rows import ParentRow, TransactionRow
from tests.graphs import chain
from tests.interruption import Watched, leave
from tests.unit.cli.conftest import Call
from tinyllm_tui.cli.tx import _short_when, _times
from tinyllm_tui.row_words import origin_words, outcome_words

ECHO = """\
id: graph.echo_echo
nodes: [{id: start, type: entry}, {id: answer, type: exit}]
edges: [{from_node: start, to_node: answer}]
"""
ROW = TransactionRow(
    1, "t", "committed", None, "graph.g", "Why?", "So.", "success", "", "", "embedded", 0, 0, 1, Usage()
)


@pytest.fixture
def ask(home: Path, tmp_path: Path) -> object:
    """Asks questions of a graph that needs no model, in the store of the command line."""
    (tmp_path / "echo.yaml").write_text(ECHO)

    async def run(questions: tuple[str, ...]) -> None:
        async with engine.open(data_dir=tmp_path / "data" / "tinyllm-tui") as eng:
            for question in questions:
                await eng.start(engine.load_graph(tmp_path / "echo.yaml"), question).result()

    return lambda *questions: asyncio.run(run(questions))


@pytest.mark.parametrize(
    ("status", "exit_", "reason", "word"),
    [
        ("committed", "success", "", "committed"),
        ("committed", None, "", "committed"),
        ("committed", "fallback", "", "committed, fallback"),
        ("rolled_back", None, "failed", "rolled back, failed"),
        ("rolled_back", None, "gate_exhausted", "rolled back, gate exhausted"),
        ("rolled_back", None, "", "rolled back"),
        ("interrupted", None, "", "interrupted"),
        ("executing", None, "", "executing"),
    ],
)
def test_words_say_how_a_transaction_ended_and_begin_with_the_status_of_json(
    status: str, exit_: str | None, reason: str, word: str
) -> None:
    words = outcome_words(replace(ROW, status=status, exit=exit_, reason=reason))
    assert words == word
    assert words.startswith(status.replace("_", " "))


@pytest.mark.parametrize(
    ("origin", "parent", "words"),
    [
        ("", None, ""),
        ("imported", None, "imported"),
        ("", ParentRow("p", 12, 31, kept=True), "fork of #12 at step 31"),
        ("", ParentRow("p", 12, 31, kept=False), "fork of #12 (pruned) at step 31"),
        ("imported", ParentRow("p", 12, 31, kept=False), "imported, fork of #12 (not here) at step 31"),
        ("imported", ParentRow("p", 2, 31, kept=True), "imported, fork of #2 at step 31"),
    ],
)
def test_words_say_where_a_transaction_comes_from(origin: str, parent: ParentRow | None, words: str) -> None:
    assert origin_words(replace(ROW, origin=origin, parent=parent)) == words


def test_a_date_of_this_year_has_its_time_and_another_its_year() -> None:
    now = datetime(2026, 11, 23, 12, 48, tzinfo=UTC).astimezone()
    assert _short_when(int(now.timestamp() * 1000), now) == now.strftime("%d Nov %H:%M")
    before = now - timedelta(days=365)
    assert _short_when(int(before.timestamp() * 1000), now) == before.strftime("%d Nov 2025")


def test_on_a_terminal_of_80_columns_every_row_is_one_line_and_most_of_a_question_is_there(
    call: Call, ask: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(ask)
    ask("What is the capital of France, and why?\nSay it briefly. " * 10)
    monkeypatch.setattr("tinyllm_tui.cli.output.is_terminal", lambda stream: True)
    monkeypatch.setenv("COLUMNS", "80")
    heading, row = call("tx", "list").out.splitlines()
    assert len(heading) <= len(row) <= 80
    assert row.split()[0] == "#1"
    assert " committed " in row
    assert " echo_echo " in row
    assert "What is the capital of France" in row
    assert row.endswith("...")


def test_a_question_of_a_megabyte_is_one_bounded_line_in_a_pipe_and_whole_in_json(call: Call, ask: object) -> None:
    assert callable(ask)
    question = "Why? " * 200_000
    ask(question)
    _, row = call("tx", "list").out.splitlines()
    assert 100 < len(row) <= 120
    (found,) = json.loads(call("tx", "list", "--json").out)
    assert found["question"] == question
    assert found["graph_id"] == "graph.echo_echo"
    assert found["status"] == "committed"


@pytest.mark.parametrize("command", ["show", "events"])
def test_without_an_argument_the_latest_transaction_is_meant(call: Call, ask: object, command: str) -> None:
    assert callable(ask)
    empty = call("tx", command)
    assert (empty.status, empty.out) == (1, "")
    assert "no transactions yet" in empty.err
    ask("first?", "second?")
    latest = call("tx", command)
    assert latest.status == 0
    assert latest.out == call("tx", command, "2").out != call("tx", command, "1").out


def test_a_run_whose_program_has_ended_is_interrupted(call: Call, tmp_path: Path) -> None:
    async def killed() -> None:
        watched = Watched()
        with watched.watching():
            async with engine.open(data_dir=tmp_path / "whole") as eng:
                await eng.start(chain(), "Why?").result()
        await leave(watched.events[:-1], tmp_path / "cut")

    asyncio.run(killed())
    folder = ("--data-dir", str(tmp_path / "cut"))
    listed = call("tx", "list", *folder)
    assert " interrupted " in listed.out.splitlines()[1]
    assert re.search(r" interrupted +- +test ", listed.out), "how long it took is known at its end"
    assert ", took " not in call("tx", "show", *folder).out
    assert "the cockpit goes on with it" in listed.err
    (row,) = json.loads(call("tx", "list", "--json", *folder).out)
    assert row["status"] == "interrupted"
    assert "status       interrupted\n" in call("tx", "show", *folder).out
    assert json.loads(call("tx", "show", "--json", *folder).out)["status"] == "interrupted"


def test_how_often_a_run_was_gone_on_with_is_said_in_words() -> None:
    assert [_times(count) for count in (1, 2)] == ["once", "2 times"]


def test_the_events_are_one_bounded_line_each_with_the_step_that_fork_takes_first(call: Call, ask: object) -> None:
    assert callable(ask)
    ask("Why? " * 2000)
    heading, *rows = call("tx", "events").out.splitlines()
    assert heading.split()[:2] == ["SEQ", "GSEQ"]
    assert max(len(row) for row in rows) <= 120
    events = json.loads(call("tx", "events", "--json").out)
    assert [row.split()[:2] for row in rows] == [[str(e["seq"] or "-"), str(e["gseq"])] for e in events]
    assert events[0]["body"]["question"] == "Why? " * 2000


def test_a_fork_names_its_parent_in_every_form_and_says_when_it_was_pruned(call: Call, ask: object) -> None:
    assert callable(ask)
    ask("Why?")
    assert call("tx", "fork", "1").status == 0
    assert "[fork of #1 at step " in call("tx", "list").out
    fork, parent = json.loads(call("tx", "list", "--json").out)
    assert (fork["parent"]["number"], fork["parent"]["kept"], parent["parent"]) == (1, True, None)
    assert fork["parent"]["transaction"] == parent["transaction"]
    assert f"fork         of #1 at step {fork['parent']['step']}" in call("tx", "show", "2").out
    assert call("tx", "prune", "--keep", "1").status == 0
    assert "[fork of #1 (pruned) at step " in call("tx", "list").out
    assert json.loads(call("tx", "show", "2", "--json").out)["parent"] == {**fork["parent"], "kept": False}


def test_an_imported_fork_does_not_take_another_run_for_its_parent(call: Call, ask: object, tmp_path: Path) -> None:
    assert callable(ask)
    ask("Why?")
    assert call("tx", "fork", "1").status == 0
    assert call("tx", "export", "2", str(tmp_path / "run")).status == 0
    there = ("--data-dir", str(tmp_path / "there"))
    assert call("tx", "import", str(tmp_path / "run"), *there).status == 0
    assert "[imported, fork of #1 (not here) at step " in call("tx", "list", *there).out
    (row,) = json.loads(call("tx", "list", "--json", *there).out)
    assert (row["number"], row["origin"], row["parent"]["kept"]) == (1, "imported", False)
