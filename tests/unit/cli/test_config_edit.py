"""Settings are changed in a person's file without touching anything else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.graph.source import read_yaml
from tinyllm_tui.cli.init import commented_config
from tinyllm_tui.config_edit import Changes, change_file, changed_text

FILE = Path("config.yaml")


def changed(text: str, changes: Changes) -> str:
    return changed_text(text, changes, FILE)


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ("", {("model",): "m:1b"}, 'model: "m:1b"\n'),
        ("graph: quick", {("model",): "m"}, 'graph: quick\nmodel: "m"\n'),
        ("model: a  # mine\ngraph: quick\n", {("model",): "b"}, 'model: "b"  # mine\ngraph: quick\n'),
        ("graph: quick\nmodel: a\nwindow: 900\n", {("model",): None}, "graph: quick\nwindow: 900\n"),
        ("model: a  # mine\n", {("model",): None}, "#model: a  # mine\n"),
        ("# x\n#model: null\n\n#roles\n", {("model",): "b"}, '# x\n#model: null\nmodel: "b"\n\n#roles\n'),
        ("model:\ngraph: quick\n", {("model",): "b"}, 'model: "b"\ngraph: quick\n'),
        ("graph: quick\n", {("model",): None}, "graph: quick\n"),
        ("graph: quick\n", {("roles", "code"): "c"}, 'graph: quick\nroles:\n  code: "c"\n'),
        ("roles:\n   code: a # x\n   math: m\n", {("roles", "code"): "c"}, 'roles:\n   code: "c" # x\n   math: m\n'),
        (
            "roles:\n    math: m # x\nwindow: 900\n",
            {("roles", "code"): "c"},
            'roles:\n    math: m # x\n    code: "c"\nwindow: 900\n',
        ),
        ("roles:\n  code: a\n  math: m\n", {("roles", "code"): None}, "roles:\n  math: m\n"),
        ("roles:\n  code: a\nwindow: 900\n", {("roles", "code"): None}, "roles:\nwindow: 900\n"),
        ("roles:\n\nwindow: 900\n", {("roles", "code"): "c"}, 'roles:\n  code: "c"\n\nwindow: 900\n'),
        ("roles: null # x\nwindow: 900\n", {("roles", "code"): "c"}, 'roles: # x\n  code: "c"\nwindow: 900\n'),
        ("roles: {}\n", {("roles", "code"): "c"}, 'roles: {"code": "c"}\n'),
        ("roles: {math: m, code: a} # x\n", {("roles", "code"): "c"}, 'roles: {"math": "m", "code": "c"} # x\n'),
        ("roles: {math: m, code: a}\n", {("roles", "code"): None}, 'roles: {"math": "m"}\n'),
        ("model: a\r\n", {("roles", "code"): "c"}, 'model: a\r\nroles:\r\n  code: "c"\r\n'),
        ("roles:\r\n  math: a\r\nwindow: 900\r\n", {("roles", "code"): "c"},
         'roles:\r\n  math: a\r\n  code: "c"\r\nwindow: 900\r\n'),
    ],
)  # fmt: skip
def test_only_the_lines_that_must_change_do(before: str, changes: Changes, after: str) -> None:
    assert changed(before, changes) == after


def test_in_the_file_that_init_writes_each_setting_goes_below_its_explanation_and_away_again() -> None:
    text = commented_config()
    changes = {("model",): "m", ("roles", "code"): "c", ("roles", "judge"): "j"}
    once = changed(text, changes)
    assert '#model: null\nmodel: "m"\n' in once
    assert '  #code: "qwen2.5:3b"\n  code: "c"\n  #math:' in once
    assert read_yaml(once, "").data["roles"] == {"code": "c", "judge": "j"}
    assert changed(once, dict.fromkeys(changes)) == text


@pytest.mark.parametrize(
    "text",
    [
        "{graph: quick}",
        "graph: quick\n...\n",
        "model: |\n  a\n  b\ngraph: quick\n",
        "roles: {math: m, # mine\n  code: a}\n",
        "model: &name a\nroles: {code: *name}\n",
        "- a\n",
        "model: a\nmodel: b\n",
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_left_alone_with_what_to_write(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        change_file(file, {("model",): "new", ("roles", "code"): "c"})
    assert 'set model to "new"; set roles.code to "c"' in caught.value.remedy
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_is_private_and_one_that_is_there_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    new = tmp_path / "folder" / "config.yaml"
    change_file(new, {("model",): "m"}, new="# begin\n")
    assert new.read_text() == '# begin\nmodel: "m"\n'
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    real = tmp_path / "real.yaml"
    real.write_text("graph: quick\n")
    real.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(real)
    change_file(link, {("model",): "m"})
    assert link.is_symlink()
    assert real.read_text() == 'graph: quick\nmodel: "m"\n'
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_folder_in_the_place_of_the_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        change_file(tmp_path, {("model",): "m"})
    assert caught.value.remedy
