"""Prompts in files of their own: found, checked, and carried by the graph that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.graph.loader import load_graph, parse_graph
from engine.graph.problems import GraphError
from engine.graph.prompts import PROMPTS, load_prompt, parse_prompt
from engine.graph.shipped import graphs_in, shipped_folder, shipped_graphs
from engine.graph.spec import GraphSpec, PromptSpec

PROMPT = """\
id: polite
version: 1.2.0
description: For tests.
system: Be polite.
user: "Please: {{ question }}"
examples:
  - {user: "Hello?", assistant: "Good day."}
output_schema: {type: object}
"""


def graph(prompt_id: str = "polite", **fields: str) -> str:
    extra = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return (
        "id: g\nnodes:\n  - {id: start, type: entry}\n"
        f"  - {{id: talk, type: model, config: {{prompt_id: '{prompt_id}'}}}}\n  - {{id: answer, type: exit}}\n"
        f"edges:\n  - {{from_node: start, to_node: talk}}\n  - {{from_node: talk, to_node: answer}}\n{extra}"
    )


def files(folder: Path, prompts: dict[str, str], text: str | None = None) -> Path:
    """A graph's file with a folder of prompts beside it."""
    (folder / PROMPTS).mkdir(parents=True, exist_ok=True)
    for name, content in prompts.items():
        (folder / PROMPTS / f"{name}.yaml").write_text(content)
    file = folder / "mine.yaml"
    file.write_text(graph() if text is None else text)
    return file


def error_of(file: Path) -> GraphError:
    with pytest.raises(GraphError) as caught:
        load_graph(file)
    return caught.value


def test_a_prompt_is_found_in_the_folder_beside_the_graph(tmp_path: Path) -> None:
    spec = load_graph(files(tmp_path, {"polite": PROMPT, "other": "broken"}))
    assert list(spec.prompts) == ["polite"]
    assert spec.prompts["polite"].system == "Be polite."


def test_a_loaded_graph_needs_no_files_any_more(tmp_path: Path) -> None:
    spec = load_graph(files(tmp_path, {"polite": PROMPT}))
    again = GraphSpec.model_validate(spec.model_dump(mode="json"))
    assert again == spec
    assert again.content_hash() == spec.content_hash()


def test_what_a_prompt_says_is_part_of_what_decides_a_run(tmp_path: Path) -> None:
    first = load_graph(files(tmp_path, {"polite": PROMPT}))
    second = load_graph(files(tmp_path, {"polite": PROMPT.replace("Be polite", "Be rude")}))
    assert first.content_hash() != second.content_hash()


def test_search_folders_come_before_shipped_prompts(tmp_path: Path) -> None:
    name = min(graphs_in(shipped_folder() / PROMPTS))
    shipped = load_graph(files(tmp_path / "a", {}, graph(name)))
    assert shipped.prompts[name].id == name
    own = PROMPT.replace("id: polite", f"id: {name}")
    files(tmp_path / "search", {name: own})
    searched = load_graph(files(tmp_path / "b", {}, graph(name)), search=[tmp_path / "search"])
    assert searched.prompts[name].system == "Be polite."


@pytest.mark.parametrize(
    ("prompt_id", "found"),
    [("polite", "2.0.0"), ("polite@2.0.0", "2.0.0"), ("polite@1.2.0", "1.2.0"), ("polite@3.0.0", None)],
)
def test_a_version_can_be_named(tmp_path: Path, prompt_id: str, found: str | None) -> None:
    prompts = {"polite": PROMPT.replace("1.2.0", "2.0.0"), "polite@1.2.0": PROMPT}
    file = files(tmp_path, prompts, graph(prompt_id))
    if found is None:
        assert "no such prompt" in error_of(file).message
    else:
        assert load_graph(file).prompts[prompt_id].version == found


@pytest.mark.parametrize("prompt_id", ["poltie", "POLITE", "../prompts/polite", "", "@", "polite@", "polite.yaml"])
def test_an_unknown_prompt_is_one_error_that_names_the_nearest(tmp_path: Path, prompt_id: str) -> None:
    error = error_of(files(tmp_path, {"polite": PROMPT}, graph(prompt_id)))
    assert "uses the prompt" in error.message
    assert "line 4" in error.message
    assert "polite" in error.remedy


def test_a_graph_can_have_prompts_of_its_own() -> None:
    spec = parse_graph(graph(prompts="{polite: {id: polite, system: Own.}}"))
    assert spec.prompts["polite"].system == "Own."


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ("{polite: {id: rude}}", "called `polite` has the id `rude`"),
        ("{polite: {id: polite}, other: {id: other}}", "No node uses the prompt `other`"),
        ("{polite: {id: polite, sytem: x}}", "no field `sytem`"),
        ("{polite: {id: polite, user: '{{ qestion }}'}}", "unknown name `qestion`"),
        ("{polite: {id: polite, output_schema: {type: objekt}}}", "no valid JSON Schema"),
    ],
)
def test_a_wrong_prompt_in_a_graph_is_an_error_at_its_place(prompts: str, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        parse_graph(graph(prompts=prompts))
    assert message in caught.value.message
    assert caught.value.problems[0].line == 9


def test_a_prompt_and_a_system_prompt_are_one_too_many() -> None:
    text = graph(prompts="{polite: {id: polite}}").replace("prompt_id:", "system_prompt: x, prompt_id:")
    with pytest.raises(GraphError, match="a `prompt_id` and a `system_prompt`"):
        parse_graph(text)


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("id: polite\n", "", "The prompt needs the field `id`", 1),
        ("id: polite", "id: impolite", "called `polite` has the id `impolite`", 1),
        ("1.2.0", "1.2", "version", 2),
        ("system:", "sytem:", "The prompt has no field `sytem`", 4),
        ("{{ question }}", "{{ qestion }}", "unknown name `qestion`", 5),
        ("{{ question }}", "{question}", "single braces", 5),
        ("assistant:", "assitant:", "has no field `assitant`", 7),
        ("{type: object}", "{type: objekt}", "prompt `polite` is no valid JSON Schema", 8),
        ("id: polite", "id: [", "not YAML", 3),
        (PROMPT, "", "It is no prompt", 1),
        (PROMPT, "- a", "It is no prompt", 1),
        (PROMPT, "[" * 3000, "nested", 1),
        (PROMPT, "id: polite\nid: polite", "there twice", 2),
    ],
)
def test_a_broken_prompt_names_its_own_file_and_line(
    tmp_path: Path, old: str, new: str, message: str, line: int
) -> None:
    assert old in PROMPT
    error = error_of(files(tmp_path, {"polite": PROMPT.replace(old, new)}))
    assert message in error.message
    assert f"polite.yaml, line {line}," in error.message
    assert all(problem.remedy for problem in error.problems)


def test_a_prompt_that_two_nodes_name_is_complained_about_once(tmp_path: Path) -> None:
    text = graph().replace("- {id: answer", "- {id: more, type: model, config: {prompt_id: polite}}\n  - {id: answer")
    assert len(error_of(files(tmp_path, {"polite": "id: 5"}, text)).problems) == 1


@pytest.mark.parametrize("file", sorted(graphs_in(shipped_folder() / PROMPTS).values()), ids=lambda file: file.stem)
def test_a_shipped_prompt_is_valid_described_and_used(file: Path) -> None:
    prompt = load_prompt(file)
    assert prompt.description
    used = {name for graph in shipped_graphs() for name in load_graph(graph).prompts}
    assert file.stem in used


def test_prompts_are_not_listed_as_graphs() -> None:
    assert graphs_in(shipped_folder() / PROMPTS)
    assert not set(shipped_graphs()) & {"prompts"}
    assert all(path.parent == shipped_folder() for path in shipped_graphs().values())


def test_the_defaults_of_a_prompt_ask_the_question_alone() -> None:
    prompt = parse_prompt("id: a", "a.yaml", "a")
    assert prompt == PromptSpec(id="a")
    assert (prompt.user, prompt.system, prompt.examples, prompt.version) == ("{{ question }}", "", [], "1.0.0")
