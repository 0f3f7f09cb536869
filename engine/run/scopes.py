"""What a scope says of its branches."""

from __future__ import annotations

from engine import events as ev


def in_branch_order(scope: ev.Scope) -> tuple[int, ...]:
    """Ids of the messages that arrived, in order of their branches."""
    return tuple(message for _, message in sorted(scope.arrived))


def pending(scope: ev.Scope) -> tuple[int, ...]:
    """Branches that have neither arrived nor ended."""
    over = {branch for branch, _ in scope.arrived} | set(scope.dead)
    return tuple(branch for branch in range(scope.size) if branch not in over)
