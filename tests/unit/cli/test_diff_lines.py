"""A difference between graphs as lines of text."""

from __future__ import annotations

from engine.graph.diff import GraphDiff, InnerGraphChange, NodeChange, PromptChange
from engine.graph.field_changes import FieldChange
from tinyllm_tui.cli.diff_lines import diff_lines


def lines_of(*fields: FieldChange) -> list[str]:
    """The lines of these changes of a graph, without the heading."""
    heading, *lines = diff_lines(GraphDiff(fields=fields))
    assert heading == "graph"
    return lines


def test_equal_graphs_have_no_lines() -> None:
    assert list(diff_lines(GraphDiff())) == []


def test_a_graph_inside_the_graph_is_shown_below_it() -> None:
    inner = GraphDiff(nodes=(NodeChange("added", "end", "exit"),))
    graphs = (InnerGraphChange("changed", "inner", "1.1.0", inner), InnerGraphChange("removed", "old", "2.0.0"))
    assert list(diff_lines(GraphDiff(graphs=graphs))) == [
        "graphs",
        "    ~ inner 1.1.0",
        "        nodes",
        "            + end (exit)",
        "    - old 2.0.0",
    ]


def test_short_values_share_a_line_and_long_ones_have_one_each() -> None:
    assert lines_of(FieldChange("allow_cycles", "changed", False, True)) == ["    ~ allow_cycles: false -> true"]
    old, new = "o" * 60, "n" * 60
    assert lines_of(FieldChange("description", "changed", old, new)) == [
        "    ~ description:",
        f'        - "{old}"',
        f'        + "{new}"',
    ]


def test_another_order_is_called_that() -> None:
    (line,) = lines_of(FieldChange("nodes", "reordered", ["a", "b"], ["b", "a"]))
    assert line == '    ~ nodes (in another order): ["a", "b"] -> ["b", "a"]'


def test_a_line_end_that_came_is_visible() -> None:
    _, *lines = lines_of(FieldChange("description", "changed", "One.\nTwo.", "One.\nTwo.\n"))
    assert lines == ['        - "One.\\nTwo."', '        + "One.\\nTwo.\\n"']


def test_a_name_or_a_value_with_line_ends_cannot_pretend_to_be_another_line() -> None:
    prompt = PromptChange("added", "x\n    + fake", (FieldChange("id", "added", None, "y\n+ fake"),))
    assert list(diff_lines(GraphDiff(prompts=(prompt,)))) == [
        "prompts",
        "    + x + fake",
        '        + id: "y\\n+ fake"',
    ]
