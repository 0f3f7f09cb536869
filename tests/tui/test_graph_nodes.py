"""What is written into and beside the nodes of a drawing."""

from __future__ import annotations

from tinyllm_tui.graph_canvas import Slot, Style
from tinyllm_tui.graph_layout import Metrics, layout, shape_of
from tinyllm_tui.widgets.graph_lit import Lit
from tinyllm_tui.widgets.graph_nodes import NodeDrawing
from tinyllm_tui.words import UNICODE, plain

LIT = Lit({"general": ("▶", "node_running", "19/s 1.00s")}, frozenset())


def ink(metrics: Metrics) -> NodeDrawing:
    return NodeDrawing(LIT, metrics, UNICODE, Style.of(False))


def test_what_a_small_node_does_stands_beside_it_where_nothing_else_is() -> None:
    small, slot = ink(Metrics(boxed=False, detail=0)), Slot("general", 0, 0, len("general") + 4)
    assert plain(tuple(small.spans(slot, 10))) == " ▶ general 19/s 1.00s"
    assert plain(tuple(small.spans(slot, 6))).rstrip() == " ▶ general 19/s"
    assert plain(tuple(small.spans(slot, 3))).rstrip() == " ▶ general"


def test_the_caption_names_a_node_whose_name_is_cut_in_the_drawing() -> None:
    assert plain(ink(Metrics(boxed=False, detail=0, label=0)).caption("general", 40)) == " ▶ general 19/s 1.00s"
    assert ink(Metrics(boxed=False, detail=0)).caption("general", 40) == ()
    assert ink(Metrics(boxed=False, detail=0, label=4)).caption("", 40) == ()


def test_a_router_has_room_for_the_longest_of_its_routes_also_where_boxes_are_small() -> None:
    routes = [{"name": name, "target": "a"} for name in ("code", "astronomy")]
    shape = shape_of({"nodes": [{"id": "r", "type": "router", "config": {"routes": routes}}, {"id": "a"}]})
    drawing = layout(shape, Metrics(detail=4), Style.of(False))
    assert drawing.slots["r"].width == len("✓ astronomy")
    assert drawing.slots["a"].width == len("✓ 1234")
