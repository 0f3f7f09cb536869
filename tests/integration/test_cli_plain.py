"""`chat --plain` as a process, on a graph that needs no model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli_process import Home

ECHO = """\
id: graph.echo
nodes: [{id: start, type: entry}, {id: answer, type: exit}]
edges: [{from_node: start, to_node: answer}]
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    graph = tmp_path / "echo.yaml"
    graph.write_text(ECHO, encoding="utf-8")
    return Home(tmp_path, {"TINYLLM_GRAPH": str(graph)})


@pytest.mark.parametrize("end", ["/quit", "/exit", "  /exit "])
def test_a_line_that_says_so_ends_the_conversation(home: Home, end: str) -> None:
    done = home.call("chat", "--plain", stdin=f"first\n{end}\nnot asked\n")
    assert (done.status, done.out) == (0, "first\n")
    assert [row["question"] for row in home.transactions()] == ["first"]


def test_the_session_is_named_after_the_first_question(home: Home) -> None:
    assert home.call("chat", "--plain", stdin="\nWhat is a quokka?\nAnd its food?\n").status == 0
    (line,) = home.call("session", "list").out.splitlines()[1:]
    assert line.endswith("What is a quokka?")
    assert "4" in line.split(), "both questions with their answers"
