"""Checks of the tools that a node names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.graph.problems import Location, Problem, choose_from, shorten
from engine.graph.spec import ModelConfig, NodeSpec

TOOLS = frozenset(
    {
        "calculator",
        "code",
        "file_delete",
        "file_list",
        "file_move",
        "file_read",
        "file_search",
        "file_write",
        "json_format",
        "json_merge",
        "json_parse",
        "json_query",
        "text_case",
        "text_extract",
        "text_replace",
        "text_split",
        "text_stats",
    }
)
"""Tools that a graph may call."""


def check_tool(tool: str, at: Location, node: NodeSpec, field: str) -> Iterator[Problem]:
    """The problems of one tool id.

    Args:
        tool: the id.
        at: its location.
        node: the node that names it.
        field: the field in which it stands.
    """
    if tool not in TOOLS:
        message = (
            f"The field `{field}` of node `{node.id}` names the tool `{shorten(tool)}`, but there is no such tool."
        )
        yield Problem("", 0, 0, message, choose_from(tool, TOOLS), at)


def check_tools(tools: Sequence[str], at: Location, node: NodeSpec) -> Iterator[Problem]:
    """The problems of `tool_ids`, each id at its own place; `at` is the location of the config."""
    for index, tool in enumerate(tools):
        place = (*at, "tool_ids", index)
        if tool in tools[:index]:
            message = f"The node `{node.id}` names the tool `{shorten(tool)}` twice."
            yield Problem("", 0, 0, message, "Remove one of them.", place)
        else:
            yield from check_tool(tool, place, node, "tool_ids")


def check_model_tools(config: ModelConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    """The problems of a model node's tools; `at` is the location of the config."""
    yield from check_tools(config.tool_ids, at, node)
    if config.tools_enabled and not config.tool_ids:
        message = f"The node `{node.id}` has `tools_enabled`, but no tools."
        yield Problem("", 0, 0, message, "Add `tool_ids:` with the tools that it may call.", (*at, "tools_enabled"))
    if not config.tools_enabled:
        for field in ("tool_ids", "max_tool_rounds"):
            unset = ModelConfig.model_fields[field].get_default(call_default_factory=True)
            if getattr(config, field) != unset:  # a graph that was read from a log has every field
                message = f"The field `{field}` of node `{node.id}` does nothing without tools."
                yield Problem("", 0, 0, message, "Set `tools_enabled: true`, or remove the field.", (*at, field))
