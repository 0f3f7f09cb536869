"""`graph diff` and `graph history`: exit statuses as `diff` has them, and text that needs no colour."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

import engine
from engine.store.database import FILE_NAME
from tests.unit.cli.conftest import Call

ECHO = """\
id: graph.echo
version: {version}
description: {description}
nodes: [{{id: start, type: entry}}, {{id: answer, type: exit}}]
edges: [{{from_node: start, to_node: answer}}]
"""
PROMPTED = """\
id: graph.prompted
nodes:
  - {{id: start, type: entry}}
  - {{id: {name}, type: model, config: {{prompt_id: careful}}}}
  - {{id: answer, type: exit}}
edges:
  - {{from_node: start, to_node: {name}}}
  - {{from_node: {name}, to_node: answer, condition: "len(content) > {least}"}}
prompts:
  careful:
    id: careful
    system: |
      You are careful.
      {line}
      You say when you are not sure.
"""
RECORDED = Path(__file__).parents[2] / "data" / "store_version_1.sqlite"


@pytest.fixture
def ran(home: Path, tmp_path: Path) -> Path:
    """A store in which two revisions of `echo` ran, the first of them twice; the file holds the second."""
    file = tmp_path / "echo.yaml"

    async def run() -> None:
        async with engine.open(data_dir=tmp_path / "data" / "tinyllm-tui") as eng:
            first = engine.GraphSpec.model_validate(engine.load_graph(file).model_dump())
            file.write_text(ECHO.format(version="1.1.0", description="second"))
            for graph in (first, first, engine.load_graph(file)):
                await eng.start(graph, "Why?").result()

    file.write_text(ECHO.format(version="1.0.0", description="first"))
    asyncio.run(run())
    return file


def hashes(call: Call) -> list[str]:
    return [row["hash"] for row in json.loads(call("graph", "history", "--json").out)]


# -- history -----------------------------------------------------------------------------------------------------------


def test_history_lists_the_revision_used_last_first(call: Call, ran: Path) -> None:
    done = call("graph", "history")
    assert (done.status, done.err) == (0, "")
    heading, second, first = (re.split(r"  +", line) for line in done.out.splitlines())
    assert heading == ["HASH", "VERSION", "FIRST SEEN", "LAST USED", "RUNS", "GRAPH"]
    assert (second[1], second[-2:]) == ("1.1.0", ["1", "graph.echo"])
    assert (first[1], first[-2:]) == ("1.0.0", ["2", "graph.echo"])
    assert [each[0] for each in (second, first)] == [hash_[:12] for hash_ in hashes(call)]
    rows = json.loads(call("graph", "history", "--json").out)
    assert set(rows[0]) == {"hash", "graph_id", "version", "name", "first_seen_ms", "last_used_ms", "runs"}
    assert len(rows[0]["hash"]) == 64


@pytest.mark.parametrize("name", ["echo", "graph.echo", "FILE"])
def test_history_takes_a_name_an_id_or_a_file(call: Call, ran: Path, name: str) -> None:
    rows = json.loads(call("graph", "history", str(ran) if name == "FILE" else name, "--json").out)
    assert [row["version"] for row in rows] == ["1.1.0", "1.0.0"]


def test_history_of_a_graph_that_has_not_run_is_empty_and_of_an_unknown_one_an_error(call: Call, ran: Path) -> None:
    quiet = call("graph", "history", "quick")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "quick has not run yet.\n")
    assert call("graph", "history", "quick", "--json").out == "[]\n"
    unknown = call("graph", "history", "quikc")
    assert (unknown.status, unknown.out) == (1, "")
    error, remedy = unknown.err.splitlines()
    assert error == "Error: There is no graph named `quikc`."
    assert "Did you mean `quick`?" in remedy


def test_history_of_an_empty_store_says_so(call: Call) -> None:
    done = call("graph", "history")
    assert (done.status, done.out, done.err) == (0, "", "No graph has run yet.\n")


def test_a_store_of_an_older_program_is_brought_up_to_date_with_a_notice(call: Call, tmp_path: Path) -> None:
    shutil.copyfile(RECORDED, tmp_path / FILE_NAME)
    done = call("graph", "history", "notes", "--data-dir", str(tmp_path))
    assert len(done.out.splitlines()) == 3
    assert done.err.startswith("Note: The database was brought up to date")
    assert len(call("tx", "list", "--data-dir", str(tmp_path)).out.splitlines()) == 6
    same = call("graph", "diff", "#1", "924e5b006585", "--data-dir", str(tmp_path))
    assert (same.status, same.out) == (0, "#1 and 924e5b006585 are equal.\n")


# -- diff --------------------------------------------------------------------------------------------------------------


def test_a_graph_is_equal_to_itself_with_status_0(call: Call, ran: Path) -> None:
    newest, oldest = hashes(call)
    for old, new in [("quick", "quick"), ("#1", "#2"), (oldest[:4], "#1"), (str(ran), newest), (newest.upper(), "#3")]:
        done = call("graph", "diff", old, new)
        assert (done.status, done.out, done.err) == (0, f"{old} and {new} are equal.\n", "")
    told = json.loads(call("graph", "diff", "#1", "#2", "--json").out)
    assert told["equal"] is True
    assert told["nodes"] == []


def test_graphs_that_differ_have_status_1_and_name_both_sides(call: Call, ran: Path) -> None:
    done = call("graph", "diff", "#1", str(ran))
    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines() == [
        "--- #1: graph.echo 1.0.0",
        f"+++ {ran}: graph.echo 1.1.0",
        "graph",
        '    ~ version: "1.0.0" -> "1.1.0"',
        '    ~ description: "first" -> "second"',
    ]
    told = json.loads(call("graph", "diff", "#1", str(ran), "--json").out)
    assert told["equal"] is False
    assert told["old"] == {"reference": "#1", "id": "graph.echo", "version": "1.0.0"}
    assert told["fields"][0] == {"field": "version", "kind": "changed", "old": "1.0.0", "new": "1.1.0"}


def test_every_kind_of_change_is_one_that_can_be_read_without_colour(call: Call, tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(PROMPTED.format(name="talk", least=0, line="You are brief."))
    new.write_text(PROMPTED.format(name="chat", least=9, line="You are brief and kind."))
    renamed = new.with_name("renamed.yaml")
    renamed.write_text(PROMPTED.format(name="chat", least=0, line="You are brief."))
    assert call("graph", "diff", str(old), str(renamed)).out.splitlines()[2:] == [
        "nodes",
        "    ~ chat (model), renamed from talk",
    ]
    assert call("graph", "diff", str(renamed), str(new)).out.splitlines()[2:] == [
        "edges",
        "    ~ chat -> answer if len(content) > 9",
        '        ~ condition: "len(content) > 0" -> "len(content) > 9"',
        "prompts",
        "    ~ careful",
        "        ~ system:",
        "            ...",
        "              You are careful.",
        "            - You are brief.",
        "            + You are brief and kind.",
        "              You say when you are not sure.",
    ]
    both = call("graph", "diff", str(old), str(new)).out
    assert both.isascii()
    assert '    - talk (model)\n        - config.prompt_id: "careful"\n' in both
    assert '    + chat (model)\n        + config.prompt_id: "careful"\n' in both
    assert "    + chat -> answer if len(content) > 9\n" in both


@pytest.mark.parametrize(
    ("reference", "says", "remedy"),
    [
        ("quikc", "no graph named `quikc`", "Did you mean `quick`?"),
        ("42", "no graph named `42`", "a transaction as '#42'"),
        ("#42", "'#42' is no transaction", "tx list"),
        ("deadbeef", "'deadbeef' is no revision", "graph history"),
        ("./missing.yaml", "no such file", "Check the path"),
        ("", "no graph named ``", "Choose from"),
    ],
)
def test_what_is_no_graph_is_one_message_with_a_remedy_and_status_2(
    call: Call, reference: str, says: str, remedy: str
) -> None:
    for arguments in (["quick", reference], [reference, "quick", "--json"]):
        done = call("graph", "diff", *arguments)
        assert (done.status, done.out) == (2, "")
        error, helped = done.err.splitlines()
        assert says in error
        assert helped.startswith("Remedy: ")
        assert remedy in helped


def test_a_broken_file_and_broken_settings_are_status_2_too(call: Call, home: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("id: g\nnodes: 7\n")
    done = call("graph", "diff", "quick", str(tmp_path / "wrong.yaml"))
    assert (done.status, done.out) == (2, "")
    assert "line 2" in done.err
    home.mkdir(parents=True)
    (home / "config.yaml").write_text("backend: gpu\n")
    assert call("graph", "diff", "quick", "quick").status == 2


def test_files_are_compared_without_a_store(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert call("graph", "diff", "quick", "multi_domain", "--data-dir", str(tmp_path / "file")).status == 1
    assert call("graph", "diff", "quick", "#1", "--data-dir", str(tmp_path / "file")).status == 2
    assert not (tmp_path / "data").exists()


# -- validate ----------------------------------------------------------------------------------------------------------


def test_validate_tells_machines_the_place_the_fault_and_the_remedy_of_every_file(call: Call, tmp_path: Path) -> None:
    wrong, unreadable = tmp_path / "wrong.yaml", tmp_path / "unreadable.yaml"
    wrong.write_text("id: g\nnodes:\n  - {id: a, type: entry}\n  - {id: b, type: modle}\n")
    unreadable.write_bytes(b"id: g\nname: \xff\n")
    done = call("graph", "validate", "--json", str(wrong), "quick", str(unreadable))
    assert done.status == 1
    first, quick, second = json.loads(done.out)
    assert (first["graph"], quick) == (str(wrong), {"graph": "quick", "valid": True, "problems": [], "warnings": []})
    (problem,) = first["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == (str(wrong), 4, 13)
    assert "`modle`" in problem["message"]
    assert problem["remedy"] == "Did you mean `model`?"
    (problem,) = second["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == (str(unreadable), 2, 7)
    assert problem["remedy"]
