"""The doctor: a finding and a remedy for everything, and never a failure of its own."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import NOWHERE, Call
from tests.unit.models.test_gguf import PAIRS, gguf


def checks(call: Call, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = call("doctor", "--json", *arguments)
    found = json.loads(done.out)
    assert found["ok"] == (done.status == 0)
    for check in found["checks"]:
        assert check["remedy"] or check["status"] in ("ok", "info"), check
    return done.status, {check["name"]: check for check in found["checks"]}


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYLLM_EMBEDDED__MODEL_PATH", str(tmp_path / "absent.gguf"))


def test_without_any_model_it_names_what_is_missing_and_the_remedy(call: Call, no_model: None) -> None:
    status, found = checks(call)
    assert status == 1
    assert found["backend"]["status"] == "fail"
    assert "absent.gguf" in found["embedded"]["detail"]
    assert NOWHERE in found["ollama"]["detail"]
    assert found["backend"]["remedy"].startswith("Correct the path in `embedded.model_path`")
    for name in ("python", "sqlite", "data folder", "graph", "theme"):
        assert found[name]["status"] == "ok", found[name]


def test_the_text_has_a_line_for_every_finding_and_its_remedy(call: Call, no_model: None) -> None:
    done = call("doctor")
    assert done.status == 1
    assert any(line.startswith("FAIL backend ") for line in done.out.splitlines())
    assert "remedy: " in done.out
    assert "cannot be answered" in done.out


def test_a_wrong_setting_is_a_finding_and_the_rest_is_still_examined(call: Call, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "config.yaml").write_text("backend: gpu\n")
    status, found = checks(call)
    assert status == 1
    assert "'gpu'" in found["settings"]["detail"]
    assert found["python"]["status"] == "ok"


def test_an_unknown_graph_or_theme_is_found(call: Call, no_model: None) -> None:
    _, found = checks(call, "--graph", "nonsense", "--config", "/dev/null")
    assert found["graph"]["status"] == "fail"
    assert "multi_domain" in found["graph"]["remedy"]


def test_an_unknown_theme_is_a_warning_with_the_known_ones(
    call: Call, no_model: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYLLM_THEME", "nonsense")
    _, found = checks(call)
    assert found["theme"]["status"] == "warn"
    assert "tinyllm-dark" in found["theme"]["remedy"]


def test_a_data_folder_that_cannot_be_made_is_found(call: Call, no_model: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _, found = checks(call, "--data-dir", str(tmp_path / "file" / "below"))
    assert found["data folder"]["status"] == "fail"
    assert "TINYLLM_DATA_DIR" in found["data folder"]["remedy"]


def test_a_data_folder_that_others_can_read_is_a_warning(call: Call, no_model: None, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    done = json.loads(call("doctor", "--json", "--data-dir", str(folder)).out)
    warned = [check for check in done["checks"] if check["name"] == "data folder" and check["status"] == "warn"]
    assert any("chmod 700" in check["remedy"] for check in warned)


@pytest.mark.parametrize(
    ("folder", "status", "says"),
    [
        ("notes", "ok", "file tools may look at it"),
        ("absent", "fail", "is no folder"),
        ("file", "fail", "is no folder"),
        ("store/inside", "warn", "inside the data folder"),
        ("", "warn", "around the data folder"),
    ],
)
def test_the_workspace_is_a_folder_apart_from_the_data_folder(
    call: Call, no_model: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, status: str, says: str
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "store" / "inside").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYLLM_WORKSPACE", str(tmp_path / folder))
    _, found = checks(call, "--data-dir", str(tmp_path / "store"))
    assert found["workspace"]["status"] == status
    assert says in found["workspace"]["detail"]


@pytest.mark.parametrize(("denied", "status"), [(os.R_OK, "warn"), (os.W_OK, "info")])
def test_a_workspace_that_may_not_be_read_or_changed_is_told(
    call: Call, no_model: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, denied: int, status: str
) -> None:
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("TINYLLM_WORKSPACE", str(tmp_path / "notes"))
    # root, as which tests may run, is denied nothing
    monkeypatch.setattr("tinyllm_tui.doctor.files.os.access", lambda _path, mode: not mode & denied)
    assert checks(call)[1]["workspace"]["status"] == status


def test_without_a_workspace_the_doctor_says_that_file_tools_are_off(call: Call, no_model: None) -> None:
    assert checks(call)[1]["workspace"]["detail"] == "none: file tools are off"


def test_looking_makes_no_folder_and_no_database(call: Call, no_model: None, tmp_path: Path) -> None:
    checks(call, "--data-dir", str(tmp_path / "later"))
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize(
    ("environment", "status", "says"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "ok", "16 million"),
        ({"TERM": "screen-256color", "COLORTERM": ""}, "ok", "256 colours"),
        ({"TERM": "xterm", "COLORTERM": ""}, "info", "16 colours"),
        ({"TERM": "dumb", "COLORTERM": ""}, "warn", "TERM=dumb"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "info", "NO_COLOR"),
    ],
)
def test_the_terminal_is_judged_by_what_it_announces(
    call: Call, no_model: None, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], status: str, says: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _, found = checks(call)
    assert found["terminal"]["status"] == status
    assert says in found["terminal"]["detail"]


def test_an_old_sqlite_is_a_failure(call: Call, no_model: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.0")
    status, found = checks(call)
    assert status == 1
    assert found["sqlite"]["status"] == "fail"
    assert "3.38" in found["sqlite"]["remedy"]


def test_a_check_that_breaks_is_a_finding_and_no_traceback(
    call: Call, no_model: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_path: object) -> object:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("shutil.disk_usage", explode)
    status, found = checks(call)
    assert status == 1
    assert "Input/output error" in found["data folder"]["detail"]
    assert found["graph"]["status"] == "ok"


def test_a_backend_that_was_asked_for_and_is_not_there_is_a_failure(call: Call) -> None:
    status, found = checks(call, "--backend", "ollama")
    assert status == 1
    assert found["ollama"]["status"] == "fail"
    status, found = checks(call, "--backend", "openai")
    assert status == 1
    assert "openai_base_url" in found["openai"]["remedy"]


@pytest.mark.embedded
def test_with_the_embedded_model_all_is_well_and_every_role_has_a_model(call: Call) -> None:
    status, found = checks(call)
    assert status == 0
    assert "started in" in found["backend"]["detail"]
    assert "smollm2:135m (chat) takes" in found["memory"]["detail"]
    for role in ("router", "code", "math", "general", "worker", "judge"):
        assert found[f"role @{role}"]["detail"].startswith("smollm2:135m")
    assert found["ollama"]["status"] == "info"


@pytest.mark.embedded
def test_a_role_without_its_model_is_a_failure_where_the_graph_needs_it(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYLLM_ROLES__GENERAL", "absent:7b")
    monkeypatch.setenv("TINYLLM_ROLES__JUDGE", "absent:70b")
    status, found = checks(call, "--graph", "quick")
    assert status == 1
    assert found["role @general"]["status"] == "fail"
    assert "absent:7b" in found["role @general"]["detail"]
    assert found["role @judge"]["status"] == "warn"


@pytest.mark.embedded
def test_the_folder_of_models_is_told_with_what_is_in_it_and_what_models_take(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "tinyllm-tui" / "models"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    (folder / "a.gguf").write_bytes(bytes(5_000_000))  # no model, but it takes its place
    (folder / ".b.gguf.part").write_bytes(bytes(2_000_000))
    (folder / "notes.txt").write_text("mine")
    _, found = checks(call, "--backend", "openai")
    assert "models folder" not in found, "it is the embedded backend's"
    _, found = checks(call, "--backend", "embedded")
    detail = found["models folder"]["detail"]
    assert detail.startswith(f"{folder}: 1 fetched, 5 MB; ")
    assert "1 fetched in part, 2 MB" in detail
    free = re.search(r"[\d.]+ [KMGT]?B free", detail)
    assert free is not None
    assert free[0] in found["data folder"]["detail"], "the same disk is told in the same way"
    assert re.search(r"smollm2:135m 98 MB, about \d+ MB in memory when loaded", found["models"]["detail"])


@pytest.mark.embedded
def test_the_model_that_will_answer_is_the_one_that_is_started(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine-3b.gguf").write_bytes(gguf(*PAIRS))  # it has no tensors: it cannot be loaded
    monkeypatch.setenv("TINYLLM_BACKEND", "embedded")
    monkeypatch.setenv("TINYLLM_EMBEDDED__MODELS_DIR", str(tmp_path / "models"))
    status, found = checks(call)
    assert (status, found["backend"]["status"]) == (1, "fail")
    assert "mine-3b.gguf" in found["backend"]["remedy"]
    status, found = checks(call, "--model", "smollm2:135m")
    assert (status, found["backend"]["status"]) == (0, "ok")
