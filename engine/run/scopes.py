"""Scopes: where branches that run in parallel come together, and when their join need not wait any longer."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from engine import events as ev


def meeting_point(following: Mapping[str, Sequence[str]], joins: frozenset[str], targets: Sequence[str]) -> str | None:
    """The join at which branches that begin at `targets` come together: the nearest that all of them can reach.

    Args:
        following: node -> the nodes that it can lead to.
        joins: the join nodes.
        targets: where the branches begin.
    """
    distances = [_distances(following, target) for target in targets]
    common = [join for join in joins if all(join in found for found in distances)]
    return min(common, key=lambda join: (max(found[join] for found in distances), join), default=None)


def _distances(following: Mapping[str, Sequence[str]], start: str) -> dict[str, int]:
    found = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for after in following.get(node, ()):
            if after not in found:
                found[after] = found[node] + 1
                queue.append(after)
    return found


def in_branch_order(scope: ev.Scope) -> tuple[int, ...]:
    """Ids of the messages that arrived, in order of their branches."""
    return tuple(message for _, message in sorted(scope.arrived))


def pending(scope: ev.Scope) -> tuple[int, ...]:
    """Branches that have neither arrived nor ended."""
    over = {branch for branch, _ in scope.arrived} | set(scope.dead)
    return tuple(branch for branch in range(scope.size) if branch not in over)
