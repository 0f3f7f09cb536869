"""Which JSON Schemas are sent along for a server to enforce, and which stand in the prompt only.

A server says in different ways that it cannot enforce a schema: llama.cpp and vLLM refuse the request (400, 422),
Ollama and llama-cpp-python fail over it (500). What they write about it is not looked at. The same request is sent
without the schema instead: when that is answered, the schema was the reason, and it is not sent there again.
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


class RefusedSchemas:
    """Schemas that endpoints turned out not to enforce for a model; kept as long as the engine is open."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], None] = {}

    def add(self, endpoint: str, request: ChatRequest) -> None:
        """Remember that an endpoint does not take the schema of a request for its model."""
        while len(self._known) >= MAX_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[_key(endpoint, request)] = None

    def has(self, endpoint: str, request: ChatRequest) -> bool:
        """Whether that is known."""
        return bool(self._known) and _key(endpoint, request) in self._known


@dataclass(slots=True)
class SchemaTrial:
    """Whether the attempts of one call send their schema along."""

    request: ChatRequest
    refused: RefusedSchemas
    _left_out: set[str] = field(default_factory=set)
    """Endpoints that are tried without."""
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
            self._left_out.add(endpoint.name)
            return True
        if error.error_class is ErrorClass.SERVER:
            self._failures[endpoint.name] = self._failures.get(endpoint.name, 0) + 1
            if self._failures[endpoint.name] >= FAILURES:
                self._left_out.add(endpoint.name)
        return False

    def answered(self, endpoint: Endpoint) -> None:
        """Note that an attempt was answered."""
        if endpoint.name in self._left_out:
            self.refused.add(endpoint.name, self.request)


def _key(endpoint: str, request: ChatRequest) -> tuple[str, str, str]:
    return endpoint, request.model, hash_of(request.schema)
