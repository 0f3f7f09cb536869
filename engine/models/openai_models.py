"""What OpenAI-compatible servers tell about their models: the lists of several servers, and what only some of them add.

Shapes: https://platform.openai.com/docs/api-reference/models, the server documentation of llama.cpp
(tools/server/README.md: `meta`, `/props`, `/slots`, `/tokenize`) and vLLM (`max_model_len`, `/tokenize`), and
https://lmstudio.ai/docs/developer/rest/endpoints (`/api/v0/models`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.message import replace_surrogates
from engine.models.naming import looks_like_embedder, parameters_in_name
from engine.models.openai_wire import wrong_endpoint
from engine.models.protocol import Capability, ModelInfo
from engine.models.transport import count


def models(
    data: Mapping[str, Any], props: Mapping[str, Any], server: str, facts: Mapping[str, Mapping[str, Any]] | None = None
) -> list[ModelInfo]:
    """The models of /v1/models, with what /props (llama.cpp) adds where there is but one.

    Args:
        data: of /v1/models.
        props: of /props; empty where the server has none.
        server: names the server at the beginning of a sentence.
        facts: model -> what a list in the manner of LM Studio's /api/v0/models tells of it.
    """
    listed = data.get("data")
    if not isinstance(listed, list):
        raise wrong_endpoint(server)
    usable = [entry for entry in listed if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    told = {
        entry.get("name"): entry.get("capabilities")
        for entry in data.get("models") or []  # llama.cpp lists models in Ollama's form too
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }
    single = props if len(usable) == 1 else {}
    told_more = facts or {}
    return [_model({**told_more.get(entry["id"], {}), **entry}, single, told.get(entry["id"])) for entry in usable]


def facts_of(data: Any) -> dict[str, Mapping[str, Any]]:
    """Model -> its entry in a list in the manner of LM Studio's /api/v0/models (type, state, quantization, context)."""
    listed = data.get("data") if isinstance(data, dict) else None
    return {
        entry["id"]: entry
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("type"), str)
    }


def busy_slots(data: Any) -> tuple[int, int] | None:
    """(busy, all) slots from llama.cpp's /slots; None where the answer is none."""
    if not isinstance(data, list) or not all(isinstance(slot, dict) and "is_processing" in slot for slot in data):
        return None
    return sum(slot["is_processing"] is True for slot in data), len(data)


def tokens_of(data: Any) -> int | None:
    """The count in an answer of /tokenize: vLLM tells it, llama.cpp lists the tokens."""
    if not isinstance(data, dict):
        return None
    tokens = data.get("tokens")
    return count(data.get("count")) or (len(tokens) if isinstance(tokens, list) else None)


def _model(entry: Mapping[str, Any], props: Mapping[str, Any], told: Any) -> ModelInfo:
    name = replace_surrogates(entry["id"])[:300]
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    parameters = count(meta.get("n_params"))
    return ModelInfo(
        name,
        size_bytes=count(meta.get("size")),
        parameters_b=round(parameters / 1e9, 6) if parameters else parameters_in_name(name),
        quantization=_text(meta.get("ftype") or entry.get("quantization"))[:40],
        family=_text(entry.get("arch"))[:60],
        window=_window(entry, meta, props),
        capabilities=_capabilities(entry, name, told, props),
        loaded=bool(meta) or entry.get("state") == "loaded",
    )


def _window(entry: Mapping[str, Any], meta: Mapping[str, Any], props: Mapping[str, Any]) -> int | None:
    settings = props.get("default_generation_settings")
    per_slot = settings.get("n_ctx") if isinstance(settings, dict) else None
    # llama.cpp's own word first, then vLLM's, then LM Studio's; a model that is yet to be loaded tells its most
    fields = ("max_model_len", "loaded_context_length", "max_context_length")
    for value in (per_slot, meta.get("n_ctx"), *(entry.get(name) for name in fields)):
        if window := count(value):
            return window
    return None


def _capabilities(entry: Mapping[str, Any], name: str, told: Any, props: Mapping[str, Any]) -> frozenset[Capability]:
    embedder = isinstance(told, list) and "embedding" in told and "completion" not in told
    if embedder or entry.get("type") == "embeddings" or ("type" not in entry and looks_like_embedder(name)):
        return frozenset({"embed"})
    found: set[Capability] = {"chat", "json_schema"}
    caps, modalities = props.get("chat_template_caps"), props.get("modalities")
    caps = caps if isinstance(caps, dict) else {}
    # a llama.cpp template without tool support drops `tools` silently; other servers refuse them, which is seen
    if (
        caps.get("supports_tools") is True
        or not (props or isinstance(entry.get("capabilities"), list))
        or _says(entry, "tool_use")
    ):
        found.add("tools")
    if caps.get("supports_thinking") is True:
        found.add("thinking")
    if (isinstance(modalities, dict) and modalities.get("vision") is True) or entry.get("type") == "vlm":
        found.add("vision")
    return frozenset(found)


def _says(entry: Mapping[str, Any], capability: str) -> bool:
    told = entry.get("capabilities")
    return isinstance(told, list) and capability in told


def _text(value: Any) -> str:
    return replace_surrogates(value) if isinstance(value, str) else ""
