"""Graphs in the DOT language."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from engine.graph.dot import quote, to_dot
from engine.graph.loader import load_graph, parse_graph
from engine.graph.shipped import shipped_graphs
from engine.graph.topology import drawn_links
from tests.unit.graph.samples import good, small

# a line of our output, by the grammar of https://graphviz.org/doc/info/lang.html
STRING = r'"(?:[^"\\]|\\.)*"'
LINE = re.compile(
    rf"(?:digraph {STRING} \{{|    rankdir=TB;|\}}"
    rf"|    n\d+ \[shape=\w+, (?:style=rounded, )?label={STRING}\];|    n\d+ -> n\d+(?: \[label={STRING}\])?;)"
)
NAMES = ['"]; n0 -> n1 [label="x', "a\\", "\\N \\G", "<b>&lt;</b>", "a\x1b[31mb\nc\u202e", "ü 漢字", "&quot;"]


def test_every_node_and_link_is_drawn() -> None:
    text = to_dot(good())
    assert text.startswith('digraph "Sample" {\n')
    assert r'n1 [shape=diamond, label="router\n@router"];' in text
    assert '    n1 -> n2 [label="code"];\n' in text
    assert '    n5 -> n1 [label="retries < max_retries"];\n' in text
    assert "    n0 -> n1;\n" in text
    assert text.count("->") == len(drawn_links(good()))


@pytest.mark.parametrize("name", NAMES)
def test_labels_cannot_break_out_of_their_quotes(name: str) -> None:
    spec = parse_graph(small())
    talk = spec.nodes[1].model_copy(update={"name": name})
    text = to_dot(spec.model_copy(update={"name": name, "nodes": [spec.nodes[0], talk, spec.nodes[2]]}))
    assert len(text.splitlines()) == 8
    assert all(LINE.fullmatch(line) for line in text.splitlines()), text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_quotes_backslashes_and_ampersands_stand_for_themselves() -> None:
    assert quote('a "b" \\ &lt;', "c") == r'"a \"b\" \\ &amp;lt;\nc"'


@pytest.mark.parametrize("name", sorted(shipped_graphs()))
def test_shipped_graphs_are_valid_dot(name: str) -> None:
    text = to_dot(load_graph(name))
    assert all(LINE.fullmatch(line) for line in text.splitlines()), text
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=text.encode(), check=True, capture_output=True)
