"""What a model's name and labels tell about it, where a server says nothing better."""

from __future__ import annotations

import re

_SCALE = {"k": 1e-6, "m": 1e-3, "b": 1.0, "t": 1e3}
_LABEL = re.compile(r"^\s*(?:(\d{1,3})x)?(\d{1,6}(?:\.\d{1,6})?)\s*([kmbt])\s*$", re.IGNORECASE)
_IN_NAME = re.compile(r"(?<![a-z0-9.])(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)([mb])(?![a-z0-9])", re.IGNORECASE)
_EMBEDDER = re.compile(r"embed|minilm|(?<![a-z])(?:bge|gte|e5|bert)(?![a-z])|nomic-bert|reranker", re.IGNORECASE)

_LIBRARY_NAME = re.compile(r"(?:[a-z0-9][\w.-]{0,79}/){0,3}[a-z0-9][\w.-]{0,79}(?::[\w][\w.-]{0,79})?", re.IGNORECASE)


def is_library_name(name: str) -> bool:
    """Whether a text could be a name in Ollama's library: `[[host/]namespace/]model[:tag]`, and no path or sentence."""
    return _LIBRARY_NAME.fullmatch(name) is not None and ".." not in name


def parameters_of(label: str) -> float | None:
    """Parameters in billions from a label such as `3.1B`, `134.52M` or `8x7B`; None where it is no such label."""
    match = _LABEL.match(label)
    return None if match is None else _billions(match)


def parameters_in_name(name: str) -> float | None:
    """Parameters in billions from a model or file name such as `qwen2.5:3b` or `SmolLM2-135M-Instruct.Q4_1`."""
    match = _IN_NAME.search(name)
    return None if match is None else _billions(match)


def _billions(match: re.Match[str]) -> float:
    experts = int(match[1] or 1)
    return round(experts * float(match[2]) * _SCALE[match[3].lower()], 6)


def looks_like_embedder(name: str, family: str = "") -> bool:
    """Whether the name or the family is one of the models that only make embeddings."""
    return bool(_EMBEDDER.search(name) or _EMBEDDER.search(family))


def full_name(name: str) -> str:
    """The name with its tag: Ollama reads a name without one as `:latest`."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def same_model(left: str, right: str) -> bool:
    """Whether two names mean the same model, by Ollama's rule of `:latest`, whatever their case."""
    return full_name(left).casefold() == full_name(right).casefold()
