"""The settings of an open cockpit: none is missing, where each is from, and changing one changes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from tinyllm_tui.settings import Settings, load, setting_names
from tinyllm_tui.settings_desk import SettingsDesk, parsed, problem, shown
from tinyllm_tui.settings_live import AT_ONCE

FILE = """\
# mine
theme: tinyllm-light  # by day
breaker:
  # calm
  cooldown_s: 5
keys:
  map:
    chat.copy: ctrl+y
    chat.edit: ctrl+e
# the end
"""


def desk_of(folder: Path, text: str = FILE, **flags: object) -> SettingsDesk:
    file = folder / "config.yaml"
    file.write_text(text)
    return SettingsDesk(load(flags, config_file=file), flags, file)


def test_every_setting_of_the_model_has_a_row_and_nothing_else_has(tmp_path: Path) -> None:
    names = setting_names()
    leaves = [name for name in names if not any(other.startswith(f"{name}.") for other in names)]
    rows = desk_of(tmp_path).rows()
    assert sorted(row.name for row in rows) == sorted(leaves)
    assert all(row.words for row in rows)
    assert set(AT_ONCE) <= set(leaves)
    assert {row.default for row in rows if row.name == "window"} == {Settings.model_fields["window"].default}


def test_a_row_says_where_its_value_is_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLLM_MAX_STEPS", "7")
    monkeypatch.setenv("OLLAMA_HOST", "http://there:1")
    rows = {row.name: row for row in desk_of(tmp_path, theme="tinyllm-ansi").rows()}
    assert (rows["theme"].source, rows["theme"].value) == ("--theme", "tinyllm-ansi")
    assert rows["max_steps"].source == "TINYLLM_MAX_STEPS"
    assert rows["ollama_host"].source == "OLLAMA_HOST"
    assert rows["breaker.cooldown_s"].source == "config.yaml"
    assert rows["window"].source == "default"


def test_changing_a_setting_leaves_every_other_line_as_it_is(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    assert desk.change(("breaker", "cooldown_s"), 7.5).value == 7.5
    assert desk.change(("ascii",), True).value is True
    assert desk.change(("keys", "map"), {"chat.copy": "ctrl+k"}).value == {"chat.copy": "ctrl+k"}
    text = desk.file.read_text()
    assert (
        text
        == FILE.replace("cooldown_s: 5", "cooldown_s: 7.5").replace(
            "  map:\n    chat.copy: ctrl+y\n    chat.edit: ctrl+e\n", '  map: {"chat.copy": "ctrl+k"}\n'
        )
        + "ascii: true\n"
    )
    assert desk.change(("ascii",), None).source == "default"
    assert "ascii" not in desk.file.read_text()


def test_a_value_whose_comments_would_be_lost_is_left_to_the_person(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, FILE.replace("ctrl+y", "ctrl+y  # like there"))
    before = desk.file.read_text()
    with pytest.raises(ConfigurationError, match="by hand"):
        desk.change(("keys", "map"), {})
    assert desk.file.read_text() == before


def test_a_first_change_makes_a_file_that_explains_every_setting(tmp_path: Path) -> None:
    file = tmp_path / "new" / "config.yaml"
    loaded = load({})
    desk = SettingsDesk(loaded, {}, file)
    desk.loaded = type(loaded)(loaded.settings, file)
    assert desk.change(("theme",), "tinyllm-contrast").source == "config.yaml"
    assert "#cooldown_s: 60.0" in file.read_text()


@pytest.mark.parametrize(
    ("name", "text", "value", "said"),
    [
        ("window", "100", 100, "greater than or equal to 512"),
        ("window", "lots", "lots", "valid integer"),
        ("window", "1024", 1024, ""),
        ("window", "", None, ""),
        ("model", "", None, ""),
        ("openai_base_url", "", "", ""),
        ("workspace", "~/notes", "~/notes", ""),
        ("run_timeout_s", "0", 0, "greater than 0"),
        ("keys.map", "{", "{", "valid dictionary"),
        ("roles", '{"code": "x"}', {"code": "x"}, ""),
        ("ollama_api_key", "123", "123", ""),
    ],
)
def test_what_is_written_is_checked_as_the_model_says(
    name: str, text: str, value: object, said: str, tmp_path: Path
) -> None:
    row = desk_of(tmp_path).row(tuple(name.split(".")))
    assert parsed(row, text) == value
    wrong = problem(row, parsed(row, text))
    assert said in wrong if said else not wrong


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, "openai_api_key: sk-secret\nendpoints:\n- {kind: openai, address: a, api_key: sk-other}\n")
    assert not any("sk-" in shown(row.value) for row in desk.rows())
