"""Where branches that run in parallel come together."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence


def meeting_point(following: Mapping[str, Sequence[str]], joins: Collection[str], targets: Sequence[str]) -> str | None:
    """The join at which branches that begin at `targets` come together: the nearest that all of them can reach.

    Args:
        following: node -> the nodes that it can lead to.
        joins: the join nodes.
        targets: where the branches begin.
    """
    common: dict[str, int] = {}
    for number, target in enumerate(dict.fromkeys(targets)):
        found = _distances(following, target, joins)
        common = found if number == 0 else {join: max(common[join], found[join]) for join in common if join in found}
        if not common:
            return None
    return min(common, key=lambda join: (common[join], join), default=None)


def _distances(following: Mapping[str, Sequence[str]], start: str, joins: Collection[str]) -> dict[str, int]:
    """Join -> steps from `start` to it, for the joins that it can reach."""
    found = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for after in following.get(node, ()):
            if after not in found:
                found[after] = found[node] + 1
                queue.append(after)
    return {join: found[join] for join in joins if join in found}
