"""Which installed model answers for a reference: a role such as `@code`, or a concrete name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.models.naming import is_library_name, looks_like_embedder, parameters_in_name, same_model
from engine.models.protocol import ModelInfo


class Tier(IntEnum):
    """How capable a model is, by its parameters; `str()` gives `T0` to `T3`."""

    ROUTER = 0
    SPECIALIST = 1
    WORKER = 2
    JUDGE = 3

    def __str__(self) -> str:
        return f"T{self.value}"

    @property
    def title(self) -> str:
        """What models of this tier are for."""
        return ("routers", "specialists", "workers", "judges")[self.value]


_BOUNDS_B = (2.0, 6.0, 13.0)
"""Billions of parameters below which a model belongs to T0, T1 and T2."""
_BYTES_PER_PARAMETER = 0.6
"""Of a 4-bit quantized file, the usual kind: only for models that tell nothing but their size."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a role asks of a model."""

    name: str
    tier: Tier
    prefers: re.Pattern[str] | None = None
    """Names of models that were trained for it."""


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("router", Tier.ROUTER),
        Role("code", Tier.SPECIALIST, re.compile(r"code|coder|codestral|devstral|starcoder", re.IGNORECASE)),
        Role("math", Tier.SPECIALIST, re.compile(r"math|mathstral", re.IGNORECASE)),
        Role("general", Tier.SPECIALIST),
        Role("worker", Tier.WORKER),
        Role("judge", Tier.JUDGE),
        Role("summariser", Tier.SPECIALIST),
    )
}

_DECIDES_B = 0.3
"""Billions of parameters below which a model chooses routes worse than rules do (measured with 135M): the last choice
for a router, however near its tier."""
_SPECIAL = re.compile(r"cod(?:e|er|estral)|devstral|starcoder|math|vision|llava|moondream|-vl|ocr|guard", re.IGNORECASE)
"""Models trained for one thing; roles that do not ask for it take them last."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer to a reference."""

    role: str
    """Role without `@`; empty for a concrete name."""
    tier: Tier
    """Tier of the model that answers."""
    model: str
    why: str
    """One phrase for the person."""


def parameters_b(info: ModelInfo) -> float | None:
    """Parameters in billions: told, else read from the name, else estimated from the size."""
    told = info.parameters_b or parameters_in_name(info.name)
    if told or not info.size_bytes:
        return told
    return round(info.size_bytes / _BYTES_PER_PARAMETER / 1e9, 2)


def tier_of(info: ModelInfo) -> Tier:
    """The tier of a model by its parameters; T1 where nothing is known."""
    billions = parameters_b(info)
    if billions is None:
        return Tier.SPECIALIST
    return Tier(sum(billions >= bound for bound in _BOUNDS_B))


def can_chat(info: ModelInfo) -> bool:
    """Whether a model answers questions; those that only make embeddings do not."""
    if info.capabilities:
        return "chat" in info.capabilities
    return not looks_like_embedder(info.name, info.family)


def resolve(
    reference: str, installed: Sequence[ModelInfo], *, overrides: Mapping[str, str], only: str | None = None
) -> Resolution:
    """The installed model that answers for `reference`.

    Args:
        reference: `@role`, or a model name (without a tag it means `:latest`).
        installed: what the backend has.
        overrides: role (without `@`) -> model name, from the configuration.
        only: the one model for every role, from the configuration; goes before `overrides`.

    Raises:
        EngineError: NOT_FOUND where nothing installed fits, CONFIGURATION for an unknown role or for a model that only
            makes embeddings.
    """
    if not reference.startswith("@"):
        info = find_answering(reference, installed)
        return Resolution("", tier_of(info), info.name, "named in the graph")
    role = _role(reference)
    named = only or overrides.get(role.name)
    if named:
        info = _configured(named, installed, "" if only else role.name)
        why = "set for every role" if only else f"set for @{role.name}"
        return Resolution(role.name, tier_of(info), info.name, why)
    candidates = [info for info in installed if can_chat(info)]
    if not candidates:
        raise EngineError(
            ErrorClass.NOT_FOUND,
            "no_chat_model",
            "No model that answers questions is installed.",
            remedy="Fetch one, for instance with `ollama pull qwen2.5:3b`.",
        )
    best = min(candidates, key=lambda info: _rank(role, info))
    return Resolution(role.name, tier_of(best), best.name, _why(role, best, len(candidates)))


def escalated(reference: str, steps: int) -> str:
    """What a role so many steps higher is called, such as `@code+1`."""
    return f"{reference}+{steps}"


def next_better(reference: str, current: str, installed: Sequence[ModelInfo]) -> ModelInfo | None:
    """The model to which a role comes when the answers of `current` are not good enough.

    The smallest of the next higher tier that is installed, a model made for the role first; where there is no higher
    tier, the next bigger one. Models made for another thing are left out, and so are those of unknown size.

    Args:
        reference: a role; a model that is named has no better one.
        current: name of the model that answers for it now.
        installed: what the backend has.

    Raises:
        ConfigurationError: there is no such role.
    """
    if not reference.startswith("@"):
        return None
    role = _role(reference)
    now = next((info for info in installed if info.name == current), None)
    if now is None:
        return None
    size = parameters_b(now)
    fits = [info for info in installed if can_chat(info) and (_made_for(role, info) or not _SPECIAL.search(info.name))]
    higher = [info for info in fits if parameters_b(info) and tier_of(info) > tier_of(now)]
    bigger = [info for info in fits if size and (parameters_b(info) or 0.0) > size]
    return min(
        higher or bigger,
        key=lambda info: (tier_of(info), not _made_for(role, info), parameters_b(info) or 0.0, info.name),
        default=None,
    )


def _made_for(role: Role, info: ModelInfo) -> bool:
    return role.prefers is not None and bool(role.prefers.search(info.name))


def _role(reference: str) -> Role:
    name = reference.removeprefix("@")
    if name in ROLES:
        return ROLES[name]
    near = difflib.get_close_matches(name, ROLES, n=1)
    hint = f"Did you mean @{near[0]}? " if near else ""
    known = ", ".join(f"@{role}" for role in ROLES)
    raise ConfigurationError("unknown_role", f"There is no role {reference}.", remedy=f"{hint}The roles are {known}.")


def _rank(role: Role, info: ModelInfo) -> tuple[bool, bool, bool, int, bool, float, str]:
    """Sort key, best first: made for the role, not for another thing, able to decide, nearest tier, then size."""
    preferred = _made_for(role, info)
    gap = tier_of(info) - role.tier
    smaller_first = role.tier is Tier.ROUTER  # a router answers before every other model can begin
    size = parameters_b(info) or 0.0
    return (
        not preferred,
        not preferred and bool(_SPECIAL.search(info.name)),
        role.tier is Tier.ROUTER and 0 < size < _DECIDES_B,
        abs(gap),
        gap < 0,
        size if smaller_first and gap > 0 else -size,
        info.name,
    )


def _why(role: Role, info: ModelInfo, candidates: int) -> str:
    tier = tier_of(info)
    size = parameters_b(info)
    size_text = "of unknown size" if size is None else f"{size:g}B" if size >= 1 else f"{size * 1000:.0f}M"
    if candidates == 1:
        return f"the only model installed, {size_text}, {tier}"
    if _made_for(role, info):
        return f"made for {role.name}, {size_text}, {tier}"
    if tier is role.tier:
        return f"{size_text}, {tier} as @{role.name} asks for"
    return f"{size_text}, {tier}: the nearest to {role.tier} that is installed"


def _configured(name: str, installed: Sequence[ModelInfo], role: str) -> ModelInfo:
    """The model that the configuration names for a role; an empty role means: for every one."""
    try:
        return find_answering(name, installed)
    except EngineError as error:
        setting = f"roles.{role}" if role else "model"
        undo = f"models use {role} --auto" if role else "models use --auto"
        raise EngineError(
            error.error_class,
            error.code,
            f"{error.message} It is set in `{setting}`.",
            remedy=f"`{undo}` leaves the choice to the program again. {error.remedy}",
        ) from error


def find_answering(name: str, installed: Sequence[ModelInfo]) -> ModelInfo:
    """The installed model of that name.

    Raises:
        EngineError: NOT_FOUND, or CONFIGURATION where it only makes embeddings; the remedy names those that there are.
    """
    info = find(name, installed)
    if can_chat(info):
        return info
    raise ConfigurationError(
        "embedding_only",
        f"The model {info.name} only makes embeddings; it cannot answer.",
        remedy=f"Name another one: {_names(name, installed)}.",
    )


def find(name: str, installed: Sequence[ModelInfo]) -> ModelInfo:
    """The installed model of that name, whatever it can do.

    Raises:
        EngineError: NOT_FOUND; the remedy names those that there are.
    """
    for info in installed:
        if same_model(info.name, name):
            return info
    fetch = f"With Ollama, `ollama pull {name}` fetches it." if is_library_name(name) else ""
    near = _names(name, installed)
    raise EngineError(
        ErrorClass.NOT_FOUND,
        "model_not_found",
        f"The model {name!r} is not installed.",
        remedy=f"{f'Use one of: {near}.' if near else ''} {fetch}".strip() or "`models pull` fetches models.",
    )


def _names(name: str, installed: Sequence[ModelInfo]) -> str:
    """Up to five installed models that can answer, the nearest names first."""
    names = [info.name for info in installed if can_chat(info)]
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.3)
    return ", ".join((near + [other for other in names if other not in near])[:5])
