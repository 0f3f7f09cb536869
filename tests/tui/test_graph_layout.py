"""The layered drawing of graphs."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import engine
from engine.graph.spec import GraphSpec
from tests.benchmarks.graph_drawing import large_graph
from tinyllm_tui.graph_fit import choose
from tinyllm_tui.graph_layout import LABEL, Drawing, Metrics, Style, Way, draw_graph, layout, shape_of

VARIANTS = [
    dataclasses.replace(metrics, way=way)
    for way in ("down", "right")
    for metrics in (
        Metrics(),
        Metrics(detail=0),
        Metrics(boxed=False, detail=8, gap=2),
        Metrics(boxed=False, detail=0, gap=2),
        Metrics(boxed=False, detail=0, gap=1, label=8),
    )
]
HEADS = "▼▲◀▶"


def graph(nodes: str, edges: str) -> dict[str, Any]:
    pairs = (edge.split(">") for edge in edges.split())
    return {"nodes": [{"id": n} for n in nodes.split()], "edges": [{"from_node": a, "to_node": b} for a, b in pairs]}


DIAMOND = graph("a b c d", "a>b a>c b>d c>d")


def test_a_diamond_is_drawn_with_merged_junctions() -> None:
    drawing = layout(shape_of(DIAMOND), Metrics(detail=0), Style.of(False))
    assert drawing.text(lambda slot: ".") == [
        "     ╭─ a ─╮",
        "     │ .   │",
        "     ╰──┬──╯",
        "   ╭────┴────╮",
        "   ▼         ▼",
        "╭─ b ─╮   ╭─ c ─╮",
        "│ .   │   │ .   │",
        "╰──┬──╯   ╰──┬──╯",
        "   ╰────┬────╯",
        "        ▼",
        "     ╭─ d ─╮",
        "     │ .   │",
        "     ╰─────╯",
    ]


def test_the_ascii_variant_is_pure_ascii_and_of_the_same_size() -> None:
    looped = graph("a b c d", "a>b a>c b>d c>d d>a a>d")
    plain, fine = (layout(shape_of(looped), Metrics(), Style.of(ascii_only)) for ascii_only in (True, False))
    assert "".join(plain.text(lambda slot: slot.node)).isascii()
    assert (plain.width, plain.height) == (fine.width, fine.height)


def test_a_back_edge_runs_beside_the_graph_and_points_at_its_target() -> None:
    rows = layout(shape_of(graph("a b", "a>b b>a")), Metrics(detail=0), Style.of(False)).text(lambda slot: ".")
    assert "◀" in rows[1]
    assert rows[1].endswith("╮")
    assert rows[-2].endswith("╯")


def test_strangers_cross_without_meeting() -> None:
    rows = layout(shape_of(graph("a b c d x", "a>c a>d b>d b>x x>a")), Metrics(detail=0), Style.of(False)).text(
        lambda slot: ""
    )
    assert not any("┼" in row for row in rows[-3:])


def test_targets_named_in_the_config_are_edges_too() -> None:
    spec = {
        "nodes": [
            {
                "id": "r",
                "config": {"routes": [{"name": "x", "target": "a"}], "default_route": "x", "compound_routes": []},
            },
            {"id": "g", "config": {"conditions": [{"expression": "true", "target": "r"}], "default_target": "z"}},
            {"id": "f", "type": "fanout", "config": {"targets": ["a", "z"]}},
            {"id": "a"},
            {"id": "z"},
        ],
        "edges": [{"from_node": "a", "to_node": "g"}, {"from_node": "a", "to_node": "not_there"}],
    }
    assert set(shape_of(spec).edges) == {("r", "a"), ("g", "r"), ("g", "z"), ("f", "a"), ("f", "z"), ("a", "g")}


def test_the_command_line_form_names_every_node_and_its_type() -> None:
    spec = GraphSpec.model_validate(
        {
            "id": "graph.tiny",
            "nodes": [{"id": "start", "type": "entry"}, {"id": "talk", "type": "model"}, {"id": "end", "type": "exit"}],
            "edges": [{"from_node": "start", "to_node": "talk"}, {"from_node": "talk", "to_node": "end"}],
        }
    )
    text = draw_graph(spec)
    for word in ("start", "entry", "talk", "model", "end", "exit"):
        assert word in text
    assert draw_graph(spec, ascii_only=True).isascii()


NAMES = ["n", "node_", "a_rather_long_name_", "数学の専門家", "e\u0301tape_", "한국어_라우터_"]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 12))
    names = [draw(st.sampled_from(NAMES)) + str(i) for i in range(count)]
    edges = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=22))
    return {"nodes": [{"id": n} for n in names], "edges": [{"from_node": a, "to_node": b} for a, b in edges]}


def overlaps(drawing: Drawing) -> bool:
    taken: set[tuple[int, int]] = set()
    for x, y, width, height in drawing.boxes.values():
        cells = {(column, row) for column in range(x, x + width) for row in range(y, y + height)}
        if taken & cells:
            return True
        taken |= cells
    return False


@settings(max_examples=150, deadline=None)
@given(graphs(), st.sampled_from(VARIANTS))
def test_any_graph_is_drawn_whole_without_overlaps_and_every_edge_arrives(
    spec: dict[str, Any], metrics: Metrics
) -> None:
    shape = shape_of(spec)
    drawing = layout(shape, metrics, Style.of(False))
    assert set(drawing.boxes) == set(shape.nodes)
    assert not overlaps(drawing)
    arrows = {edge for row in drawing.rows for run in row for char in run.text if char in HEADS for edge in run.edges}
    assert arrows == set(shape.edges)
    for name, (x, y, _width, _height) in drawing.boxes.items():
        assert drawing.node_at(x, y) == name
    for row in drawing.text(lambda slot: slot.node):
        assert cell_len(row) <= drawing.width
    assert len(drawing.rows) == drawing.height


def cells_of(drawing: Drawing, edge: tuple[str, str]) -> set[tuple[int, int]]:
    """Where `edge` is drawn, outside of boxes."""
    return {
        (run.x + column, y)
        for y, row in enumerate(drawing.rows)
        for run in row
        if edge in run.edges and not run.node
        for column in range(cell_len(run.text))
    }


def around(box: tuple[int, int, int, int]) -> set[tuple[int, int]]:
    """The cells that touch a side of `box`."""
    x, y, width, height = box
    beside = {(column, row) for row in range(y, y + height) for column in (x - 1, x + width)}
    return beside | {(column, row) for column in range(x, x + width) for row in (y - 1, y + height)}


def connected(drawing: Drawing, edge: tuple[str, str]) -> bool:
    """Whether a line of cells leads from one box to the other; under a line that crosses it goes on behind it."""
    lines = {
        (run.x + column, y)
        for y, row in enumerate(drawing.rows)
        for run in row
        if run.edges and not run.node
        for column in range(cell_len(run.text))
    }
    mine = cells_of(drawing, edge)
    goal = around(drawing.boxes[edge[1]])
    begin = around(drawing.boxes[edge[0]]) & lines
    queue, seen = deque((cell, (0, 0)) for cell in begin), set()
    while queue:
        cell, came = queue.popleft()
        if cell in goal and cell in mine:
            return True
        x, y = cell
        for way in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            if cell not in mine and came not in ((0, 0), way):
                continue  # behind another's line it goes straight on
            following = ((x + way[0], y + way[1]), way)
            if following[0] in lines and following not in seen:
                seen.add(following)
                queue.append(following)
    return False


@settings(max_examples=150, deadline=None)
@given(graphs(), st.sampled_from(VARIANTS))
def test_every_edge_is_a_line_from_its_node_to_its_node(spec: dict[str, Any], metrics: Metrics) -> None:
    shape = shape_of(spec)
    drawing = layout(shape, metrics, Style.of(False))
    for edge in shape.edges:
        assert connected(drawing, edge), (edge, "\n".join(drawing.text(lambda slot: "")))


@settings(max_examples=60, deadline=None)
@given(graphs(), st.sampled_from(VARIANTS))
def test_the_ascii_form_of_any_drawing_has_the_size_of_the_other(spec: dict[str, Any], metrics: Metrics) -> None:
    plain, fine = (layout(shape_of(spec), metrics, Style.of(ascii_only)) for ascii_only in (True, False))
    assert (plain.width, plain.height, plain.boxes) == (fine.width, fine.height, fine.boxes)
    lines = "".join(run.text for row in plain.rows for run in row if not run.label)
    assert lines.isascii()


@pytest.mark.parametrize("name", ["tool_math", "map_reduce", "self_check", "multi_domain", "debate", "agent"])
@pytest.mark.parametrize("way", ["down", "right"])
def test_in_the_shipped_graphs_no_line_ends_where_another_one_begins(name: str, way: Way) -> None:
    shape = shape_of(engine.load_graph(name).model_dump(mode="json"))
    drawing = layout(shape, Metrics(detail=9, way=way), Style.of(False))
    for edge in shape.edges:
        assert connected(drawing, edge)
    heads = {
        edge: (run.x + column, y)
        for y, row in enumerate(drawing.rows)
        for run in row
        for column, char in enumerate(run.text)
        if char in HEADS
        for edge in run.edges
    }
    for edge, (x, y) in heads.items():
        assert (x, y) in around(drawing.boxes[edge[1]])


def test_a_graph_turned_to_the_right_is_drawn_in_columns() -> None:
    drawing = layout(shape_of(DIAMOND), Metrics(detail=0, way="right"), Style.of(False))
    assert drawing.text(lambda slot: ".") == [
        "          ╭─ b ─╮",
        "        ╭▶│ .   ├─╮",
        "╭─ a ─╮ │ ╰─────╯ │ ╭─ d ─╮",
        "│ .   ├─┤ ╭─ c ─╮ ├▶│ .   │",
        "╰─────╯ ╰▶│ .   ├─╯ ╰─────╯",
        "          ╰─────╯",
    ]


def test_lines_meet_a_node_of_one_row_at_its_name_and_not_at_what_it_does() -> None:
    drawing = layout(shape_of(graph("a b", "a>b")), Metrics(boxed=False, detail=9), Style.of(False))
    assert drawing.text(lambda slot: f" . {slot.node}") == [" . a", "  ▼", " . b"]


def test_lines_into_one_node_that_come_from_nodes_with_other_targets_end_apart() -> None:
    drawing = layout(shape_of(graph("a b x y z", "a>x a>y b>y b>z")), Metrics(detail=4), Style.of(False))
    x, y, width, _ = drawing.boxes["y"]
    heads = [run.edges for run in drawing.rows[y - 1] for char in run.text if char == "▼" and x <= run.x < x + width]
    assert heads == [(("a", "y"),), (("b", "y"),)]


def test_sixty_nodes_fit_a_pane_in_the_small_view_and_scroll_in_the_other() -> None:
    shape = large_graph()
    metrics, small = choose(shape, (120, 40), way=None, small=True, ascii_only=False)
    assert (small.width, small.height) <= (120, 40)
    assert small.height <= 40
    assert set(small.boxes) == set(shape.nodes)
    assert not overlaps(small)
    metrics, large = choose(shape, (120, 40), way=None, small=False, ascii_only=False)
    assert metrics.label == LABEL
    assert large.height > 40


def test_a_flat_pane_is_drawn_from_left_to_right_and_a_tall_one_from_top_to_bottom() -> None:
    shape = shape_of(DIAMOND)
    assert choose(shape, (90, 9), way=None, small=False, ascii_only=False)[0].way == "right"
    assert choose(shape, (40, 30), way=None, small=False, ascii_only=False)[0].way == "down"
    assert choose(shape, (90, 9), way="down", small=False, ascii_only=False)[0].way == "down"


def test_what_runs_inside_a_loop_or_timeout_hangs_on_it() -> None:
    spec = {
        "nodes": [
            {"id": "l", "config": {"body": ["a", "b"]}},
            {"id": "t", "config": {"inner_node": "c", "fallback_node": "d"}},
            {"id": "ask", "config": {"approved_target": "l", "rejected_target": None}},
            *({"id": n} for n in "abcd"),
        ]
    }
    assert set(shape_of(spec).edges) == {("l", "a"), ("a", "b"), ("b", "l"), ("t", "c"), ("t", "d"), ("ask", "l")}


def test_the_nodes_beside_a_node_are_found_in_every_direction() -> None:
    drawing = layout(shape_of(DIAMOND), Metrics(), Style.of(False))
    assert drawing.beside("a", "down") in ("b", "c")
    assert drawing.beside("d", "up") in ("b", "c")
    assert (drawing.beside("b", "right"), drawing.beside("c", "left")) == ("c", "b")
    assert (drawing.beside("b", "up"), drawing.beside("c", "up")) == ("a", "a")
    assert drawing.beside("c", "down") == "d"
    assert (drawing.beside("a", "up"), drawing.beside("a", "left"), drawing.beside("a", "right")) == (None, None, None)
