"""Pruning, sending and receiving runs, backing up, restoring and checking, from the command line."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
from pathlib import Path

import pytest

import engine
from engine.store.database import FILE_NAME
from engine.store.quick_check import quick_check
from tests.graphs import chain
from tests.unit.cli.conftest import Call


@pytest.fixture
def data(home: Path, tmp_path: Path) -> Path:
    """The data folder of the command line, with four runs."""
    folder = tmp_path / "data" / "tinyllm-tui"

    async def run() -> None:
        async with engine.open(data_dir=folder) as eng:
            for number in range(1, 5):
                await eng.start(chain(), f"Question {number}").result()

    asyncio.run(run())
    return folder


def listed(call: Call, *arguments: str) -> list[int]:
    return [row["number"] for row in json.loads(call("tx", "list", "--json", *arguments).out)]


def test_prune_says_what_goes_before_and_after(call: Call, data: Path) -> None:
    said = call("tx", "prune", "--keep", "1", "--dry-run")
    assert said.out.startswith("Would remove 3 transactions (from #1 to #3) with ")
    assert listed(call) == [4, 3, 2, 1]
    done = call("tx", "prune", "--keep", "1")
    assert done.out.startswith("Removed 3 transactions (from #1 to #3) with ")
    assert listed(call) == [4]
    assert call("tx", "prune", "--keep", "1").out == "Nothing was removed.\n"
    assert call("tx", "prune", "--keep", "1", "--dry-run").out == "Nothing would be removed.\n"
    report = json.loads(call("tx", "prune", "--older-than", "30d", "--json").out)
    assert report["numbers"] == []


def test_without_a_limit_prune_applies_the_configured_ones_and_a_dry_run_only_says_so(
    call: Call, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("tx", "prune").out == "Nothing was removed.\n"
    with monkeypatch.context() as patch:
        patch.setenv("TINYLLM_KEEP_TRANSACTIONS", "2")
        said = call("tx", "prune", "--dry-run")
    assert said.out.startswith("Would remove 2 transactions (from #1 to #2) with ")
    assert listed(call) == [4, 3, 2, 1]
    monkeypatch.setenv("TINYLLM_KEEP_TRANSACTIONS", "2")
    assert call("tx", "prune").out.startswith("Removed 2 transactions (from #1 to #2) with ")
    assert listed(call) == [4, 3]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--keep", "0"), "0 is not in the range"),
        (("--older-than", "30"), "'30' is not a time such as 30d"),
        (("--older-than", "30MB"), "'30MB' is not a time"),
        (("--max-size", "-1MB"), "'-1MB' is not a size such as 200MB"),
    ],
)
def test_prune_without_a_sensible_limit_is_wrong_usage(
    call: Call, data: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = call("tx", "prune", *arguments)
    assert (done.status, done.out) == (2, "")
    assert says in done.err
    assert listed(call) == [4, 3, 2, 1]


def test_a_run_travels_in_a_file_and_is_marked_where_it_arrives(call: Call, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    assert call("tx", "export", "3", str(file)).status == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert call("tx", "export", "#3").out == file.read_text()
    again = call("tx", "export", "3", str(file))
    assert (again.status, "--force" in again.err) == (1, True)
    elsewhere = ("--data-dir", str(tmp_path / "elsewhere"))
    assert call("tx", "import", str(file), *elsewhere).out.startswith("Imported as #1.")
    (row,) = json.loads(call("tx", "list", "--json", *elsewhere).out)
    assert (row["origin"], row["question"]) == ("imported", "Question 3")
    assert "[imported] " in call("tx", "list", *elsewhere).out
    assert "it ran elsewhere" in call("tx", "show", *elsewhere).out
    there = call("tx", "import", str(file))
    assert there.status == 1
    assert "here already, as #3" in there.err


_TAKING_FILES = (
    ("tx", "export", "1"),
    ("tx", "export", "--force", "1"),
    ("tx", "import"),
    ("db", "backup"),
    ("db", "backup", "--force"),
    ("db", "restore"),
    ("route", "eval"),
    ("route", "taught", "export"),
    ("route", "taught", "import"),
)


@pytest.mark.parametrize("command", _TAKING_FILES, ids=" ".join)
def test_an_empty_name_and_a_folder_are_no_names_of_files(
    call: Call, data: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    for name, says in (("", "the name is empty"), (str(tmp_path), f"{tmp_path} is a folder: name a file in it")):
        done = call(*command, name)
        assert (done.status, done.out) == (2, "")
        assert says in done.err
    assert listed(call) == [4, 3, 2, 1]


def test_an_empty_data_folder_is_not_the_current_one(call: Call) -> None:
    for option in ("--data-dir", "--config"):
        done = call("tx", "list", option, "")
        assert (done.status, "the name is empty" in done.err) == (2, True)


def test_what_is_no_run_is_one_message(call: Call, data: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n" * 10)
    (tmp_path / "long").write_bytes(b"x" * 100_000)
    for name, says in (("text", "no exported run"), ("long", "no exported run"), ("absent", "No such file")):
        done = call("tx", "import", str(tmp_path / name))
        assert (done.status, done.out) == (1, "")
        assert says in done.err
        assert "Remedy: " in done.err
    assert listed(call) == [4, 3, 2, 1]


def test_a_run_that_is_refused_makes_no_data_folder_and_one_from_a_pipe_is_taken(
    call: Call, data: Path, tmp_path: Path
) -> None:
    whole = call("tx", "export", "2").out
    folder = tmp_path / "new"
    into = ("--data-dir", str(folder))
    assert call("tx", "import", str(tmp_path / "absent"), *into).status == 1
    lines = whole.splitlines(keepends=True)
    for text in ("", "hello\n", "".join(lines[:-1]), whole.replace("Question 2", "Question 9"), whole + "more\n"):
        (tmp_path / "run.jsonl").write_text(text)
        done = call("tx", "import", str(tmp_path / "run.jsonl"), *into)
        assert (done.status, done.out) == (1, "")
        assert "Nothing was imported" in done.err
        assert not folder.exists()
    reading, writing = os.pipe()
    try:
        assert os.write(writing, whole.encode()) == len(whole.encode())
        os.close(writing)
        assert call("tx", "import", f"/dev/fd/{reading}", *into).out.startswith("Imported as #1.")
    finally:
        os.close(reading)
    (row,) = json.loads(call("tx", "list", "--json", *into).out)
    assert (row["origin"], row["question"]) == ("imported", "Question 2")


def test_a_backup_is_restored_and_the_present_database_kept(call: Call, data: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    done = call("db", "backup", str(backup))
    assert "4 transactions" in done.out
    assert call("db", "backup", str(backup)).status == 1
    assert call("db", "backup", str(data / FILE_NAME), "--force").status == 1, "not onto itself"
    call("tx", "prune", "--keep", "1")
    done = call("db", "restore", str(backup))
    assert done.status == 0
    assert "kept as" in done.out
    assert listed(call) == [4, 3, 2, 1]
    assert len(list(data.glob(f"{FILE_NAME}.before-restore-*"))) == 1


def test_a_backup_of_nothing_and_one_of_a_damaged_database_are_said_to_be_so(
    call: Call, data: Path, tmp_path: Path
) -> None:
    nothing = call("db", "backup", str(tmp_path / "b"), "--data-dir", str(tmp_path / "none"))
    assert (nothing.status, "no database" in nothing.err) == (1, True)
    alter(data)
    done = call("db", "backup", str(tmp_path / "b"))
    assert done.status == 1
    assert "not as it was written" in done.err
    assert (tmp_path / "b").exists()
    refused = call("db", "restore", str(tmp_path / "b"))
    assert (refused.status, "no sound backup" in refused.err) == (1, True)


def alter(data: Path) -> None:
    connection = sqlite3.connect(data / FILE_NAME)
    connection.execute("UPDATE events SET body = replace(body, 'Question 2', 'Question 9')")
    connection.commit()
    connection.close()


def test_damaged_text_of_a_list_is_noticed_by_whoever_shows_it(call: Call, data: Path) -> None:
    with sqlite3.connect(data / FILE_NAME) as connection:
        connection.execute("UPDATE transactions SET question = 'What is \ufffd?' WHERE number = 3")
    assert call("tx", "list").err == "", "a person may write that character"
    with sqlite3.connect(data / FILE_NAME) as connection:
        connection.execute("UPDATE transactions SET question = CAST(x'57ff' AS TEXT) WHERE number = 2")
    connection.close()
    for arguments in (("list",), ("list", "--json"), ("show", "2")):
        done = call("tx", *arguments)
        assert (done.status, done.err) == (0, "Note: the database is damaged: run `tinyllm-tui doctor --deep`.\n")
        assert "damaged" in done.out
    assert call("tx", "show", "3").err == ""
    doctor = call("doctor", "--json")
    (found,) = [check for check in json.loads(doctor.out)["checks"] if check["name"] == "database"]
    assert (doctor.status, found["status"], "#2" in found["detail"]) == (1, "fail", True)
    assert "doctor --deep" in found["remedy"]


def test_a_damaged_page_is_found_by_the_plain_doctor_and_a_backup_does_not_count_it(
    call: Call, data: Path, tmp_path: Path
) -> None:
    with sqlite3.connect(data / FILE_NAME) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with (data / FILE_NAME).open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\x55" * page)
    checks = json.loads(call("doctor", "--json").out)["checks"]
    assert [check["status"] for check in checks if check["name"] == "database"] == ["fail"]
    done = call("db", "backup", str(tmp_path / "copy.db"))
    assert (done.status, "could not be counted" in done.out) == (1, True)
    assert "0 transactions" not in done.out


def test_the_quick_check_ends_when_its_time_is_over(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.quick_check._STEPS", 1)
    with sqlite3.connect(data / FILE_NAME) as connection:
        connection.execute("UPDATE transactions SET question = CAST(x'57ff' AS TEXT) WHERE number = 4")
    connection.close()
    assert "#4" in quick_check(data / FILE_NAME, 600)
    assert quick_check(data / FILE_NAME, -1) == ""


def test_the_doctor_looks_into_the_database_when_asked(
    call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYLLM_EMBEDDED__MODEL_PATH", str(tmp_path / "absent.gguf"))

    def database(*arguments: str) -> list[dict[str, str]]:
        checks = json.loads(call("doctor", "--json", *arguments).out)["checks"]
        return [check for check in checks if check["name"] == "database"]

    assert database() == []
    (sound,) = database("--deep")
    assert (sound["status"], "4 transactions" in sound["detail"]) == ("ok", True)
    alter(data)
    found = database("--deep")
    assert {check["status"] for check in found} == {"fail"}
    assert all("db restore" in check["remedy"] for check in found)
    os.truncate(data / FILE_NAME, 0)
    (empty,) = database("--deep")
    assert "The file is empty." in empty["detail"]
