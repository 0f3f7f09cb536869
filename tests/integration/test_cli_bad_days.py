"""Bad days of the command line: no model, and data folders that cannot be written."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli_process import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, {"TINYLLM_GRAPH": "quick"})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of one megabyte of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def make_read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)


def fill(place: Path) -> None:
    with (place / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    assert os.statvfs(place).f_bavail == 0


@pytest.mark.parametrize("arguments", [["run", "hi"], ["chat", "--plain"], ["tx", "list"]])
def test_a_read_only_data_folder_is_told_with_the_remedy(home: Home, small_disk: Path, arguments: list[str]) -> None:
    make_read_only(small_disk)
    done = home.call(*arguments, "--data-dir", str(small_disk), stdin="hi\n")
    assert (done.status, done.out) == (1, "")
    assert f"The data folder {small_disk} cannot be written" in done.err
    assert "TINYLLM_DATA_DIR" in done.err


@pytest.mark.parametrize("arguments", [["run", "hi"], ["chat", "--plain"], ["tx", "list"]])
def test_a_full_data_folder_is_told_with_the_remedy(home: Home, small_disk: Path, arguments: list[str]) -> None:
    fill(small_disk)
    done = home.call(*arguments, "--data-dir", str(small_disk), stdin="hi\n")
    assert (done.status, done.out) == (1, "")
    assert "is full" in done.err
    assert "Free some space" in done.err


@pytest.mark.embedded
def test_a_disk_that_fills_up_between_two_runs_loses_nothing_and_is_told(home: Home, small_disk: Path) -> None:
    home.variables["TINYLLM_DATA_DIR"] = str(small_disk)
    assert home.call("run", "hi").status == 0
    fill(small_disk)
    done = home.call("run", "hi")
    assert (done.status, done.out) == (1, "")
    assert "is full" in done.err
    (small_disk / "filler").unlink()
    assert home.call("run", "hi").status == 0
    assert [row["status"] for row in home.transactions()][-1] == "committed"


@pytest.mark.parametrize("prepare", [make_read_only, fill])
def test_the_doctor_finds_a_folder_that_cannot_be_written(home: Home, small_disk: Path, prepare: object) -> None:
    assert callable(prepare)
    prepare(small_disk)
    done = home.call("doctor", "--json", "--data-dir", str(small_disk))
    found = {check["name"]: check for check in json.loads(done.out)["checks"]}
    assert done.status == 1
    assert found["data folder"]["status"] == "fail"
    assert "--data-dir" in found["data folder"]["remedy"]


def test_with_a_wrong_model_path_the_message_names_what_was_tried_and_the_path_to_correct(
    home: Home, tmp_path: Path
) -> None:
    home.variables["TINYLLM_EMBEDDED__MODEL_PATH"] = str(tmp_path / "absent.gguf")
    done = home.call("run", "hi")
    assert (done.status, done.out) == (1, "")
    assert "http://127.0.0.1:9" in done.err
    assert "absent.gguf" in done.err
    assert "Remedy: Correct the path" in done.err
    assert home.call("models", "list").status == 1
    assert home.call("models", "tiers").status == 1


def test_a_malformed_graph_is_told_with_its_place(home: Home, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("id: x\nnodes: [\n")
    done = home.call("run", "--graph", str(tmp_path / "wrong.yaml"), "hi")
    assert (done.status, done.out) == (1, "")
    assert "wrong.yaml, line 3" in done.err
