"""Pool: the endpoints of an engine, which of them has which model, and how busy and how quick each model is."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from engine.errors import EngineError, ErrorClass
from engine.events import BackendChanged, Body
from engine.health.breaker import CircuitBreaker
from engine.health.registry import BreakerRegistry
from engine.health.retry import RetryBudget
from engine.models.admission import Admission, Place
from engine.models.naming import full_name
from engine.models.protocol import LoadsModels, ModelBackend, ModelInfo

RECENT_CALLS = 20
"""Answers of a model whose times are remembered."""
LIST_TIMEOUT_S = 3.0
"""Seconds that one of several endpoints has to say what it has."""
ASK_AGAIN_S = 30.0
"""Seconds after which an endpoint that did not answer is asked again."""


@dataclass(slots=True, eq=False)
class Endpoint:
    """A backend, how much is asked of it at a time, and what is known of it."""

    backend: ModelBackend
    concurrency: int = 1
    """Attempts at the same time per model."""
    budget: RetryBudget = field(default_factory=RetryBudget)
    models: dict[str, ModelInfo] = field(default_factory=dict)
    """Full name in small letters -> the model as it said last."""
    failure: EngineError | None = None
    """Why it does not answer; None while it does."""
    failed_at: float = 0.0

    @property
    def name(self) -> str:
        return self.backend.endpoint

    async def ask(self, seconds: float | None) -> None:
        """Ask which models it has.

        Args:
            seconds: that it has to answer; None: as many as its backend gives it.

        Raises:
            EngineError: it does not answer; kept in `failure`.
        """
        try:
            async with asyncio.timeout(seconds):
                found = await self.backend.models()
        except TimeoutError as exc:
            message = f"The server at {self.name} did not answer in time."
            self.failure = EngineError(ErrorClass.TIMEOUT, "no_answer", message, remedy="Start it again.")
            raise self.failure from exc
        except EngineError as error:
            self.failure = error
            raise
        self.failure = None
        self.models = {_key(info.name): info for info in found}

    def offline(self) -> BackendChanged:
        """The event that says why it does not answer."""
        error = self.failure
        words = ("", "") if error is None else (error.message, error.remedy)
        return BackendChanged(self.name, self.backend.kind, "offline", *words)


class Pool:
    """The endpoints of an engine. What several of them have under one name is one model.

    Args:
        endpoints: at least one; the first is the one that is meant where only one can be.
        breakers: a breaker for each `endpoint model`.
        emit: takes a `BackendChanged` when one of several endpoints stops or begins to answer.
        now: monotonic seconds.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        breakers: BreakerRegistry,
        *,
        emit: Callable[[Body], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoints = tuple(endpoints)
        self._by_name = {endpoint.name: endpoint for endpoint in self.endpoints}
        self._breakers = breakers
        self._emit = emit
        self._now = now
        self._admissions: dict[str, Admission] = {}
        self._times: dict[str, deque[int]] = {}

    @property
    def first(self) -> ModelBackend:
        """The backend that is meant where only one can be: the first that answers."""
        return next((each.backend for each in self.endpoints if each.failure is None), self.endpoints[0].backend)

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name."""
        return self._by_name[name]

    # -- models ------------------------------------------------------------------------------------------------------

    async def models(self) -> list[ModelInfo]:
        """The models that the endpoints have, each once. An endpoint that does not answer is left out, and it is said.

        Raises:
            EngineError: none answers.
        """
        due = [each for each in self.endpoints if not self._resting(each)]
        before = {each.name for each in self.endpoints if each.failure is not None}
        async with asyncio.TaskGroup() as group:
            for endpoint in due:
                group.create_task(self._list(endpoint))
        self._say(before)
        answering = [each for each in self.endpoints if each.failure is None]
        if not answering:
            raise self.endpoints[0].failure or AssertionError  # every endpoint has one
        for model, admission in self._admissions.items():
            admission.set_places(self._places(model))
        keys = dict.fromkeys(key for endpoint in answering for key in endpoint.models)
        return [_merged(each.models[key] for each in answering if key in each.models) for key in keys]

    async def show(self, model: str) -> ModelInfo:
        """One model with the window that a request gets now, wherever it is sent.

        Raises:
            EngineError: no endpoint that has it can be asked.
        """
        asked = self.having(model)
        names = [self.own_name(endpoint.name, model) for endpoint in asked]
        shows = (endpoint.backend.show(name) for endpoint, name in zip(asked, names, strict=True))
        answers = await asyncio.gather(*shows, return_exceptions=True)
        found = [answer for answer in answers if isinstance(answer, ModelInfo)]
        if not found:
            raise next(answer for answer in answers if isinstance(answer, BaseException))
        return replace(_merged(found), name=found[0].name if len(self.endpoints) == 1 else model)

    async def load(self, model: str) -> None:
        """Bring a model into memory where it will be asked first, if that is known to be possible.

        Raises:
            EngineError: it cannot be loaded.
        """
        usable = (each for each in self.having(model) if self.breaker(each.name, model).available())
        endpoint = next(usable, None)
        if endpoint is not None and isinstance(endpoint.backend, LoadsModels) and not self.admission(model).load:
            await endpoint.backend.load(self.own_name(endpoint.name, model))

    def having(self, model: str) -> Sequence[Endpoint]:
        """The endpoints that have a model; where none that answers has it, those that had it, or else all."""
        if len(self.endpoints) == 1:
            return self.endpoints
        key = _key(model)
        had = [each for each in self.endpoints if key in each.models]
        return [each for each in had if each.failure is None] or had or self.endpoints

    def digest(self, model: str) -> str:
        """Digest of a model's file, where it is known; of several files where endpoints differ."""
        digests = {each.models[_key(model)].digest for each in self.endpoints if _key(model) in each.models}
        return "+".join(sorted(digests - {""}))

    def own_name(self, endpoint: str, model: str) -> str:
        """What an endpoint calls a model."""
        info = self._by_name[endpoint].models.get(_key(model))
        return model if info is None else info.name

    def _resting(self, endpoint: Endpoint) -> bool:
        """Whether it is too early to ask it again."""
        if endpoint.failure is None or all(each.failure is not None for each in self.endpoints):
            return False
        return self._now() - endpoint.failed_at < ASK_AGAIN_S

    async def _list(self, endpoint: Endpoint) -> None:
        try:
            await endpoint.ask(LIST_TIMEOUT_S if len(self.endpoints) > 1 else None)
        except EngineError:
            endpoint.failed_at = self._now()

    def _say(self, before: set[str]) -> None:
        """Tell which of several endpoints stopped or began to answer, and how many do."""
        if len(self.endpoints) == 1:
            return  # whoever asks gets its error
        changed = [each for each in self.endpoints if (each.failure is not None) != (each.name in before)]
        for each in changed:
            if each.failure is not None:
                self._emit(each.offline())
        if changed and any(each.failure is None for each in self.endpoints):
            self._emit(standing(self.endpoints))  # last, for it is how things stand

    # -- calls -------------------------------------------------------------------------------------------------------

    def breaker(self, endpoint: str, model: str) -> CircuitBreaker:
        """The circuit breaker of a model at an endpoint."""
        return self._breakers.get(f"{endpoint} {model}", "endpoint")

    def available(self, model: str) -> bool:
        """Whether the breaker of some endpoint lets a call of a model pass."""
        return any(self._breakers.available(f"{endpoint.name} {model}") for endpoint in self.having(model))

    def admission(self, model: str) -> Admission:
        """The queue before a model."""
        found = self._admissions.get(model)
        if found is None:
            found = self._admissions[model] = Admission(self._places(model), self._now)
        return found

    def _places(self, model: str) -> list[Place]:
        return [
            Place(endpoint.name, endpoint.concurrency, self.breaker(endpoint.name, model).available)
            for endpoint in self.having(model)
        ]

    def took(self, model: str, milliseconds: int) -> None:
        """Remember how long an answer of a model took."""
        self._times.setdefault(model, deque(maxlen=RECENT_CALLS)).append(milliseconds)

    def median_ms(self, model: str, *, unknown: float) -> float:
        """Median time of a model's recent answers in milliseconds; `unknown` before its first."""
        times = self._times.get(model)
        return statistics.median(times) if times else unknown

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text, made where the model is.

        Raises:
            EngineError: it cannot be done.
        """
        endpoint = self.having(model)[0]
        return await endpoint.backend.embed(self.own_name(endpoint.name, model), texts)

    async def aclose(self) -> None:
        """Close every backend."""
        for endpoint in self.endpoints:
            await endpoint.backend.aclose()


def standing(endpoints: Sequence[Endpoint]) -> BackendChanged:
    """The event that says how many of several endpoints answer; at least one does."""
    answering = [each for each in endpoints if each.failure is None]
    first, detail = answering[0], f"{len(answering)} of {len(endpoints)} endpoints answer."
    return BackendChanged(first.name, first.backend.kind, "ready", detail)


def _key(model: str) -> str:
    return full_name(model).casefold()


def _merged(infos: Iterable[ModelInfo]) -> ModelInfo:
    """One model as several endpoints tell of it: what every one of them can do."""
    first, *others = infos
    if not others:
        return first
    every = (first, *others)
    windows = [info.window for info in every if info.window]
    return replace(
        first,
        window=min(windows, default=None),
        digest="+".join(sorted({info.digest for info in every if info.digest})),
        capabilities=frozenset.intersection(*(info.capabilities for info in every)),
        loaded=any(info.loaded for info in every),
    )
