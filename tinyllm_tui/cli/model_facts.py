"""What the `models` commands ask of the backends, and how they tell it as JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from engine import Engine
    from engine.config import EngineConfig
    from engine.models.protocol import ModelInfo
    from tinyllm_tui.settings import Loaded


def config_of(loaded: Loaded) -> EngineConfig:
    """The engine's configuration, with the folder of models that belongs to the data folder."""
    from engine.config import with_models_folder

    return with_models_folder(loaded.settings.engine_config(), loaded.settings.data_folder)


@asynccontextmanager
async def models_engine(loaded: Loaded) -> AsyncIterator[Engine]:
    """An engine for its models alone: nothing is recorded, and no model is started."""
    from tinyllm_tui.cli.opening import telling

    async with telling(config_of(loaded)) as eng:
        yield eng


def given_name(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A name that somebody wrote.

    Raises:
        click.BadParameter: it is empty.
    """
    if not value.strip():
        raise click.BadParameter("it is empty: give the name of a model.")
    return value


def model_json(info: ModelInfo, backend: str, endpoints: Sequence[str] = ()) -> dict[str, Any]:
    """A model as `--json` prints it."""
    from engine.models.catalogue import parameters_b, tier_of

    return {
        "name": info.name,
        "backend": backend,
        "endpoints": list(endpoints),
        "tier": str(tier_of(info)),
        "parameters_b": parameters_b(info),
        "size_bytes": info.size_bytes,
        "window": info.window,
        "quantization": info.quantization,
        "family": info.family,
        "digest": info.digest,
        "capabilities": sorted(info.capabilities),
        "loaded": info.loaded,
        "path": None if info.path is None else str(info.path),
    }


def roles_json(installed: Sequence[ModelInfo], config: EngineConfig) -> list[dict[str, Any]]:
    """The model for every role, as `--json` prints it; `model` is null where there is none, and `why` says why."""
    from engine.errors import EngineError
    from engine.models.catalogue import ROLES
    from engine.run.model_library import roles_of

    rows: list[dict[str, Any]] = []
    for name, found in roles_of(config, installed).items():
        tier = ROLES[name].tier
        row = {"role": name, "wanted_tier": str(tier), "for": tier.title, "model": None, "tier": None}
        if isinstance(found, EngineError):
            rows.append(row | {"why": str(found)})
        else:
            rows.append(row | {"model": found.model, "tier": str(found.tier), "why": found.why})
    return rows
