"""docs/graphs.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from engine.graph.loader import parse_graph
from engine.graph.prompts import parse_prompt
from engine.graph.spec import CONFIGS, GraphSpec
from engine.tools.registry import ToolRegistry
from tests.docs.graph_reference import GRAPHS_MD, MARKER, reference, with_reference
from tests.running import ask
from tests.scripted_backend import ScriptedBackend

TEXT = GRAPHS_MD.read_text("utf-8")
INTRODUCTION = TEXT.partition(MARKER)[0]
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", INTRODUCTION, re.MULTILINE | re.DOTALL)
GRAPHS = [block for block in BLOCKS if "\nnodes:" in block]
PROMPTS = [block for block in BLOCKS if "\nsystem:" in block and "\nnodes:" not in block]


def example(block: str, folder: Path) -> GraphSpec:
    """A graph of the introduction, with its prompts beside it."""
    (folder / "prompts").mkdir(exist_ok=True)
    for prompt in PROMPTS:
        (folder / "prompts" / f"{yaml.safe_load(prompt)['id']}.yaml").write_text(prompt)
    return parse_graph(block, "docs/graphs.md", search=[folder])


def test_the_reference_is_not_stale() -> None:
    assert with_reference(TEXT) == TEXT, "run: uv run python -m tests.docs"


def test_the_reference_names_every_type_and_field() -> None:
    text = reference()
    for name, model in CONFIGS.items():
        assert f"### `{name}`" in text
        for field in model.model_fields:
            assert f"| `{field}` |" in text


def test_the_reference_names_every_tool_with_its_arguments_and_what_it_does_to_files() -> None:
    registry = ToolRegistry()
    rows = {line.split("`")[1]: line for line in reference().splitlines() if line.startswith("| `")}
    for name in registry.available():
        tool = registry.get(name)
        assert tool.description in re.sub(r"\\(\W|_)", r"\1", rows[name])
        assert ("asks a person" in rows[name]) == (tool.permission != "auto")
        assert ("changes files" in rows[name]) == (tool.effect == "reversible")
        for argument, field in tool.Input.model_fields.items():
            (said,) = (part for part in re.split("<br>|[|] ", rows[name]) if part.startswith(f"`{argument}` ("))
            assert ("default" in said.partition(")")[0]) != field.is_required()


def test_a_field_that_changes_makes_the_document_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONFIGS["gate"].model_fields["max_retries"], "description", "something else")
    assert with_reference(TEXT) != TEXT


def test_the_introduction_has_examples() -> None:
    assert len(GRAPHS) >= 2
    assert PROMPTS


@pytest.mark.parametrize("block", GRAPHS)
async def test_an_example_loads_and_runs(block: str, tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.answers(*(["An answer of some length."] for _ in range(9)))
    ran = await ask(example(block, tmp_path), "Why is the sky blue?")
    assert ran.result.error is None
    assert ran.result.status == "committed"


@pytest.mark.parametrize("block", PROMPTS)
def test_an_example_of_a_prompt_is_valid(block: str) -> None:
    assert parse_prompt(block, "docs/graphs.md", yaml.safe_load(block)["id"]).description
