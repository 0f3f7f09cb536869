"""Where branches that run in parallel come together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engine.graph.topology import distances


def meeting_point(following: Mapping[str, Sequence[str]], joins: Collection[str], targets: Sequence[str]) -> str | None:
    """The join at which branches that begin at `targets` come together: the nearest that all of them can reach.

    Args:
        following: node -> the nodes that it can lead to.
        joins: the join nodes.
        targets: where the branches begin.
    """
    common: dict[str, int] = {}
    for number, target in enumerate(dict.fromkeys(targets)):
        steps = distances([target], following)
        found = {join: steps[join] for join in joins if join in steps}
        common = found if number == 0 else {join: max(common[join], found[join]) for join in common if join in found}
        if not common:
            return None
    return min(common, key=lambda join: (common[join], join), default=None)
