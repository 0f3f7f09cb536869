"""The layered drawing of graphs."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.graph.spec import GraphSpec
from tinyllm_tui.graph_layout import Drawing, Metrics, Style, draw_graph, layout, shape_of

VARIANTS = [Metrics(), Metrics(detail=0), Metrics(boxed=False, detail=8, gap=2), Metrics(boxed=False, detail=0, gap=2)]


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


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 9))
    names = [draw(st.sampled_from(["n", "node_", "a_rather_long_name_"])) + str(i) for i in range(count)]
    edges = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=18))
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
    arrows = {edge for row in drawing.rows for run in row for char in run.text if char in "▼◀" for edge in run.edges}
    assert arrows == set(shape.edges)
    for name, (x, y, _width, _height) in drawing.boxes.items():
        assert drawing.node_at(x, y) == name


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
