"""`tinyllm-tui session`: conversations listed, searched, shown, renamed, deleted and exported by words alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

import engine
from tests.graphs import chain
from tests.unit.cli.conftest import Call

HOSTILE = "a quokka \x1b[31m"


@pytest.fixture
def zoo(home: Path, tmp_path: Path) -> str:
    """The id of the session `zoo` in the store of the command line; a run without a session came before it."""

    async def ask() -> str:
        async with engine.open(data_dir=tmp_path / "data" / "tinyllm-tui") as eng:
            await eng.start(chain(), "alone").result()
            row = await eng.create_session("zoo")
            for question in ("What is a quokka?", HOSTILE):
                await eng.start(chain(), question, session=row.id).result()
            return row.id

    return asyncio.run(ask())


def test_sessions_are_listed_with_what_names_them(call: Call, zoo: str) -> None:
    done = call("session", "list")
    assert (done.status, done.err) == (0, "")
    heading, row = done.out.splitlines()
    assert heading.split() == ["ID", "LAST", "USED", "MESSAGES", "MEMORY", "NAME"]
    assert row.startswith(zoo[:8])
    assert row.split()[-3:] == ["4", "on", "zoo"]
    (told,) = json.loads(call("session", "list", "--json").out)
    assert (told["id"], told["name"], told["messages"], told["memory"]) == (zoo, "zoo", 4, True)


def test_without_sessions_a_list_says_so(call: Call) -> None:
    done = call("session", "list")
    assert (done.status, done.out, done.err) == (0, "", "There are no sessions yet.\n")
    assert json.loads(call("session", "list", "--json").out) == []


def test_a_search_shows_the_session_the_transaction_and_the_place(call: Call, zoo: str) -> None:
    done = call("session", "search", "QUOKKA what")
    assert done.status == 0
    rows = [line.split() for line in done.out.splitlines()[1:]]
    assert sorted(row[3] for row in rows) == ["answer", "question"]
    assert all(row[:3] == [zoo[:8], "zoo", "#2"] for row in rows)
    assert all(row[4:] == ["What", "is", "a", "quokka?"] for row in rows)
    hits = json.loads(call("session", "search", "quokka", "--limit", "3", "--json").out)
    assert len(hits) == 3
    assert set(hits[0]) == {
        "session", "transaction", "name", "role", "number", "content", "snippet", "created_ms",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["absent", '"', "", "NEAR("])
def test_a_search_that_finds_nothing_says_so(call: Call, zoo: str, text: str) -> None:
    del zoo
    done = call("session", "search", text)
    assert (done.status, done.out, done.err) == (0, "", "Nothing was found.\n")


def test_nothing_of_what_was_said_reaches_a_table_as_it_is(call: Call, zoo: str) -> None:
    del zoo
    assert "\x1b" not in call("session", "search", "quokka").out


@pytest.mark.parametrize("reference", ["zoo", "id", "beginning"])
def test_a_session_is_shown_by_each_reference(call: Call, zoo: str, reference: str) -> None:
    wanted = {"zoo": "zoo", "id": zoo, "beginning": zoo[:8]}[reference]
    done = call("session", "show", wanted)
    assert done.status == 0
    assert "question  #2" in done.out
    assert "  What is a quokka?" in done.out
    told = json.loads(call("session", "show", wanted, "--json").out)
    assert [each["number"] for each in told["messages"]] == [2, 2, 3, 3]
    listed = json.loads(call("tx", "list", "--session", wanted, "--json").out)
    assert [row["number"] for row in listed] == [3, 2], "other commands take the same references"


@pytest.mark.parametrize(
    "command", [("show",), ("rename", "x"), ("delete", "--yes"), ("export",), ("memory", "off")], ids=lambda c: c[0]
)
def test_a_session_that_is_not_there_is_told_with_the_remedy(call: Call, zoo: str, command: tuple[str, ...]) -> None:
    del zoo
    done = call("session", command[0], "absent", *command[1:])
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines() == [
        "Error: There is no session 'absent'.",
        "Remedy: `tinyllm-tui session list` shows the sessions.",
    ]


def test_a_name_that_fits_two_sessions_is_told(call: Call, zoo: str, tmp_path: Path) -> None:
    del zoo

    async def another() -> None:
        async with engine.open(data_dir=tmp_path / "data" / "tinyllm-tui") as eng:
            await eng.create_session("zoo")

    asyncio.run(another())
    for command in (("session", "show", "zoo"), ("run", "--session", "zoo", "hi")):
        done = call(*command)
        assert (done.status, done.out) == (1, "")
        assert "'zoo' fits 2 sessions." in done.err


def test_a_session_begins_with_a_name_that_no_other_one_has(call: Call, zoo: str) -> None:
    done = call("session", "new", "my\x1b[31m plants")
    (told,) = [row for row in json.loads(call("session", "list", "--json").out) if row["id"] != zoo]
    assert (told["name"], told["messages"]) == ("my plants", 0)
    assert (done.status, done.out) == (0, f"Session {told['id'][:8]} is called my plants.\n")
    for name, why in (("zoo", "There is a session 'zoo' already."), (" ", "The name is empty.")):
        done = call("session", "new", name)
        assert (done.status, done.out) == (1, "")
        assert why in done.err
    assert len(json.loads(call("session", "list", "--json").out)) == 2


def test_a_session_is_renamed_and_its_memory_turned_off(call: Call, zoo: str) -> None:
    done = call("session", "rename", "zoo", "my animals")
    assert (done.status, done.out) == (0, f"Session {zoo[:8]} is called my animals.\n")
    done = call("session", "memory", "my animals", "off")
    assert (done.status, done.out) == (0, "Long-term memory is off for the session my animals.\n")
    (told,) = json.loads(call("session", "list", "--json").out)
    assert (told["name"], told["memory"]) == ("my animals", False)
    assert call("session", "rename", zoo, " ").status == 1


def test_a_session_is_deleted_only_where_somebody_says_so(call: Call, zoo: str) -> None:
    done = call("session", "delete", "zoo")
    assert (done.status, done.out) == (1, "")
    assert "4 messages" in done.err
    assert "--yes" in done.err
    assert call("session", "show", zoo).status == 0
    done = call("session", "delete", "zoo", "--yes")
    assert (done.status, done.out) == (0, "Deleted the session zoo.\n")
    assert call("session", "show", zoo).status == 1
    assert call("session", "search", "quokka").out == ""
    assert len(json.loads(call("tx", "list", "--json").out)) == 3, "the transactions stay"


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("\n", False)])
def test_on_a_terminal_it_asks_and_enter_means_no(
    call: Call, zoo: str, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool
) -> None:
    del zoo
    monkeypatch.setattr("tinyllm_tui.cli.session.output.is_terminal", lambda stream: stream.readable())
    done = call("session", "delete", "zoo", stdin=answer)
    assert done.status == (0 if gone else 1)
    assert (json.loads(call("session", "list", "--json").out) == []) == gone


def test_an_export_goes_to_stdout_or_a_file_that_is_not_overwritten(call: Call, zoo: str, tmp_path: Path) -> None:
    done = call("session", "export", "zoo")
    assert done.status == 0
    assert done.out.startswith("# Session zoo\n")
    file = tmp_path / "zoo.json"
    done = call("session", "export", zoo, str(file), "--format", "json")
    assert (done.status, done.out) == (0, "")
    assert [each["content"] for each in json.loads(file.read_text())["messages"]][2] == HOSTILE
    again = call("session", "export", zoo, str(file), "--format", "json")
    assert again.status == 1
    assert "--force" in again.err
    assert call("session", "export", zoo, str(file), "--format", "json", "--force").status == 0


def test_a_session_is_not_summarised_by_a_model_that_is_too_small(call: Call, zoo: str) -> None:
    result = call("session", "summarise", "zoo")
    assert result.status == 1
    assert "at least a billion parameters" in result.err
    assert "models use summariser" in result.err
