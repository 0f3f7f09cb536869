"""Where branches that run in parallel come together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engine.graph.topology import distances, reachable


def meeting_point(
    following: Mapping[str, Sequence[str]],
    joins: Collection[str],
    targets: Sequence[str],
    fanouts: Mapping[str, Sequence[str]],
) -> str | None:
    """The join at which branches that begin at `targets` come together.

    It is the nearest that all of them can reach, but not one at which a fan-out inside them comes together, where there
    is another one after it.

    Args:
        following: node -> the nodes that it can lead to.
        joins: the join nodes.
        targets: where the branches begin.
        fanouts: fan-out -> where its branches begin.
    """
    common = _common(following, joins, targets)
    for join in common:
        inside = reachable(targets, {**following, join: ()})
        inner = {name: begin for name, begin in fanouts.items() if name in inside and list(begin) != list(targets)}
        taken = (
            meeting_point(following, joins, begin, {other: each for other, each in inner.items() if other != name})
            for name, begin in inner.items()
        )
        if join not in taken:
            return join
    return common[0] if common else None


def _common(following: Mapping[str, Sequence[str]], joins: Collection[str], targets: Sequence[str]) -> list[str]:
    """The joins that can be reached from all targets, the nearest first."""
    common: dict[str, int] = {}
    for number, target in enumerate(dict.fromkeys(targets)):
        steps = distances([target], following)
        found = {join: steps[join] for join in joins if join in steps}
        common = found if number == 0 else {join: max(common[join], found[join]) for join in common if join in found}
        if not common:
            return []
    return sorted(common, key=lambda join: (common[join], join))
