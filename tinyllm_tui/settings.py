"""Settings: flags over `TINYLLM_*` variables over the configuration file over defaults, with every mistake named."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

import platformdirs
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from engine.config import EngineConfig
from engine.errors import ConfigurationError
from engine.graph.problems import GraphError
from engine.graph.source import MAX_BYTES, Document, read_yaml
from tinyllm_tui.face_config import AlertRule, KeysConfig, NotifyConfig

APP = "tinyllm-tui"
PREFIX = "TINYLLM_"
CONFIG_VARIABLE = "TINYLLM_CONFIG"
SECRETS = frozenset({"ollama_api_key", "openai_api_key"})
"""Settings whose values are never shown."""
_FALLBACKS = ("ollama_host", "ollama_api_key")
"""Settings that Ollama's own variables give where nothing else does; empty in the file means that it does not."""


class Settings(EngineConfig, BaseSettings):
    """Every setting: those of the engine, and those of the face."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", frozen=True
    )

    data_dir: Path | None = Field(default=None, description="folder of the database; default: the user's data folder")
    graph: str = Field(default="multi_domain", description="graph that answers: a name, or the path of a YAML file")
    theme: str = Field(default="tinyllm-dark", description="theme of the cockpit")
    ascii: bool = Field(default=False, description="draw with ASCII characters only")
    restore: bool = Field(default=True, description="the cockpit goes on with the session that was used last")
    title: bool = Field(default=True, description="the title of the terminal says what is being answered")
    notify: NotifyConfig = Field(
        default_factory=NotifyConfig, description="saying that a long run is over, while the terminal is not looked at"
    )
    keys: KeysConfig = Field(default_factory=KeysConfig, description="which keys do what in the cockpit")
    alerts: list[AlertRule] = Field(
        default_factory=list,
        description="bounds of which the cockpit tells when the latest runs cross them, such as [{name: slow, metric: "
        "p95_ms, above: 8000, graph: quick, last: 20}]; docs/health.md has every metric",
    )

    @field_validator("alerts", mode="after")
    @classmethod
    def _differ(cls, value: list[AlertRule]) -> list[AlertRule]:
        names = [rule.name for rule in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two alerts are called {twice!r}")
        return value

    @field_validator("data_dir", mode="after")
    @classmethod
    def _home(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: `load` merges the sources itself, because it must know where each value came from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @property
    def data_folder(self) -> Path:
        """The folder of the database."""
        return self.data_dir or Path(platformdirs.user_data_path(APP))

    def engine_config(self) -> EngineConfig:
        """The part that `engine.open` takes."""
        config = EngineConfig(**{name: getattr(self, name) for name in EngineConfig.model_fields})
        path = config.embedded.model_path
        if path is None:
            return config
        return config.model_copy(
            update={"embedded": config.embedded.model_copy(update={"model_path": path.expanduser()})}
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with where they came from."""

    settings: Settings
    config_file: Path
    """The configuration file that counts, whether it is there or not."""
    notes: tuple[str, ...] = ()
    """Sentences for the person: variables that are no setting."""
    layers: tuple[_Layer, ...] = ()
    """The sources, the first counts most."""

    def source_of(self, place: tuple[str, ...]) -> str:
        """Where the value of a setting is from: `default`, or the name of the option, variable or file."""
        layer = next((layer for layer in self.layers if layer.holds(place)), None)
        return "default" if layer is None else layer.name_of(place)

    @property
    def graphs_folder(self) -> Path:
        """Where the person's own graphs are: beside the configuration file."""
        return self.config_file.parent / "graphs"

    @property
    def themes_folder(self) -> Path:
        """Where the person's own themes are: beside the configuration file."""
        return self.config_file.parent / "themes"


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of values, and how it calls them."""

    values: Mapping[str, Any]
    kind: str
    """flag, env, file or fallback."""
    file: Path | None = None
    document: Document | None = None

    def holds(self, place: tuple[str, ...]) -> bool:
        value: Any = self.values
        for key in place:
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, Mapping) and key in value:
                value = value[key]
            else:
                return False
        return True

    def name_of(self, place: tuple[str, ...]) -> str:
        """The option, variable or file that gives a value."""
        if self.kind == "flag":
            return "--" + place[0].replace("_", "-")
        if self.kind == "file":
            return "" if self.file is None else self.file.name
        return place[0].upper() if self.kind == "fallback" else _variable(place)

    def call(self, place: tuple[str, ...]) -> tuple[str, str]:
        """(what the person knows the value as, what to do about it)."""
        if self.kind == "flag":
            flag = "--" + place[0].replace("_", "-")
            return f"The option {flag}", f"Correct {flag}; `tinyllm-tui --help` says what it takes."
        if self.kind == "file" and self.document is not None:
            line = self.document.place_of(tuple(int(key) if key.isdecimal() else key for key in place)).line
            return f"{'.'.join(place)} in {self.file}, line {line},", "Correct the line, or remove it."
        name = place[0].upper() if self.kind == "fallback" else _variable(place)
        return f"The environment variable {name}", f"Correct it, or `unset {name}`."


def config_folder() -> Path:
    """The user's configuration folder."""
    return Path(platformdirs.user_config_path(APP))


def config_path(given: Path | None = None) -> Path:
    """The configuration file: as given, else `TINYLLM_CONFIG`, else `config.yaml` in the configuration folder."""
    if given is not None:
        return given.expanduser()
    from_environment = os.environ.get(CONFIG_VARIABLE)
    return Path(from_environment).expanduser() if from_environment else config_folder() / "config.yaml"


def load(flags: Mapping[str, Any] | None = None, *, config_file: Path | None = None) -> Loaded:
    """The settings that count.

    Args:
        flags: settings given on the command line.
        config_file: the file given on the command line; it must be there, as one named by `TINYLLM_CONFIG` must.

    Raises:
        ConfigurationError: a file or a value is wrong; it names the file or the variable, the value, and the remedy.
    """
    path = config_path(config_file)
    named = config_file is not None or bool(os.environ.get(CONFIG_VARIABLE))
    layers = (
        _Layer(dict(flags or {}), "flag"),
        _Layer(_from_environment(), "env"),
        _from_file(path, must_exist=named),
        _Layer(_fallbacks(), "fallback"),
    )
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged = _merge(merged, layer.values)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise _explain(error, layers) from error
    return Loaded(settings, path, tuple(_unknown_variables()), layers)


def color_allowed() -> bool:
    """Whether colours may be used (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def setting_names() -> list[str]:
    """Dotted names of all settings."""
    return _names(Settings, "")


def section(info: FieldInfo) -> type[BaseModel] | None:
    """The model of a setting that is a section of others; None for any other."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _names(model: type[BaseModel], prefix: str) -> list[str]:
    found: list[str] = []
    for name, info in model.model_fields.items():
        found.append(prefix + name)
        group = section(info)
        if group is not None:
            found.extend(_names(group, f"{prefix}{name}."))
    return found


def _without_empty_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """A section of which every line is commented out reads as null; it says nothing."""
    fields = Settings.model_fields
    sections = {name for name, info in fields.items() if section(info) or get_origin(info.annotation) is dict}
    return {name: value for name, value in values.items() if value is not None or name not in sections}


# -- sources --------------------------------------------------------------------------------


def _from_environment() -> dict[str, Any]:
    try:
        return _without_empty_sections(EnvSettingsSource(Settings)())
    except SettingsError as error:
        alerts = os.environ.get(f"{PREFIX}ALERTS")
        if alerts is not None and '"alerts"' in str(error):
            raise ConfigurationError(
                "setting_invalid",
                f"The environment variable {PREFIX}ALERTS is {alerts[:80]!r}, which is not a JSON list.",
                remedy="Write a list of rules, such as "
                f"""{PREFIX}ALERTS='[{{"name": "slow", "metric": "p95_ms", "above": 8000}}]'.""",
            ) from error
        for name in ("roles", "embedded", "breaker", "retry", "context", "memory", "keys", "notify"):
            value = os.environ.get(PREFIX + name.upper())
            if value is not None and f'"{name}"' in str(error):
                raise ConfigurationError(
                    "setting_invalid",
                    f"The environment variable {PREFIX}{name.upper()} is {value[:80]!r}, which is not a JSON object.",
                    remedy=f"Write JSON, or one variable for each part, such as {PREFIX}{name.upper()}__NAME=value.",
                ) from error
        raise ConfigurationError(
            "setting_invalid", f"The {PREFIX}* variables cannot be read: {error}.", remedy="Correct or unset them."
        ) from error


def _from_file(path: Path, *, must_exist: bool) -> _Layer:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if not must_exist:
            return _Layer({}, "file", path)
        remedy = f"Correct --config or {CONFIG_VARIABLE}, or write the file with `tinyllm-tui init`."
        raise ConfigurationError("config_missing", f"There is no configuration file {path}.", remedy=remedy) from None
    except OSError as error:
        message = f"The configuration file {path} cannot be read: {error.strerror}."
        raise ConfigurationError("config_unreadable", message, remedy="Check the path and its permissions.") from error
    try:
        document = _read(data, path)
    except UnicodeDecodeError as error:
        message = f"The configuration file {path} is not UTF-8 text (byte {error.start})."
        raise ConfigurationError("config_invalid", message, remedy="Save it as UTF-8.") from error
    except GraphError as error:
        raise ConfigurationError("config_invalid", error.message, remedy=error.remedy) from error
    values = {} if document.data is None else document.data
    if not isinstance(values, dict):
        message = f"The configuration file {path} holds no settings: it must be lines of `name: value`."
        raise ConfigurationError(
            "config_invalid", message, remedy="`tinyllm-tui init --force` writes one with every setting."
        )
    values = {name: value for name, value in values.items() if name not in _FALLBACKS or value not in ("", None)}
    values = _without_empty_sections(values)
    _resolve_paths(values, path.parent)
    return _Layer(values, "file", path, document)


def _read(data: bytes, path: Path) -> Document:
    document = read_yaml(data.decode(), str(path))
    if document.problems:
        raise GraphError(document.problems)
    return document


def _resolve_paths(values: dict[str, Any], folder: Path) -> None:
    """A relative path in the file counts from the file's folder, wherever the program is started."""
    embedded = values.get("embedded")
    for holder, key in (
        (values, "data_dir"),
        (values, "workspace"),
        (embedded, "model_path"),
        (embedded, "models_dir"),
    ):
        if isinstance(holder, dict) and isinstance(holder.get(key), str) and holder[key]:
            holder[key] = str(folder / Path(holder[key]).expanduser())


def _variable(place: tuple[str, ...]) -> str:
    """The variable that holds a value: its own, or that of a part around it, written as JSON."""
    there = {name.upper() for name in os.environ}
    names = [PREFIX + "__".join(place[:length]).upper() for length in range(len(place), 0, -1)]
    return next((name for name in names if name in there), names[0])


def _fallbacks() -> dict[str, Any]:
    """What Ollama's own tools read, where nothing else says it."""
    return {name: value for name in _FALLBACKS if (value := os.environ.get(name.upper()))}


def _unknown_variables() -> list[str]:
    known = [_variable_name(name) for name in setting_names()]
    notes = []
    for name in sorted(os.environ):
        upper = name.upper()
        if (
            not upper.startswith(PREFIX)
            or upper == CONFIG_VARIABLE
            or upper in known
            or upper.startswith(f"{PREFIX}ROLES__")
        ):
            continue
        close = _nearest_variable(upper)
        notes.append(f"{name} is not a setting{f'; did you mean {close}?' if close else '.'}")
    return notes


def _variable_name(setting: str) -> str:
    return PREFIX + setting.upper().replace(".", "__")


def _nearest_variable(name: str) -> str:
    """The variable that was probably meant; for a part of a section a part of a section."""
    head, nested, tail = name.removeprefix(PREFIX).partition("__")
    names = [setting.upper().replace(".", "__") for setting in setting_names()] + ["ROLES__CODE"]
    if nested:
        parts = [known.partition("__") for known in names if "__" in known]
        sections = difflib.get_close_matches(head, {part[0] for part in parts}, 1)
        within = [part[2] for part in parts if part[0] in sections]
        if sections and sections[0] == "ROLES":  # any role will do
            return f"{PREFIX}ROLES__{tail}"
        if within:
            return f"{PREFIX}{sections[0]}__{_nearest(tail, within, least=0.0)}"
    close = _nearest(f"{head}{nested}{tail}", names)
    return PREFIX + close if close else ""


def _nearest(name: str, known: Sequence[str], *, least: float = 0.6) -> str:
    """The most similar name, if it is at least that similar (0 to 1); else nothing."""
    return next(iter(difflib.get_close_matches(name, known, 1, least)), "")


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


# -- mistakes -------------------------------------------------------------------------------

_SECTION_ERRORS = frozenset({"model_type", "model_attributes_type", "dict_type"})
"""What pydantic calls a value where a section must be; its own words name classes."""


def _explain(error: ValidationError, layers: tuple[_Layer, ...]) -> ConfigurationError:
    """One sentence for the first mistake, where it is, and the remedy."""
    # a name that is written wrong is also missing: what stands there is told first
    first, *others = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    place = tuple(str(part) for part in first["loc"])
    missing = place[-1] if first["type"] == "missing" else ""
    place = place[:-1] if missing else place
    layer = next((layer for layer in layers if layer.holds(place)), layers[-1])
    called, remedy = layer.call(place) if place and layer.holds(place) else ("A setting", "Correct it.")
    if first["type"] == "extra_forbidden":
        in_list = any(key.isdecimal() for key in place)
        close = "" if in_list else _nearest(".".join(place), setting_names())
        if close and layer.kind == "env":
            close = _variable_name(close)
        message = f"{called} is not a setting{f'; did you mean {close}?' if close else '.'}"
    elif missing:
        message = f"{called} has no `{missing}`, which it needs."
    else:
        value = "(not shown)" if place and place[-1] in SECRETS else _shown(first.get("input"))
        message = f"{called} is {value}: {_demand(first['type'], str(first['msg']), place)}."
    if others:
        message += f" ({len(others)} more)"
    return ConfigurationError("setting_invalid", message, remedy=remedy)


def _demand(kind: str, words: str, place: tuple[str, ...]) -> str:
    """What a value must be."""
    if kind in _SECTION_ERRORS:
        names = [name for name in setting_names() if name.startswith(f"{place[0]}.")]
        example = names[0].removeprefix(f"{place[0]}.") if names else "name"
        return f"it is a section, with settings of its own such as `{example}`"
    words = words.removeprefix("Value error, ")
    return f"{words[:1].lower()}{words[1:]}"


def _shown(value: Any) -> str:
    """A value as the person wrote it, or near enough."""
    if value is None:
        return "empty"
    if isinstance(value, str):
        return repr(value)[:80]
    return json.dumps(value, ensure_ascii=False, default=str)[:80]
