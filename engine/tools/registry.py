"""The registry of tools: every tool of the program by its id, imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from engine.errors import ConfigurationError
from engine.graph.problems import choose_from, shorten

if TYPE_CHECKING:
    from engine.tools.protocol import Tool

BUILT_IN = {
    "calculator": "calculator:CalculatorTool",
    "code": "code:CodeTool",
    "file_delete": "file_changes:FileDeleteTool",
    "file_list": "files:FileListTool",
    "file_move": "file_changes:FileMoveTool",
    "file_read": "files:FileReadTool",
    "file_search": "files:FileSearchTool",
    "file_write": "file_changes:FileWriteTool",
    "json_format": "json_tools:JsonFormatTool",
    "json_merge": "json_tools:JsonMergeTool",
    "json_parse": "json_tools:JsonParseTool",
    "json_query": "json_tools:JsonQueryTool",
    "text_case": "text:TextCaseTool",
    "text_extract": "text_patterns:TextExtractTool",
    "text_replace": "text_patterns:TextReplaceTool",
    "text_split": "text:TextSplitTool",
    "text_stats": "text:TextStatsTool",
}
"""Id of a built-in tool -> `module:class` in this package."""


class ToolRegistry:
    """All tools that can be called: the built-in ones and those that were registered.

    Args:
        tools: further ones.

    Raises:
        ConfigurationError: code `duplicate_tool`: two have the same id.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._loaded: dict[str, Tool] = {}
        for tool in tools:
            self.register(tool)

    def available(self) -> tuple[str, ...]:
        """The ids of all tools, sorted; imports nothing."""
        return tuple(sorted({*BUILT_IN, *self._loaded}))

    def get(self, tool_id: str) -> Tool:
        """The tool with this id.

        Raises:
            ConfigurationError: code `unknown_tool`; the remedy names the nearest id.
        """
        if tool_id not in self._loaded:
            if tool_id not in BUILT_IN:
                remedy = choose_from(tool_id, self.available())
                raise ConfigurationError("unknown_tool", f"There is no tool `{shorten(tool_id)}`.", remedy=remedy)
            module, _, name = BUILT_IN[tool_id].partition(":")
            self._loaded[tool_id] = cast("Tool", getattr(import_module(f"engine.tools.{module}"), name)())
        return self._loaded[tool_id]

    def own(self) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
        """Id of each tool that is not built in -> its arguments: those that are needed, and those that are not."""
        return {name: _arguments_of(tool) for name, tool in self._loaded.items() if name not in BUILT_IN}

    def register(self, tool: Tool) -> None:
        """Add a tool that is not built in.

        Raises:
            ConfigurationError: code `duplicate_tool`: its id is taken.
        """
        if tool.id in self.available():
            message = f"There are two tools with the id `{shorten(tool.id)}`."
            raise ConfigurationError("duplicate_tool", message, remedy="Rename one of them.")
        self._loaded[tool.id] = tool


def _arguments_of(tool: Tool) -> tuple[frozenset[str], frozenset[str]]:
    fields = tool.Input.model_fields
    needed = frozenset(name for name, field in fields.items() if field.is_required())
    return needed, frozenset(fields) - needed
