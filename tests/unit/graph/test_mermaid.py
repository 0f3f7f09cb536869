"""Graphs as Mermaid text."""

from __future__ import annotations

import re

from engine.graph.dot import to_dot
from engine.graph.loader import parse_graph
from engine.graph.mermaid import to_mermaid
from engine.graph.spec import CONFIGS, EntryConfig, GraphSpec, NodeSpec
from tests.unit.graph.samples import good, small


def test_every_node_and_link_is_drawn() -> None:
    text = to_mermaid(good())
    assert text.startswith("flowchart TD\n")
    assert 'n1{"router<br/>@router"}' in text
    assert '    n1 -->|"code"| n2\n' in text
    assert '    n5 -->|"retries #60; max_retries"| n1\n' in text
    assert "    n0 --> n1\n" in text


def test_labels_cannot_break_out_of_their_quotes() -> None:
    name = r"""'"]; click n0 "javascript:x" <script> #quot; `a` \n {x}' """
    text = to_mermaid(parse_graph(small().replace("id: talk, type", f"id: talk, name: {name}, type")))
    line = next(line for line in text.splitlines() if line.startswith("    n1["))
    assert line.count('"') == 2
    assert "<script>" not in line
    assert "#quot;" not in line
    assert len(text.splitlines()) == 6


def test_control_characters_do_not_reach_the_text() -> None:
    name = r'"a\e[31mb\nc\u202e"'
    text = to_mermaid(parse_graph(small().replace("id: talk, type", f"id: talk, name: {name}, type")))
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_node_of_every_type_can_be_drawn() -> None:
    nodes = [NodeSpec.model_construct(id=kind, type=kind, name="", config=EntryConfig()) for kind in CONFIGS]
    spec = GraphSpec.model_construct(id="g", name="", nodes=nodes, edges=[])
    brackets = {kind: line.strip() for kind, line in zip(CONFIGS, to_mermaid(spec).splitlines()[1:], strict=True)}
    for kind, line in brackets.items():
        assert re.fullmatch(rf"n\d+[\[({{/\\]+\"{kind}\"[\])}}/\\]+", line), line
    assert all(f'label="{kind}"' in to_dot(spec) for kind in CONFIGS)
