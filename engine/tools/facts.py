"""Facts about tools: what each of them is, does to the world, and needs, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import EngineError
from engine.tools.effect import Effect, Permission
from engine.tools.policy import ApprovalPolicy
from engine.tools.registry import BUILT_IN, ToolRegistry

_OF_WORKSPACE = "file_"


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """One registered tool."""

    id: str
    description: str
    effect: Effect
    permission: Permission
    """What holds for its calls now: what cannot be taken back is asked for call by call, whatever the tool says."""
    timeout_s: float
    built_in: bool
    problem: str = ""
    """Why it cannot be used now; empty where it can."""


def tool_facts(registry: ToolRegistry, policy: ApprovalPolicy, *, workspace: bool) -> list[ToolFacts]:
    """All tools, by their ids. Imports them, which may take a moment: not for an event loop.

    Args:
        registry: the tools.
        policy: what the person decided.
        workspace: whether there is a folder for file tools.
    """
    return [_facts(registry, name, policy, workspace) for name in registry.available()]


def _facts(registry: ToolRegistry, name: str, policy: ApprovalPolicy, workspace: bool) -> ToolFacts:
    try:
        tool = registry.get(name)
    except (ImportError, EngineError) as error:
        return ToolFacts(name, "", "pure", "deny", 0.0, name in BUILT_IN, f"It cannot be loaded: {error}")
    permission = policy.permission(name, tool.permission)
    if tool.effect == "irreversible" and permission != "deny":
        permission = "ask_call"
    without = name in BUILT_IN and name.startswith(_OF_WORKSPACE) and not workspace
    problem = "There is no workspace: set `workspace` to a folder." if without else ""
    return ToolFacts(name, tool.description, tool.effect, permission, tool.timeout_s, name in BUILT_IN, problem)
