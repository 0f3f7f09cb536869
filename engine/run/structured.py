"""Structured: one question to one model whose answer is a value: a run like any other, of a graph made for it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from pydantic import BaseModel, ValidationError

from engine.errors import EngineError, ErrorClass
from engine.graph.json_schema import flaw_of
from engine.graph.spec import GraphSpec, hash_of
from engine.nodes.structured import correction, schema_of
from engine.run.result import Result
from engine.run.run import Run

M = TypeVar("M", bound=BaseModel)

MAX_WRONG = 5
"""Errors of a pydantic model that are told to the language model."""


def structured_graph(form: type[BaseModel] | Mapping[str, Any], model: str, **config: Any) -> GraphSpec:
    """entry -> a model with the schema as its `output_schema` -> exit.

    Args:
        form: what the answer has to be.
        model: a role such as `@general`, or the name of a model.
        config: further fields of the model node.

    Raises:
        EngineError: invalid_request: the schema cannot be used, or there is no such field of a model node.
    """
    schema = schema_of(form)
    flaw = flaw_of(schema)
    if flaw is not None:
        raise EngineError(ErrorClass.INVALID_REQUEST, "bad_schema", f"The schema {flaw.problem}.", remedy=flaw.remedy)
    # circuit breakers go by the graph's id: what one form fails at says nothing about another
    name = re.sub(r"\W", "_", str(schema.get("title") or hash_of(schema)[:12]))[:40]
    nodes = [
        {"id": "question", "type": "entry"},
        {"id": "answer", "type": "model", "config": {**config, "model": model, "output_schema": schema}},
        {"id": "end", "type": "exit"},
    ]
    edges = [{"from_node": "question", "to_node": "answer"}, {"from_node": "answer", "to_node": "end"}]
    try:
        return GraphSpec.model_validate({"id": f"structured.{name}", "nodes": nodes, "edges": edges})
    except ValidationError as exc:
        wrong = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in exc.errors(include_input=False)[:MAX_WRONG])
        message = f"The model cannot be asked like this: {wrong}."
        remedy = "docs/graphs.md lists the fields of a model node."
        raise EngineError(ErrorClass.INVALID_REQUEST, "bad_config", message, remedy=remedy) from exc


@overload
def value_of(result: Result, form: type[M]) -> M: ...
@overload
def value_of(result: Result, form: Mapping[str, Any]) -> Any: ...
def value_of(result: Result, form: Any) -> Any:
    """The value that a run of such a graph came to.

    Raises:
        EngineError: the run failed; or invalid_output `schema_violated`, the value breaks a rule of the pydantic model
            that no JSON Schema can say.
    """
    if result.status != "committed":
        error = result.error
        if error is None:
            raise EngineError(ErrorClass.INTERNAL, "no_value", "The run ended without an answer.")
        raise EngineError(error.error_class, error.code, error.message, remedy=error.remedy, node=error.node)
    value = result.data["json"]
    if isinstance(form, Mapping):
        return value
    try:
        return form.model_validate_json(json.dumps(value))  # in Python's own types "2026-01-01" is no date
    except ValidationError as exc:
        wrong = "; ".join(_told(each) for each in exc.errors(include_url=False, include_input=False)[:MAX_WRONG])
        raise EngineError(
            ErrorClass.INVALID_OUTPUT,
            "schema_violated",
            f"The answer is no {form.__name__}: {wrong}.",
            remedy="Put the rule into the question too, or use a larger model.",
        ) from exc


async def ask_for(start: Callable[[str], Run], question: str, form: Any) -> Any:
    """The value that answers a question; asked once more in a second run, which quotes the error, where only the
    pydantic model refuses the answer and the first run did not have to ask twice.

    Args:
        start: begins a run of the graph with a question.
        question: the question.
        form: what the answer has to be.

    Raises:
        EngineError: as `value_of`.
    """
    result = await _ended(start(question))
    try:
        return value_of(result, form)
    except EngineError as error:
        if result.status != "committed" or result.usage.model_calls > 1:
            raise
        again = f"{question}\n\n{correction(error, result.text)}"
    return value_of(await _ended(start(again)), form)


async def _ended(run: Run) -> Result:
    """The result of a run, which ends with whoever waits for it."""
    try:
        return await run.result()
    except asyncio.CancelledError:
        run.cancel()
        raise


def _told(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    return f"at {place}: {error['msg']}" if place else str(error["msg"])
