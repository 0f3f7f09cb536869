"""`tinyllm-tui memory`, from adding to forgetting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Call


def test_what_is_added_is_listed_searched_edited_pinned_and_forgotten(call: Call) -> None:
    assert "Nothing is remembered." in call("memory", "list").err
    added = call("memory", "add", "My cat is called Mo", "--kind", "fact", "--json")
    assert added.status == 0, added.err
    assert json.loads(added.out)["kind"] == "fact"
    assert "My cat is called Mo" in call("memory", "search", "cat").out
    assert "No memory has these words." in call("memory", "search", "dog").err
    assert "My cat is called Bo" in call("memory", "edit", "1", "My cat is called Bo").out
    assert call("memory", "pin", "1").status == 0
    listed = call("memory", "list").out
    assert "pinned" in listed
    assert "My cat is called Bo" in listed
    assert call("memory", "unpin", "1").status == 0
    (row,) = json.loads(call("memory", "list", "--json").out)
    assert (row["text"], row["pinned"]) == ("My cat is called Bo", False)
    assert call("memory", "forget", "1").status == 0
    assert json.loads(call("memory", "list", "--json").out) == []


def test_memories_are_exported_as_lines_of_json(call: Call, tmp_path: Path) -> None:
    call("memory", "add", "one\u2028two")
    file = tmp_path / "memories.jsonl"
    assert call("memory", "export", str(file)).status == 0
    assert json.loads(file.read_text())["text"] == "one\u2028two"
    assert call("memory", "export").out == file.read_text()


def test_a_terminals_control_characters_in_a_memory_are_not_printed(call: Call) -> None:
    call("memory", "add", "red \x1b[31m text")
    assert "\x1b" not in call("memory", "list").out + call("memory", "search", "red").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("forget", "7"), "There is no memory 7"),
        (("edit", "7", "x"), "There is no memory 7"),
        (("add", "  "), "The text is empty"),
        (("add", "x", "--tx", "9"), "is no transaction"),
    ],
)
def test_what_is_wrong_is_told_in_one_message(call: Call, arguments: tuple[str, ...], told: str) -> None:
    done = call("memory", *arguments)
    assert done.status == 1
    assert told in done.err
