"""Which JSON Schemas are sent along for a server to enforce, and which stand in the prompt only.

A server says in different ways that it cannot enforce a schema: llama.cpp and vLLM refuse the request (400, 422),
Ollama and llama-cpp-python fail over it (500). What they write about it is not looked at. The same request is sent
without the schema instead: when that is answered after a refusal, the schema was the reason, and the next calls leave
it out. A failure may be anybody's: a schema that the server ever took is not suspected, and any other is left out only
when two calls came to the same. A server in trouble refuses what it took before: of such a schema, two calls in a row
must be refused. Nothing is left out for good, for models are replaced under their names.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import EngineError, ErrorClass
from engine.graph.spec import hash_of
from engine.models.naming import same_model
from engine.models.pool import Endpoint
from engine.models.protocol import ChatRequest

MAX_REMEMBERED = 1000
"""Refused schemas that are remembered, of all models."""
FAILURES = 2
"""Times that a server may fail over a request before the schema is suspected; one failure is anybody's."""
SUSPICIONS = 2
"""Calls in a row that must have been answered only without a schema, where one does not tell enough."""
REST = 50
"""Calls that leave a refused schema out before one tries it again."""


class RefusedSchemas:
    """Schemas that endpoints turned out not to enforce for a model; kept as long as the engine is open."""

    def __init__(self) -> None:
        self._standing: dict[tuple[str, str, str], int] = {}
        """0: the endpoint took it; below `SUSPICIONS`: calls in a row that were answered only without it; from there
        on it is refused, and 1 less for each call that left it out."""

    def add(self, endpoint: str, request: ChatRequest, *, certain: bool) -> None:
        """Note that an endpoint answered only without the schema of a request.

        Args:
            endpoint: where.
            request: with its schema.
            certain: whether it had refused the request with it; else it had failed.
        """
        before = self._standing.get(_key(endpoint, request))
        suspicions = SUSPICIONS if certain and before is None else (before or 0) + 1
        self._put(endpoint, request, suspicions if suspicions < SUSPICIONS else SUSPICIONS + REST - 1)

    def took(self, endpoint: str, request: ChatRequest) -> None:
        """Note that an endpoint answered a request with its schema."""
        self._put(endpoint, request, 0)

    def left_out(self, endpoint: str, request: ChatRequest) -> None:
        """Note that a refused schema was not sent."""
        self._put(endpoint, request, self._standing[_key(endpoint, request)] - 1)

    def _put(self, endpoint: str, request: ChatRequest, standing: int) -> None:
        key = _key(endpoint, request)
        if key not in self._standing and len(self._standing) >= MAX_REMEMBERED:
            self._standing.pop(next(iter(self._standing)))
        self._standing[key] = standing

    def has(self, endpoint: str, request: ChatRequest) -> bool:
        """Whether the endpoint is known not to enforce the schema of a request."""
        return self._standing.get(_key(endpoint, request), 0) >= SUSPICIONS

    def is_taken(self, endpoint: str, request: ChatRequest) -> bool:
        """Whether the endpoint is known to enforce it."""
        return self._standing.get(_key(endpoint, request)) == 0


@dataclass(slots=True)
class SchemaTrial:
    """Whether the attempts of one call send their schema along."""

    request: ChatRequest
    refused: RefusedSchemas
    _left_out: dict[str, bool] = field(default_factory=dict)
    """Endpoints that are tried without -> whether they had refused the request with it."""
    _failures: dict[str, int] = field(default_factory=dict)
    """Endpoint -> how often it failed before it wrote anything."""

    def sends(self, endpoint: Endpoint) -> bool:
        """Whether the next attempt at an endpoint sends the schema: not where its model cannot be made to keep to one,
        as far as it told."""
        request = self.request
        if request.schema is None or endpoint.name in self._left_out or self.refused.has(endpoint.name, request):
            return False
        info = next((each for each in endpoint.models.values() if same_model(each.name, request.model)), None)
        return info is None or "json_schema" in info.capabilities

    def failed(self, endpoint: Endpoint, error: EngineError, *, begun: bool) -> bool:
        """Note how an attempt failed; whether the schema is to be left out at once, and the request sent again.

        Args:
            endpoint: where.
            error: how.
            begun: whether something of an answer had come: then the schema was taken.
        """
        if begun or not self.sends(endpoint):
            return False
        if error.error_class is ErrorClass.INVALID_REQUEST:
            self._left_out[endpoint.name] = True
            return True
        if error.error_class is ErrorClass.SERVER and not self.refused.is_taken(endpoint.name, self.request):
            self._failures[endpoint.name] = self._failures.get(endpoint.name, 0) + 1
            if self._failures[endpoint.name] >= FAILURES:
                self._left_out[endpoint.name] = False
        return False

    def answered(self, endpoint: Endpoint) -> None:
        """Note that an attempt was answered."""
        if endpoint.name in self._left_out:
            self.refused.add(endpoint.name, self.request, certain=self._left_out[endpoint.name])
        elif self.sends(endpoint):
            self.refused.took(endpoint.name, self.request)
        elif self.request.schema is not None and self.refused.has(endpoint.name, self.request):
            self.refused.left_out(endpoint.name, self.request)


def _key(endpoint: str, request: ChatRequest) -> tuple[str, str, str]:
    return endpoint, request.model, hash_of(request.schema)
