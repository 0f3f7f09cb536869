"""Loading graphs by name and by path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.graph.loader import available_graphs, load_graph, parse_graph
from engine.graph.problems import GraphError
from engine.graph.spec import GraphSpec
from engine.graph.validation import Names
from tests.unit.graph.samples import GOOD, error_of, small


@pytest.mark.parametrize("name", ["multi_domain", "graph.multi_domain"])
def test_a_shipped_graph_is_loaded_by_its_name(name: str) -> None:
    assert load_graph(name).id == "graph.multi_domain"


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_a_file_is_loaded_by_its_path(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"mine{suffix}"
    file.write_text(GOOD)
    assert load_graph(file).id == load_graph(str(file)).id == "graph.sample"


def test_a_file_in_the_working_folder_is_loaded_by_its_file_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    assert load_graph("mine.yaml").id == "graph.sample"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_graph(file).id == "graph.sample"


def test_search_folders_come_before_the_shipped_graphs(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, name in ((first, "one"), (second, "two")):
        folder.mkdir()
        (folder / "multi_domain.yaml").write_text(GOOD.replace("name: Sample", f"name: {name}"))
    assert load_graph("multi_domain", search=[first, second]).name == "one"
    assert load_graph("multi_domain", search=[tmp_path / "nowhere", second]).name == "two"
    assert available_graphs([first])["multi_domain"] == first / "multi_domain.yaml"


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(GraphError) as caught:
        load_graph("multi_domian")
    assert caught.value.code == "unknown_graph"
    assert "Did you mean `multi_domain`?" in caught.value.remedy
    assert "quick" in caught.value.remedy
    with pytest.raises(GraphError, match=r"Choose from .*`multi_domain`.*`quick`"):
        load_graph("zzz")


@pytest.mark.parametrize(
    "name", ["./nowhere.yaml", "nowhere.yml", "/nowhere/at/all", "a\0b.yaml", "x" * 5000 + ".yaml", ""]
)
def test_a_file_that_is_not_there_is_one_clear_error(name: str) -> None:
    with pytest.raises(GraphError) as caught:
        load_graph(name)
    assert caught.value.code in ("graph_unreadable", "unknown_graph")
    assert caught.value.remedy


def test_a_folder_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="It is a folder"):
        load_graph(tmp_path)


def test_a_file_that_is_no_text_says_where(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"id: a\nname: \xff\n")
    with pytest.raises(GraphError, match=r"line 2, column 7: It is not UTF-8"):
        load_graph(file)


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    with file.open("wb") as handle:
        os.truncate(handle.fileno(), 10**12)
    with pytest.raises(GraphError, match="larger than 1 MB"):
        load_graph(file)


@pytest.mark.parametrize("text", ["", "# nothing\n", "5", "- a\n", "null"])
def test_what_is_no_mapping_is_no_graph(text: str) -> None:
    error = error_of(text)
    assert error.code == "graph_invalid"
    assert len(error.problems) == 1


def test_all_problems_are_listed_in_the_order_of_the_file() -> None:
    text = (
        GOOD.replace("name: Sample", "nmae: Sample")
        .replace("stream: true", "stream: no")
        .replace("max_tokens: 64", "max_tokens: x")
    )
    error = error_of(text)
    assert "3 problems" in error.message
    assert [problem.line for problem in error.problems] == sorted(problem.line for problem in error.problems)


def test_wrong_references_and_a_wrong_shape_are_reported_together() -> None:
    text = small(nodes="  - {id: lost, type: exit}\n").replace("type: model", 'type: model, config: {model: "@genral"}')
    messages = " ".join(problem.message for problem in error_of(text).problems)
    assert "@genral" in messages
    assert "lost" in messages


def test_a_mark_up_in_a_file_stays_text_in_the_message() -> None:
    assert "[/nope]" in str(error_of(GOOD.replace("type: entry", 'type: "[/nope]"')))


def test_further_roles_can_be_known() -> None:
    text = small().replace("type: model", 'type: model, config: {model: "@poet"}')
    assert "@poet" in str(error_of(text))
    assert parse_graph(text, names=Names(roles=frozenset({"poet"}))).id == "g"
    assert parse_graph(text, names=None).id == "g"


def test_a_graph_survives_its_journey_through_json() -> None:
    spec = load_graph("multi_domain")
    again = GraphSpec.model_validate(spec.model_dump(mode="json"))
    assert again == spec
    assert again.content_hash() == spec.content_hash()
