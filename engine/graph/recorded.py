"""Graphs as they were recorded with their runs."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import shorten
from engine.graph.spec import GraphSpec


def recorded_graph(document: dict[str, Any], reference: str) -> GraphSpec:
    """The specification of a graph that was recorded; fields that are newer than the record have their defaults.

    Args:
        document: the specification as JSON, as it stands in a `begin` event.
        reference: what messages call it.

    Raises:
        EngineError: it has fields or values that this version of the program does not know.
    """
    try:
        return GraphSpec.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "revision_unreadable",
            f"The graph of {reference!r} was recorded by another version of the program, and this one cannot read it"
            f" ({shorten(place)}: {shorten(first['msg'])}).",
            remedy="Use the version of the program that recorded it.",
        ) from exc
