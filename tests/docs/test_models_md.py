"""docs/models.md names the settings and commands that there are, and all those about models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from click import Group

from engine.config import EndpointConfig, EngineConfig, FallbackStrategy
from engine.graph.spec import CONFIGS
from engine.models.catalogue import ROLES
from tinyllm_tui.cli.models import models
from tinyllm_tui.settings import setting_names

MODELS_MD = Path(__file__).parents[2] / "docs" / "models.md"
TEXT = MODELS_MD.read_text("utf-8")
QUOTED = re.findall(r"`([^`\n]+)`", TEXT)

ELSEWHERE = {
    "run_timeout_s", "max_steps", "checkpoint_every", "workspace", "recovery", "resume_within_s", "keep_transactions",
    "max_size_mb", "durability", "context", "memory",
}  # fmt: skip
"""Settings of the engine that are about runs, transactions and files."""
NO_SETTINGS = {"num_ctx", *get_args(FallbackStrategy)}
"""Names in the form of a setting: of Ollama's protocol, and values of a setting."""


def about_models() -> list[str]:
    """Dotted names of the settings about models."""
    of_engine = [name for name in setting_names() if name.partition(".")[0] in EngineConfig.model_fields]
    return [name for name in of_engine if name.partition(".")[0] not in ELSEWHERE]


def sections() -> set[str]:
    return {name.partition(".")[0] for name in setting_names() if "." in name}


@pytest.mark.parametrize("name", about_models())
def test_every_setting_about_models_is_named(name: str) -> None:
    assert name in sections() or name in QUOTED, f"docs/models.md does not name `{name}`"


@pytest.mark.parametrize("name", EndpointConfig.model_fields)
def test_every_field_of_a_further_server_is_named(name: str) -> None:
    assert name in QUOTED


def test_every_setting_that_is_named_exists() -> None:
    fields = {field for config in CONFIGS.values() for field in config.model_fields}
    known = {*setting_names(), *fields, *EndpointConfig.model_fields, *NO_SETTINGS}
    named = {text for text in QUOTED if re.fullmatch(r"[a-z]+(?:_[a-z]+)+|(?:embedded|breaker|retry)\.[a-z_]+", text)}
    assert len(named) > 20
    assert named <= known


def test_every_variable_that_is_named_is_one_of_a_setting() -> None:
    known = {f"TINYLLM_{name.upper().replace('.', '__')}" for name in setting_names()}
    known |= {f"TINYLLM_ROLES__{role.upper()}" for role in ROLES}
    named = set(re.findall(r"TINYLLM_[A-Z_]+", TEXT))
    assert named
    assert named <= known


@pytest.mark.parametrize("name", ["breaker", "retry"])
def test_the_defaults_of_breakers_and_retries_are_those_of_the_program(name: str) -> None:
    told = dict(re.findall(rf"`{name}\.(\w+)`\s+\(([\d.]+)\)", TEXT))
    config = getattr(EngineConfig(), name)
    assert {field: float(told[field]) for field in type(config).model_fields} == config.model_dump()


def test_every_role_and_every_command_is_named() -> None:
    assert isinstance(models, Group)
    assert {f"@{role}" for role in ROLES} <= set(QUOTED)
    named = {words.split()[1] for words in QUOTED if words.startswith("models ")}
    assert named == set(models.commands)
