"""How much memory an embedded model takes: estimated before it is loaded, measured afterwards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.models.gguf import GgufHeader

PROMPT_CACHE_MB = 128
"""MB that a chat model's child may keep of earlier prompts."""
_PROCESS_BYTES = 100 * 10**6
"""Interpreter, native library and compute buffers; 70 to 90 MB were measured with a model of 135M parameters."""
_SHARE = 0.7
"""Of the machine's memory: the rest is for the system, this program and the person."""
_UNTOLD_KV = 0.5
"""KV cache as a share of the weights, where the header tells nothing: on the safe side for windows up to 8k."""


@dataclass(frozen=True, slots=True)
class ChildMemory:
    """What one child takes."""

    model: str
    purpose: str
    """chat or embed."""
    pid: int | None
    """None while it starts."""
    estimated_bytes: int
    resident_bytes: int | None
    """Measured; None where the system does not tell."""


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What all children take."""

    bound_bytes: int
    children: tuple[ChildMemory, ...]


def estimated_bytes(header: GgufHeader, window: int, slots: int, *, prompt_cache: bool) -> int:
    """Weights (the file's size) + KV cache (window x slots x bytes per token) + what every child takes.

    Args:
        header: of the model file.
        window: tokens of context for each slot.
        slots: requests at the same time.
        prompt_cache: whether the child keeps earlier prompts.
    """
    per_token = header.kv_bytes_per_token
    cache = int(header.size_bytes * _UNTOLD_KV) if per_token is None else per_token * window * slots
    return header.size_bytes + cache + _PROCESS_BYTES + (PROMPT_CACHE_MB * 2**20 if prompt_cache else 0)


def memory_bound(memory_mb: int | None) -> int:
    """Bytes that loaded models may take together."""
    return int(machine_memory() * _SHARE) if memory_mb is None else memory_mb * 10**6


def machine_memory() -> int:
    """Bytes of memory of the machine, or of the container around this process. Blocking, short."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return total
    return min(total, limit)


def resident_bytes(pid: int) -> int | None:
    """Bytes of a process that are in memory; None where there is no /proc, or no such process. Blocking, short."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])  # proc(5): size resident shared ...
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
