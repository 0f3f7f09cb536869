"""The registry of tools."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.errors import ConfigurationError
from engine.tools.protocol import ReversibleTool, Tool
from engine.tools.registry import BUILT_IN, ToolRegistry
from tests.unit.tools.doubles import EchoTool


@pytest.mark.parametrize("tool_id", sorted(BUILT_IN))
def test_every_built_in_tool_is_what_the_registry_says(tool_id: str) -> None:
    tool = ToolRegistry().get(tool_id)
    assert isinstance(tool, Tool)
    assert tool.id == tool_id
    assert tool.description.endswith(".")
    assert tool.timeout_s > 0
    assert isinstance(tool, ReversibleTool) is (tool.effect == "reversible")


@pytest.mark.parametrize("tool_id", sorted(BUILT_IN))
def test_what_changes_something_asks_first_and_what_does_not_runs(tool_id: str) -> None:
    tool = ToolRegistry().get(tool_id)
    assert (tool.permission == "auto") is (tool.effect == "pure")


def test_an_unknown_id_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ToolRegistry().get("calculater")
    assert caught.value.remedy == "Did you mean `calculator`?"


def test_a_registered_tool_is_found_like_a_built_in_one() -> None:
    registry, tool = ToolRegistry(), EchoTool()
    registry.register(tool)
    assert "echo" in registry.available()
    assert registry.get("echo") is tool


def test_an_id_belongs_to_one_tool_only() -> None:
    registry, tool = ToolRegistry(), EchoTool()
    tool.id = "calculator"
    with pytest.raises(ConfigurationError, match="two tools"):
        registry.register(tool)


def test_listing_the_ids_imports_no_tool() -> None:
    script = (
        "import sys\nfrom engine.tools.registry import ToolRegistry\nassert 'code' in ToolRegistry().available()\n"
        "assert not {'pydantic_monty', 'regex', 'engine.tools.code', 'engine.tools.files'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
