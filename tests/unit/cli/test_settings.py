"""Settings: where values come from, and how mistakes are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.errors import ConfigurationError
from tinyllm_tui.settings import Settings, load, setting_names


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_anything_the_defaults_count(home: Path) -> None:
    loaded = load()
    assert loaded.settings.engine_config() == EngineConfig(ollama_host="http://127.0.0.1:9")  # from OLLAMA_HOST
    assert loaded.settings.graph == "multi_domain"
    assert loaded.config_file == home / "config.yaml"


def test_flags_go_before_variables_before_the_file_before_defaults(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "backend: ollama\nmodel: from-file\ntheme: from-file\nwindow: 1024\n")
    monkeypatch.setenv("TINYLLM_MODEL", "from-variable")
    monkeypatch.setenv("TINYLLM_THEME", "from-variable")
    settings = load({"theme": "from-flag"}).settings
    assert (settings.theme, settings.model, settings.backend) == ("from-flag", "from-variable", "ollama")
    assert (settings.window, settings.max_steps) == (1024, EngineConfig().max_steps)


def test_parts_of_one_group_may_come_from_different_sources(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "breaker:\n  cooldown_s: 5\n  max_probes: 1\nroles: {code: a}\n")
    monkeypatch.setenv("TINYLLM_BREAKER__MAX_PROBES", "3")
    monkeypatch.setenv("TINYLLM_ROLES__MATH", "b")
    config = load().settings.engine_config()
    assert (config.breaker.cooldown_s, config.breaker.max_probes, config.breaker.failure_threshold) == (5, 3, 3)
    assert config.roles == {"code": "a", "math": "b"}


@pytest.mark.parametrize(
    "name",
    [name for name in setting_names() if f"{name}." not in "embedded. breaker. retry. context. memory. keys. notify."],
)
def test_every_setting_has_a_variable(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "backend": "openai",
        "roles": '{"code": "x"}',
        "ascii": "true",
        "restore": "false",
        "durability": "strict",
        "recovery": "leave",
        "concurrency": "7",
        "endpoints": '[{"kind": "ollama", "address": "a"}]',
        "alerts": '[{"name": "a", "metric": "p95_ms", "above": 5}]',
        "data_dir": "/d",
        "embedded.model_path": "/m",
        "context.oversize": "refuse",
        "context.summaries": "false",
        "memory.enabled": "false",
        "memory.recall": "7",
        "title": "false",
        "notify.how": "osc9",
        "keys.preset": "vim",
        "keys.map": '{"chat.copy": "ctrl+y"}',
    }
    text_fields = ("model", "graph", "theme", "ollama_host", "ollama_api_key", "openai_base_url", "openai_api_key")
    value = values.get(name) or (
        "text" if name in text_fields else "777" if "slots" not in name and "attempts" not in name else "7"
    )
    monkeypatch.setenv("TINYLLM_" + name.upper().replace(".", "__"), value)
    loaded = load()
    assert loaded.notes == ()
    found: object = loaded.settings
    for part in name.split("."):
        found = getattr(found, part)
    default: object = Settings.model_construct()
    for part in name.split("."):
        default = getattr(default, part)
    assert found != default


def test_an_empty_variable_is_no_value(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLLM_BACKEND", "")
    assert load().settings.backend == "auto"


def test_ollamas_own_variables_are_what_counts_last(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "other:1")
    monkeypatch.setenv("OLLAMA_API_KEY", "key")
    assert load().settings.ollama_host == "other:1"
    assert load().settings.ollama_api_key == "key"
    write(home, 'ollama_host: ""\n')
    assert load().settings.ollama_host == "other:1"
    write(home, "ollama_host: mine:2\n")
    assert load().settings.ollama_host == "mine:2"
    monkeypatch.setenv("TINYLLM_OLLAMA_HOST", "variable:3")
    assert load().settings.ollama_host == "variable:3"


def test_relative_paths_in_the_file_count_from_the_file(home: Path) -> None:
    write(home, "data_dir: d\nworkspace: w\nembedded: {model_path: m.gguf}\n")
    settings = load().settings
    assert settings.data_folder == home / "d"
    assert settings.engine_config().workspace == home / "w"
    assert settings.engine_config().embedded.model_path == home / "m.gguf"


def test_a_tilde_is_the_home(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYLLM_DATA_DIR", "~/d")
    monkeypatch.setenv("TINYLLM_EMBEDDED__MODEL_PATH", "~/m.gguf")
    settings = load().settings
    assert settings.data_folder == tmp_path / "d"
    assert settings.engine_config().embedded.model_path == tmp_path / "m.gguf"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("backend: auto\nbackend: ollama\n", ["line 2", "twice"]),
        ("backend: wrong\n", ["line 1", "backend", "'wrong'", "'ollama'"]),
        ("\n\nembedded:\n  windw: 3\n", ["line 4", "embedded.windw", "did you mean embedded.window?"]),
        ("window: many\n", ["line 1", "window", "'many'", "integer"]),
        ("breaker: 3\n", ["line 1", "breaker", "is 3: it is a section", "`failure_threshold`"]),
        ("embedded: [1]\n", ["line 1", "embedded", "is [1]: it is a section", "`model_path`"]),
        ("roles: x\n", ["line 1", "roles", "is 'x': it is a section"]),
        ("window:\n", ["line 1", "window", "is empty", "integer"]),
        ("window: {a: true}\n", ["line 1", 'is {"a": true}', "integer"]),
        ("embedded: [\n", ["line 2", "not YAML"]),
        ("- a list\n", ["no settings", "name: value"]),
        ("just words\n", ["no settings"]),
        ("a: &a [*a]\n", ["itself"]),
        ("\tbackend: auto\n", ["line 1"]),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place_and_remedy(home: Path, text: str, says: list[str]) -> None:
    file = write(home, text)
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert str(file) in caught.value.message
    for words in says:
        assert words in str(caught.value)
    assert not re.search(r"Config\b|instance|dictionary|None|True", caught.value.message)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["embedded", "breaker", "retry", "context", "roles"])
def test_an_empty_section_is_its_defaults(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    defaults = load().settings
    write(home, f"{name}:\n")
    assert load().settings == defaults
    monkeypatch.setenv(f"TINYLLM_{name.upper()}", "null")
    assert load().settings == defaults


def test_a_file_that_is_no_text_is_told(home: Path) -> None:
    write(home, "").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load()


def test_an_empty_file_changes_nothing(home: Path) -> None:
    write(home, "# nothing\n")
    assert load().settings.backend == "auto"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TINYLLM_BACKEND", "gpu", "'gpu'"),
        ("TINYLLM_EMBEDDED__WINDOW", "12", "greater than or equal to 512"),
        ("TINYLLM_ROLES", "code=x", "not a JSON object"),
        ("TINYLLM_ALERTS", "slow", "not a JSON list"),
        ("TINYLLM_RETRY", '{"attempts": 0}', "greater than or equal to 1"),
        ("TINYLLM_RETRY", "3", "it is a section"),
        ("TINYLLM_RETRY__ATEMPTS", "3", "did you mean TINYLLM_RETRY__ATTEMPTS?"),
    ],
)
def test_a_wrong_variable_is_named_with_value_and_remedy(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert name in caught.value.message
    assert says in caught.value.message
    assert name in caught.value.remedy


def test_keys_are_never_shown(home: Path) -> None:
    write(home, "openai_api_key: [secret-1]\n")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert "secret-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("BAKEND", "BACKEND"),
        ("BREAKR__COOLDOWN_S", "BREAKER__COOLDOWN_S"),
        ("BREAKR__X", "BREAKER__MAX_PROBES"),
        ("EMBEDED__WINDW", "EMBEDDED__WINDOW"),
        ("RETRY_ATTEMPTS", "RETRY__ATTEMPTS"),
        ("ROLE__CODE", "ROLES__CODE"),
        ("ROLE__MATH", "ROLES__MATH"),
    ],
)
def test_a_variable_that_is_no_setting_is_noted_with_the_nearest_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, meant: str
) -> None:
    monkeypatch.setenv(f"TINYLLM_{wrong}", "3")
    assert load().notes == (f"TINYLLM_{wrong} is not a setting; did you mean TINYLLM_{meant}?",)


def test_a_variable_like_no_setting_is_noted_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLLM_QQQQ__ZZZZ", "3")
    assert load().notes == ("TINYLLM_QQQQ__ZZZZ is not a setting.",)


def test_a_named_file_must_be_there(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="There is no configuration file"):
        load(config_file=tmp_path / "absent.yaml")
    monkeypatch.setenv("TINYLLM_CONFIG", str(tmp_path / "absent.yaml"))
    with pytest.raises(ConfigurationError, match=r"absent\.yaml"):
        load()


def test_a_folder_is_no_configuration_file(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(config_file=tmp_path)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("- {name: a, metric: p95_ms}", "line 2, is"),
        ("- {name: a, metric: p95_ms}", "it needs one of `above` and `below`"),
        ("- {nmae: a, metric: p95_ms, above: 5}", "alerts.0.nmae in"),
        ("- {metric: p95_ms, above: 5}", "has no `name`, which it needs"),
        ("- {name: a, metric: p95_ms, above: 5}\n- {name: a, metric: p50_ms, above: 5}", "two alerts are called 'a'"),
    ],
)
def test_a_wrong_alert_is_told_with_its_place(rules: str, said: str, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "config.yaml").write_text(f"alerts:\n{rules}\n")
    with pytest.raises(ConfigurationError) as refused:
        load()
    assert said in str(refused.value)
