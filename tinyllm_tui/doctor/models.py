"""The doctor's look at the backends, the models, and which of them answers for which role."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING

from engine.errors import ConfigurationError, EngineError
from tinyllm_tui.doctor.finding import Finding, broken
from tinyllm_tui.settings import Loaded

if TYPE_CHECKING:
    from engine.config import EngineConfig
    from engine.models.protocol import ModelBackend, ModelInfo

PROBE_S = 5.0
_SHOWN = 8
"""Models that are told one by one."""
START_S = 120.0
"""Seconds that the embedded model may take to start."""


async def examine_models(loaded: Loaded) -> list[Finding]:
    """Every backend that could be used, the one that is, and the model for every role."""
    config = _config(loaded)
    findings = []
    if config.backend in ("auto", "ollama"):
        findings.append(await _ollama(config))
    if config.backend == "openai":
        findings.append(await _openai(config))
    if config.backend in ("auto", "embedded"):
        findings.append(await _embedded(config))
        findings.append(await asyncio.to_thread(_folder, config))
    from engine.models.detect import choose_backend

    try:
        backend = await choose_backend(config, emit=lambda _body: None)
    except EngineError as error:
        return [*findings, broken("backend", error)]
    try:
        return [*findings, *await _answering(backend, loaded)]
    finally:
        await backend.aclose()


def _config(loaded: Loaded) -> EngineConfig:
    from engine.config import with_models_folder

    return with_models_folder(loaded.settings.engine_config(), loaded.settings.data_folder)


async def _answering(backend: ModelBackend, loaded: Loaded) -> list[Finding]:
    """The chosen backend: that it answers, and which model it has for every role."""
    config = loaded.settings.engine_config()
    installed = await backend.models()
    findings = [Finding("backend", "ok", f"{backend.kind} answers (backend: {config.backend})")]
    if backend.kind == "embedded":
        findings = [await _started(backend, _that_answers(installed, config)), *await _memory(backend)]
    findings.append(await asyncio.to_thread(_takes, installed, config))
    return [*findings, *_roles(installed, loaded)]


def _that_answers(installed: list[ModelInfo], config: EngineConfig) -> str:
    """The model for `@general`; where there is none, which is a finding of its own, the default one."""
    from engine.models.catalogue import resolve

    try:
        return resolve("@general", installed, overrides=config.roles, only=config.model).model
    except EngineError:
        return installed[0].name


async def _started(backend: ModelBackend, model: str) -> Finding:
    """The embedded model really starts: a package that is there may still lack a library."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(START_S):
            shown = await backend.show(model)
    except TimeoutError:
        remedy = "Let a smaller model answer (`models use NAME`), or use Ollama."
        return Finding("backend", "fail", f"The embedded model {model} did not start in {START_S:.0f} s.", remedy)
    except EngineError as error:
        return broken("backend", error)
    took = time.monotonic() - began
    return Finding(
        "backend", "ok", f"embedded answers: {shown.name} started in {took:.1f} s, window {shown.window} tokens"
    )


async def _memory(backend: ModelBackend) -> list[Finding]:
    """What the embedded model takes, measured where the system tells."""
    from engine.models.embedded import EmbeddedBackend

    if not isinstance(backend, EmbeddedBackend):
        return []
    use = await backend.memory()
    words = []
    for child in use.children:
        resident = "unknown" if child.resident_bytes is None else f"{child.resident_bytes / 1e6:.0f} MB"
        words.append(
            f"{child.model} ({child.purpose}) takes {resident}, estimated {child.estimated_bytes / 1e6:.0f} MB"
        )
    return [
        Finding("memory", "ok", f"{'; '.join(words) or 'no model is loaded'}; at most {use.bound_bytes / 1e6:.0f} MB")
    ]


def _takes(installed: list[ModelInfo], config: EngineConfig) -> Finding:
    """What each installed model takes on the disk, and in memory where that is known without loading it."""
    from tinyllm_tui.model_words import file_size, memory_when_loaded

    words = []
    for info in installed[:_SHOWN]:
        memory = memory_when_loaded(info, config.embedded)
        loaded = "" if memory is None else f", about {file_size(memory)} in memory when loaded"
        now = ", loaded now" if info.loaded else ""
        words.append(f"{info.name} {file_size(info.size_bytes)}{loaded}{now}")
    more = f"; and {len(installed) - _SHOWN} more" if len(installed) > _SHOWN else ""
    return Finding("models", "ok", f"{'; '.join(words) or 'none is installed'}{more}")


def _folder(config: EngineConfig) -> Finding:
    """Where fetched models are, what they take there, and what is free."""
    from tinyllm_tui.model_words import file_size
    from tinyllm_tui.words import size as size_of_disk  # as the data folder is told: it is most often the same disk

    folder = config.embedded.models_dir
    if folder is None:
        return Finding("models folder", "info", "There is none.", "Name one in `embedded.models_dir`.")
    folder = folder.expanduser()
    near = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        files = [file for file in folder.iterdir() if file.is_file()] if folder.exists() else []
        sizes = {file: file.stat().st_size for file in files}
        free = shutil.disk_usage(near).free
    except OSError as error:
        remedy = "Correct `embedded.models_dir`, or make the folder readable."
        return Finding("models folder", "warn", f"{folder} cannot be read: {error.strerror or error}.", remedy)
    fetched = [size for file, size in sizes.items() if file.suffix.lower() == ".gguf" and file.name[0] != "."]
    begun = [size for file, size in sizes.items() if file.name.endswith(".gguf.part")]
    words = f"{folder}: {len(fetched)} fetched, {file_size(sum(fetched))}; {size_of_disk(free)} free"
    if begun:
        words += f"; {len(begun)} fetched in part, {file_size(sum(begun))}, with which `models pull` goes on"
    return Finding("models folder", "ok", words)


def _roles(installed: list[ModelInfo], loaded: Loaded) -> list[Finding]:
    from engine.models.catalogue import ROLES, resolve

    config = loaded.settings.engine_config()
    needed, optional = _references(loaded)
    findings = []
    for reference in dict.fromkeys([*(f"@{name}" for name in ROLES), *needed, *optional]):
        try:
            found = resolve(reference, installed, overrides=config.roles, only=config.model)
        except EngineError as error:
            findings.append(broken(f"role {reference}", error, "fail" if reference in needed else "warn"))
        else:
            findings.append(Finding(f"role {reference}", "ok", f"{found.model}: {found.why}"))
    return findings


def _references(loaded: Loaded) -> tuple[list[str], list[str]]:
    """(models and roles that the configured graph needs, those it can do without)."""
    from engine.graph.loader import load_graph
    from engine.run.resolution import references

    try:
        return references(load_graph(loaded.settings.graph, search=(loaded.graphs_folder,)))
    except ConfigurationError:  # a finding of its own
        return [], []


async def _ollama(config: EngineConfig) -> Finding:
    from engine.models.ollama import OllamaBackend

    try:
        backend = OllamaBackend(config.ollama_host, api_key=config.ollama_api_key, window=config.window)
    except EngineError as error:
        return broken("ollama", error)
    finding = await _listed("ollama", backend, "Fetch one with `ollama pull qwen2.5:3b`.")
    if finding.status == "fail" and config.backend == "auto":
        return Finding(finding.name, "info", finding.detail, f"For better answers: {finding.remedy}")
    return finding


async def _openai(config: EngineConfig) -> Finding:
    from engine.models.openai import OpenAIBackend

    if not config.openai_base_url:
        return Finding("openai", "fail", "No address is set.", "Set `openai_base_url` (TINYLLM_OPENAI_BASE_URL).")
    try:
        backend = OpenAIBackend(config.openai_base_url, api_key=config.openai_api_key)
    except EngineError as error:
        return broken("openai", error)
    return await _listed("openai", backend, "Start the server with a chat model.")


async def _listed(name: str, backend: ModelBackend, remedy: str) -> Finding:
    """Whether a server answers, and with which models."""
    from engine.models.catalogue import can_chat

    try:
        async with asyncio.timeout(PROBE_S):
            installed = [info.name for info in await backend.models() if can_chat(info)]
    except TimeoutError:
        return Finding(
            name, "fail", f"{backend.endpoint} did not answer in {PROBE_S:.0f} s.", "Start it, or correct its address."
        )
    except EngineError as error:
        return broken(name, error)
    finally:
        await backend.aclose()
    if not installed:
        return Finding(name, "fail", f"{backend.endpoint} answers, but has no model that answers questions.", remedy)
    more = f" and {len(installed) - 8} more" if len(installed) > 8 else ""
    return Finding(name, "ok", f"{backend.endpoint} has {', '.join(installed[:8])}{more}")


async def _embedded(config: EngineConfig) -> Finding:
    from engine.models.embedded import check_embedded, model_name

    try:
        header = await asyncio.to_thread(check_embedded, config.embedded)
    except EngineError as error:
        return broken("embedded", error, "fail" if config.backend == "embedded" else "info")
    return Finding("embedded", "ok", f"{model_name(config.embedded)}, {header.size_bytes / 1e6:.0f} MB, {header.path}")
