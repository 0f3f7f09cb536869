"""Checks of the tools that a node names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.graph.path_checks import check_path
from engine.graph.problems import Location, Problem, choose_from, nearest, shorten
from engine.graph.spec import ModelConfig, NodeSpec, ToolConfig


def _arguments(needed: str, optional: str = "") -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(needed.split()), frozenset(optional.split())


ARGUMENTS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "calculator": _arguments("expression"),
    "code": _arguments("code"),
    "file_delete": _arguments("path"),
    "file_list": _arguments("", "path recursive glob limit"),
    "file_move": _arguments("source target"),
    "file_read": _arguments("path", "first_line lines"),
    "file_search": _arguments("text", "path glob regex ignore_case limit"),
    "file_write": _arguments("path content", "mode"),
    "json_format": _arguments("value", "indent sort_keys"),
    "json_merge": _arguments("values", "deep"),
    "json_parse": _arguments("text"),
    "json_query": _arguments("value", "path"),
    "text_case": _arguments("text case"),
    "text_extract": _arguments("text kind", "pattern limit"),
    "text_replace": _arguments("text find", "replace regex ignore_case count"),
    "text_split": _arguments("text", "by separator size limit"),
    "text_stats": _arguments("text"),
}
"""Id of a tool -> the names of its arguments, those that are needed and those that are not. Written down here, because
graphs are below tools in the layers."""

TOOLS = frozenset(ARGUMENTS)
"""Built-in tools."""

OwnTools = Mapping[str, tuple[frozenset[str], frozenset[str]]]
"""Tools that an engine was given, as `ARGUMENTS` names them."""


def check_tool(tool: str, at: Location, node: NodeSpec, field: str, own: OwnTools) -> Iterator[Problem]:
    """The problems of one tool id.

    Args:
        tool: the id.
        at: its location.
        node: the node that names it.
        field: the field in which it stands.
        own: tools that there are beside the built-in ones.
    """
    if tool not in TOOLS and tool not in own:
        message = (
            f"The field `{field}` of node `{node.id}` names the tool `{shorten(tool)}`, but there is no such tool."
        )
        yield Problem("", 0, 0, message, choose_from(tool, TOOLS | own.keys()), at)


def check_tools(tools: Sequence[str], at: Location, node: NodeSpec, own: OwnTools) -> Iterator[Problem]:
    """The problems of `tool_ids`, each id at its own place; `at` is the location of the config."""
    for index, tool in enumerate(tools):
        place = (*at, "tool_ids", index)
        if tool in tools[:index]:
            message = f"The node `{node.id}` names the tool `{shorten(tool)}` twice."
            yield Problem("", 0, 0, message, "Remove one of them.", place)
        else:
            yield from check_tool(tool, place, node, "tool_ids", own)


def check_model_tools(config: ModelConfig, at: Location, node: NodeSpec, own: OwnTools) -> Iterator[Problem]:
    """The problems of a model node's tools; `at` is the location of the config."""
    yield from check_tools(config.tool_ids, at, node, own)
    if config.tools_enabled and not config.tool_ids:
        message = f"The node `{node.id}` has `tools_enabled`, but no tools."
        yield Problem("", 0, 0, message, "Add `tool_ids:` with the tools that it may call.", (*at, "tools_enabled"))
    if not config.tools_enabled:
        for field in ("tool_ids", "max_tool_rounds"):
            unset = ModelConfig.model_fields[field].get_default(call_default_factory=True)
            if getattr(config, field) != unset:  # a graph that was read from a log has every field
                message = f"The field `{field}` of node `{node.id}` does nothing without tools."
                yield Problem("", 0, 0, message, "Set `tools_enabled: true`, or remove the field.", (*at, field))


def check_tool_config(config: ToolConfig, at: Location, node: NodeSpec, own: OwnTools) -> Iterator[Problem]:
    """The problems of a tool node: its tool, and the arguments that it gives it; `at` is the location of the config."""
    yield from check_tool(config.tool_id, (*at, "tool_id"), node, "tool_id", own)
    arguments = own.get(config.tool_id) or ARGUMENTS.get(config.tool_id)
    if arguments is not None:
        yield from _names(config, arguments, at, node)
    for argument, path in config.input_mapping.items():
        yield from check_path(path, (*at, "input_mapping", argument), node)


def _names(
    config: ToolConfig, arguments: tuple[frozenset[str], frozenset[str]], at: Location, node: NodeSpec
) -> Iterator[Problem]:
    """Arguments that the tool does not have, and those that it needs and does not get."""
    tool, given = config.tool_id, config.input_mapping
    needed, optional = arguments
    missing = needed - given.keys()
    misspelt: set[str] = set()
    for argument in given:
        if argument not in needed | optional:
            free = (needed | optional) - given.keys()
            misspelt.add(nearest(argument, free))
            message = f"The tool `{tool}` of node `{node.id}` has no argument `{shorten(argument)}`."
            yield Problem("", 0, 0, message, _instead(argument, free), (*at, "input_mapping", argument))
    place = (*at, "input_mapping") if given else (*at, "tool_id")
    for argument in sorted(missing - misspelt):  # a name that is nearly right is one mistake, not two
        message = f"The tool `{tool}` of node `{node.id}` needs the argument `{argument}`."
        yield Problem("", 0, 0, message, f"Add it to `input_mapping:`, such as `{argument}: content`.", place)


def _instead(argument: str, free: frozenset[str]) -> str:
    """What to do about an unknown argument; `free` are those that the tool has and does not get."""
    return choose_from(argument, free) if free else "Remove it."
