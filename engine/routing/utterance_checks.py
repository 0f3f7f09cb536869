"""Warnings about utterances that routes can hardly be learnt from: too few, or like those of another route.

Likeness is that of words and character n-grams, so that a graph can be checked without any model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from engine.graph.problems import Location, Problem, shorten
from engine.graph.spec import GraphSpec, RouterConfig
from engine.routing.examples import LEARNING, beginning
from engine.routing.text_features import inverse_document_frequency, sparse_gram, text_features, weighted

FEWEST = 5
"""Utterances that a route should have."""
MOST = 1500
"""Utterances of a router; training takes minutes beyond it."""
NEARLY_THE_SAME = 0.7
"""Cosine from which two utterances of different routes cannot be told apart."""
ALIKE = 0.35
"""Cosine from which an utterance that is nearest to one of another route counts as confusing."""
CONFUSING_SHARE, CONFUSING = 1 / 3, 3
"""So many of a route's utterances, and at least so many, have to be confusing to be told."""
_SHOWN = 3
"""Pairs that a warning quotes."""


@dataclass(frozen=True, slots=True)
class _Utterance:
    text: str
    routes: frozenset[str]
    at: Location


@dataclass(frozen=True, slots=True)
class _Pair:
    """An utterance, and the one of other routes that it is nearest to."""

    one: _Utterance
    other: _Utterance
    similarity: float


def utterance_warnings(graph: GraphSpec) -> list[Problem]:
    """Warnings about all routers of a graph and of its sub-graphs that learn; they run all the same.

    Returns:
        Without file and line; `location` is the path of the value inside the graph.
    """
    found: list[Problem] = []
    for index, node in enumerate(graph.nodes):
        if isinstance(node.config, RouterConfig) and node.config.method in LEARNING:
            found += _of_router(node.config, ("nodes", index, "config"), node.id)
    for name, inside in graph.graphs.items():
        found += [replace(each, location=("graphs", name, *each.location)) for each in utterance_warnings(inside)]
    return found


def _of_router(config: RouterConfig, at: Location, node: str) -> Iterator[Problem]:
    utterances = _utterances(config, at)
    if not utterances:
        return
    if len(utterances) > MOST:
        message = f"The router `{node}` has {len(utterances)} utterances: learning from them takes minutes."
        yield Problem("", 0, 0, message, f"Keep the {MOST} that differ most, or fewer.", (*at, "routes"))
        return
    yield from _too_few(config, at, node)
    yield from _twice(utterances, node)
    yield from _overlapping(utterances, node)


def _utterances(config: RouterConfig, at: Location) -> list[_Utterance]:
    """Of single and compound routes, without empty ones."""
    groups = [
        (frozenset([route.name]), route.utterances, (*at, "routes", index)) for index, route in enumerate(config.routes)
    ]
    groups += [
        (frozenset(compound.domains), compound.utterances, (*at, "compound_routes", index))
        for index, compound in enumerate(config.compound_routes)
    ]
    return [
        _Utterance(beginning(text), routes, (*place, "utterances", index))
        for routes, texts, place in groups
        for index, text in enumerate(texts)
        if beginning(text)
    ]


def _too_few(config: RouterConfig, at: Location, node: str) -> Iterator[Problem]:
    for index, route in enumerate(config.routes):
        count = len({beginning(text) for text in route.utterances} - {""})
        by_rule = not count and (route.domains or route.name == config.default_route)
        if count < FEWEST and not by_rule:
            has = f"only {count}" if count else "no"
            message = f"The route `{route.name}` of `{node}` has {has} utterance{'' if count == 1 else 's'}."
            remedy = f"Give it {FEWEST} or more, better 25, that differ as questions do."
            yield Problem("", 0, 0, message, remedy, (*at, "routes", index, "utterances" if count else "name"))


def _twice(utterances: Sequence[_Utterance], node: str) -> Iterator[Problem]:
    """The same text under two single routes; one of a compound route of both says that it is meant."""
    seen: dict[str, _Utterance] = {}
    meant = {(each.text.casefold(), name) for each in utterances if len(each.routes) > 1 for name in each.routes}
    for each in utterances:
        text = each.text.casefold()
        before = seen.setdefault(text, each)
        if len(each.routes) > 1 or before.routes == each.routes or len(before.routes) > 1:
            continue
        names = sorted(before.routes | each.routes)
        if not all((text, name) in meant for name in names):
            message = (
                f"The routes `{names[0]}` and `{names[1]}` of `{node}` have the same utterance: “{_quoted(each)}”."
            )
            remedy = "Keep it under one of them, or move it to a compound route of both."
            yield Problem("", 0, 0, message, remedy, each.at)


def _overlapping(utterances: Sequence[_Utterance], node: str) -> Iterator[Problem]:
    """Pairs of single routes many of whose utterances, or some of which nearly word for word, are like the other's."""
    single = [each for each in utterances if len(each.routes) == 1]
    nearest = [pair for pair in _nearest(single) if pair.one.text.casefold() != pair.other.text.casefold()]
    sizes = {name: sum(name in each.routes for each in single) for each in single for name in each.routes}
    for names in combinations(sizes, 2):
        pairs = [pair for pair in nearest if pair.one.routes | pair.other.routes == set(names)]
        same = [pair for pair in pairs if pair.similarity >= NEARLY_THE_SAME]
        if not same and not any(_is_confused(name, sizes[name], pairs) for name in names):
            continue
        pairs.sort(key=lambda pair: -pair.similarity)
        told = list({pair.one.at: pair for pair in _each_once(pairs)}.values())
        quoted = "; ".join(f"“{_quoted(pair.one)}” is like “{_quoted(pair.other)}”" for pair in told[:_SHOWN])
        more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        message = (
            f"The routes `{names[0]}` and `{names[1]}` of `{node}` have utterances that are alike: {quoted}{more}."
        )
        remedy = "Make them differ, or move what belongs to both to a compound route."
        yield Problem("", 0, 0, message, remedy, told[0].one.at)


def _is_confused(name: str, size: int, pairs: Sequence[_Pair]) -> bool:
    count = sum(name in pair.one.routes for pair in pairs)
    return count >= max(CONFUSING, CONFUSING_SHARE * size)


def _each_once(pairs: Sequence[_Pair]) -> Iterator[_Pair]:
    """Without those that are another one turned round."""
    seen: set[frozenset[Location]] = set()
    for pair in pairs:
        both = frozenset((pair.one.at, pair.other.at))
        if both not in seen:
            seen.add(both)
            yield pair


def _nearest(utterances: Sequence[_Utterance]) -> Iterator[_Pair]:
    """Of each utterance that is nearest to one of another route, both; only where they are alike at all."""
    counted = [text_features(each.text) for each in utterances]
    rarity = inverse_document_frequency(counted)
    best: list[tuple[float, int]] = [(0.0, at) for at in range(len(utterances))]
    for row, products in enumerate(sparse_gram([weighted(features, rarity) for features in counted])):
        for other, similarity in enumerate(products[:-1]):
            best[row] = max(best[row], (similarity, other))
            best[other] = max(best[other], (similarity, row))
    for at, (similarity, other) in enumerate(best):
        if similarity >= ALIKE and utterances[at].routes != utterances[other].routes:
            yield _Pair(utterances[at], utterances[other], similarity)


def _quoted(utterance: _Utterance) -> str:
    return shorten(utterance.text, 80)
