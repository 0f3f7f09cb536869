"""Router: finds the labels of a question by a cascade of stages and picks the route that covers them best.

Stages, in order: explicit rules; a classifier learnt from the routes' utterances, by embeddings or else by words; a
capable model, where the classifier is not sure; the default route.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.events import RouteDecided
from engine.graph.spec import RouterConfig, RouteSpec
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.route_request import LabelRequest
from engine.nodes.route_rules import match_rule
from engine.routing.classifier import Neighbour
from engine.routing.examples import Example, beginning, content_hash, examples_of
from engine.routing.judging import Judged, is_sure, judge, labels_of


@dataclass(slots=True)
class _Found:
    """What the cascade came to."""

    labels: list[str] = field(default_factory=list)
    """Best first."""
    scores: dict[str, float] = field(default_factory=dict)
    stage: str = "default"
    expression: str = ""
    """The calculation that the question is, where a rule found one."""
    asked: str = ""
    """The question without a command that chose the route; empty where it is the question itself."""
    times: list[tuple[str, int]] = field(default_factory=list)
    """(stage, microseconds)."""
    nearest: list[Neighbour] = field(default_factory=list)
    """The utterances that are most like the question."""
    note: str = ""
    """Why a stage was weaker than it might have been, or could say nothing."""


@dataclass(frozen=True, slots=True)
class _Choice:
    name: str
    targets: tuple[str, ...]
    labels: frozenset[str] = frozenset()
    """The labels that it covers; none for the default route where nothing was found."""
    reason: str = ""
    compound: bool = False


class RouterNode:
    def __init__(self, config: RouterConfig) -> None:
        self._config = config
        self._routes: Mapping[str, RouteSpec] = {route.name: route for route in config.routes}

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """The route for the question, or with `fanout_enabled` the routes of all its labels at once.

        Raises:
            EngineError: no route fits and there is no default route.
        """
        found = await self._find(ctx, message)
        excluded = frozenset(name for note in ctx.notes for name in note.excluded_routes)
        choice = self._choose(ctx, found, excluded)
        ctx.emit(
            RouteDecided(
                path=ctx.path,
                visit=ctx.visit,
                labels=tuple(found.labels),
                target="+".join(choice.targets),
                route=choice.name,
                stage=found.stage,
                scores=found.scores,
                stages=tuple(found.times),
                reason=choice.reason,
                nearest=tuple((each.text, each.similarity, "+".join(each.labels)) for each in found.nearest),
                note=found.note,
            )
        )
        data: dict[str, Any] = {
            "route": choice.name,
            "routes": list(found.labels),
            "domains": list(found.labels),
            "compound_route": choice.compound,
            "scores": found.scores,
        }
        if found.asked:
            data["asked"] = found.asked
        if found.expression:
            data["expression"] = found.expression
        return Outcome(content=found.asked or message.content, data=data, targets=choice.targets)

    # -- the cascade -------------------------------------------------------------------------------------------------

    async def _find(self, ctx: NodeContext, message: Message) -> _Found:
        found, question = _Found(), message.content
        method = self._config.method
        if self._by_correction(found, ctx, question) or (method != "model" and self._by_rule(found, question)):
            return found
        sure = method in {"auto", "embedding"} and await self._by_classifier(ctx, found, question)
        if method == "model" or (method == "auto" and not sure and beginning(question)):
            await self._by_model(ctx, found, message)
        return found

    def _by_correction(self, found: _Found, ctx: NodeContext, question: str) -> bool:
        """What a person said of this very question; the latest counts."""
        started = time.perf_counter_ns()
        asked = _squeezed(question)
        said = next((each for each in reversed(_corrections(ctx)) if _squeezed(each.text) == asked), None)
        labels = [] if said is None else [name for name in self._routes if name in said.labels]
        if labels:
            found.scores = dict.fromkeys(labels, 1.0)
            found.times.append(("correction", _micros(started)))
        return self._take(found, labels, "correction")

    def _by_rule(self, found: _Found, question: str) -> bool:
        started = time.perf_counter_ns()
        match = match_rule(self._config.routes, question)
        found.times.append(("rule", _micros(started)))
        if match is None:
            return False
        found.labels, found.scores, found.stage = [match.route], {match.route: 1.0}, "rule"
        found.expression = match.expression
        if match.question != question:
            found.asked = match.question
        return True

    async def _by_classifier(self, ctx: NodeContext, found: _Found, question: str) -> bool:
        """Take the labels that the classifier finds; whether it is sure of them."""
        if not any(route.utterances for route in self._config.routes):
            return False
        examples = examples_of(self._config, _corrections(ctx))

        async def classify() -> dict[str, Any]:
            return (await judge(examples, question, ctx.embedder)).as_json()

        asked = {"question": beginning(question), "examples": content_hash(examples)}
        judged = Judged.from_json(await ctx.op("classify", asked, classify))
        found.times += judged.micros
        found.scores, found.nearest, found.note = judged.scores, judged.nearest, judged.note
        config = self._config
        self._take(found, labels_of(judged, config.confidence_threshold, self._most), judged.stage)
        return is_sure(judged.scores, config.confidence_threshold, config.margin, several=config.multi_label)

    @property
    def _most(self) -> int:
        """Labels that a question may have."""
        return self._config.max_labels if self._config.multi_label else 1

    async def _by_model(self, ctx: NodeContext, found: _Found, message: Message) -> bool:
        """Ask a model, where one that can be trusted with it is there (or the graph insists)."""
        try:
            model = ctx.resolve(self._config.model)
        except EngineError:
            if self._config.method == "model":
                raise
            return False
        if self._config.method != "model" and not ctx.capable(model):
            return False
        started = time.perf_counter_ns()
        request = LabelRequest(ctx, self._config, model)
        await request.fill(message)
        try:
            answer = await request.ask()
            labels = _labels_of(answer.text, self._routes)
        except EngineError:
            if self._config.method == "model":
                raise
            labels = []  # the default route is better than no answer; the failed attempts are in the log
        found.times.append(("model", _micros(started)))
        return self._take(found, labels, "model")

    def _take(self, found: _Found, labels: list[str], stage: str) -> bool:
        if not labels:
            return False
        found.labels = sorted(labels, key=lambda name: -found.scores.get(name, 1.0))[: self._most]
        found.stage = stage
        return True

    # -- the choice --------------------------------------------------------------------------------------------------

    def _choose(self, ctx: NodeContext, found: _Found, excluded: frozenset[str]) -> _Choice:
        """The best route that was not excluded by a retry and whose node is not behind an open breaker."""
        candidates = self._candidates(found)
        if not candidates:
            raise EngineError(
                ErrorClass.CONFIGURATION,
                "no_route",
                "No route fits the question, and the router has no default_route.",
                remedy="Add a default_route to the router.",
            )
        open_to = [c for c in candidates if c.name not in excluded and all(map(ctx.available, c.targets))]
        if not open_to:
            return candidates[0]
        best = self._all_at_once(found, open_to, excluded) or open_to[0]
        wanted = [c for c in candidates if c.labels] if len(best.targets) > 1 else candidates[:1]
        why = [
            f"{c.name} was refused before" if c.name in excluded else f"the breaker of {c.name} is open"
            for c in wanted
            if c not in open_to
        ]
        if not found.labels:
            why.insert(0, self._nothing_found(found))
        return replace(best, reason=", ".join(why))

    def _nothing_found(self, found: _Found) -> str:
        """Why the default route is taken."""
        if not found.scores:
            return found.note or "no stage found a label"
        label, score = max(found.scores.items(), key=lambda each: each[1])
        return f"no score reaches {self._config.confidence_threshold:g}; the best is {score:.2f} for {label}"

    def _all_at_once(self, found: _Found, open_to: list[_Choice], excluded: frozenset[str]) -> _Choice | None:
        """The routes of all labels in parallel; None where that is not wanted, not possible, or was refused before."""
        if not self._config.fanout_enabled or any(c.compound and c.labels.issuperset(found.labels) for c in open_to):
            return None
        routes = [c for c in open_to if len(c.labels) == 1]
        targets = tuple(dict.fromkeys(target for c in routes for target in c.targets))
        name = "+".join(c.name for c in routes)
        if len(targets) < 2 or any(sorted(name.split("+")) == sorted(each.split("+")) for each in excluded):
            return None
        return _Choice(name, targets, frozenset(c.name for c in routes))

    def _candidates(self, found: _Found) -> list[_Choice]:
        labels = set(found.labels)
        compounds = [c for c in self._config.compound_routes if labels.issuperset(c.domains)]
        compounds.sort(key=lambda c: (-len(c.domains), -c.priority))
        chosen = [_Choice("+".join(c.domains), (c.target,), frozenset(c.domains), compound=True) for c in compounds]
        singles = sorted(
            (self._routes[name] for name in found.labels),
            key=lambda route: (-route.priority, -found.scores.get(route.name, 0.0)),
        )
        chosen += [_Choice(route.name, (route.target,), frozenset({route.name})) for route in singles]
        default = self._config.default_route
        if default is not None:
            route = self._routes.get(default)
            choice = _Choice(route.name, (route.target,)) if route else _Choice(default, (default,))
            chosen += [] if any(c.targets == choice.targets for c in chosen) else [choice]
        return chosen


def _corrections(ctx: NodeContext) -> list[Example]:
    return [Example(each.question, frozenset(each.labels)) for each in ctx.corrections]


def _squeezed(text: str) -> str:
    return " ".join(beginning(text).casefold().split())


def _labels_of(text: str, routes: Mapping[str, RouteSpec]) -> list[str]:
    try:
        labels = json.loads(text)["labels"]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise EngineError(ErrorClass.INVALID_OUTPUT, "labels_unreadable", "The router model named no labels.") from exc
    return list(dict.fromkeys(name for name in labels if isinstance(name, str) and name in routes))


def _micros(started_ns: int) -> int:
    return (time.perf_counter_ns() - started_ns) // 1000
