"""Tools that read, query, write and merge JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar

from pydantic import BaseModel, Field, JsonValue

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import choose_from, shorten
from engine.tools.clean import MAX_DEPTH, clean
from engine.tools.effect import Effect, Permission
from engine.tools.protocol import Arguments, Result, ToolContext
from engine.tools.threads import in_thread

MAX_JSON = 1_000_000
"""Characters of a JSON text."""
MAX_FOUND = 1000
"""Values that a query with `*` gives back."""

ValueField = Field(description="a JSON value, or a text that is JSON")


class _JsonTool:
    effect: ClassVar[Effect] = "pure"
    permission: ClassVar[Permission] = "auto"
    timeout_s = 10.0


class JsonValueResult(Result):
    value: JsonValue

    def as_text(self) -> str:
        return self.value if isinstance(self.value, str) else _dumped(self.value)


class JsonParseArguments(Arguments):
    text: str = Field(min_length=1, max_length=MAX_JSON, description="JSON, also within a code fence or other text")


class JsonParseTool(_JsonTool):
    id = "json_parse"
    description = "Reads JSON from a text, also when there are words or a code fence around it."
    Input: ClassVar[type[BaseModel]] = JsonParseArguments
    Output: ClassVar[type[BaseModel]] = JsonValueResult

    async def run(self, arguments: JsonParseArguments, context: ToolContext) -> JsonValueResult:  # noqa: ARG002
        """The value.

        Raises:
            EngineError: INVALID_REQUEST, code `not_json`, with line and column.
        """
        return JsonValueResult(value=await in_thread(lambda _stop: parse_json(arguments.text)))


class JsonQueryArguments(Arguments):
    value: JsonValue = ValueField
    path: str = Field(
        default="", max_length=500, description='such as a.b, items.0.name, items[-1], items.*.name or ["a key"].b'
    )


class JsonQueryTool(_JsonTool):
    id = "json_query"
    description = "Takes a part out of a JSON value by a dotted path; * stands for every element."
    Input: ClassVar[type[BaseModel]] = JsonQueryArguments
    Output: ClassVar[type[BaseModel]] = JsonValueResult

    async def run(self, arguments: JsonQueryArguments, context: ToolContext) -> JsonValueResult:  # noqa: ARG002
        """The part; a list of all parts where the path has a `*`.

        Raises:
            EngineError: INVALID_REQUEST, codes `not_json`, `bad_path` and `nothing_at_path`.
        """
        found = await in_thread(lambda _stop: query_json(_value_of(arguments.value), arguments.path))
        return JsonValueResult(value=found)


class JsonFormatArguments(Arguments):
    value: JsonValue = ValueField
    indent: int = Field(default=2, ge=0, le=8, description="spaces per level; 0: all on one line")
    sort_keys: bool = False


class JsonFormatResult(Result):
    text: str

    def as_text(self) -> str:
        return self.text


class JsonFormatTool(_JsonTool):
    id = "json_format"
    description = "Writes a JSON value as text, indented or on one line."
    Input: ClassVar[type[BaseModel]] = JsonFormatArguments
    Output: ClassVar[type[BaseModel]] = JsonFormatResult

    async def run(self, arguments: JsonFormatArguments, context: ToolContext) -> JsonFormatResult:  # noqa: ARG002
        def work(_stop: object) -> str:
            value = _value_of(arguments.value)
            return json.dumps(value, ensure_ascii=False, indent=arguments.indent or None, sort_keys=arguments.sort_keys)

        return JsonFormatResult(text=await in_thread(work))


class JsonMergeArguments(Arguments):
    values: list[JsonValue] = Field(min_length=1, max_length=100, description="objects; later ones win")
    deep: bool = Field(default=True, description="true: objects within objects are merged too; lists are replaced")


class JsonMergeTool(_JsonTool):
    id = "json_merge"
    description = "Merges JSON objects into one; where two say different things, the later one wins."
    Input: ClassVar[type[BaseModel]] = JsonMergeArguments
    Output: ClassVar[type[BaseModel]] = JsonValueResult

    async def run(self, arguments: JsonMergeArguments, context: ToolContext) -> JsonValueResult:  # noqa: ARG002
        """The merged object.

        Raises:
            EngineError: INVALID_REQUEST, codes `not_json` and `not_an_object`.
        """

        def work(_stop: object) -> dict[str, Any]:
            merged: dict[str, Any] = {}
            for position, given in enumerate(arguments.values, 1):
                value = _value_of(given)
                if not isinstance(value, dict):
                    raise _invalid("not_an_object", f"Value {position} is no JSON object", "Give objects only.")
                merged = _merged(merged, value, arguments.deep)
            return merged

        return JsonValueResult(value=await in_thread(work))


def _merged(left: dict[str, Any], right: dict[str, Any], deep: bool) -> dict[str, Any]:
    result = dict(left)
    for key, value in right.items():
        old = result.get(key)
        result[key] = _merged(old, value, deep) if deep and isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _value_of(given: Any) -> Any:
    """A value as given, or, from a text, the JSON in it."""
    return parse_json(given) if isinstance(given, str) else given


_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)


def parse_json(text: str) -> Any:
    """The JSON value of a text; where the text is not JSON as a whole, that of its first fence, object or list.

    Raises:
        EngineError: INVALID_REQUEST, code `not_json`.
    """
    try:
        return _loaded(text)
    except ValueError as exc:
        first = exc
    fenced = _FENCED.search(text)
    parts = [(fenced[1], True)] if fenced else []
    starts = sorted(place for place in (text.find("{"), text.find("[")) if place >= 0)
    parts += [(text[place:], False) for place in starts]
    for part, whole in parts:
        with suppress(ValueError):
            return _loaded(part, whole=whole)
    place = f" at line {first.lineno}, column {first.colno}" if isinstance(first, json.JSONDecodeError) else ""
    reason = first.msg if isinstance(first, json.JSONDecodeError) else str(first)
    raise _invalid("not_json", f"The text is not JSON: {shorten(reason, 100)}{place}", "Correct it there.")


def _loaded(text: str, *, whole: bool = True) -> Any:
    if len(text) > MAX_JSON:
        raise ValueError(f"it has more than {MAX_JSON:,} characters")
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    try:
        value = decoder.decode(text) if whole else decoder.raw_decode(text)[0]
        return clean(value)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_STEP = re.compile(r"""\.?(?:\[(-?\d{1,9})\]|\[("(?:[^"\\]|\\.)*")\]|\[(\*)\]|([^.\[\]]+))""")


def query_json(value: Any, path: str) -> Any:
    """The part of a JSON value at a dotted path; a list of all parts where the path has a `*`.

    Raises:
        EngineError: INVALID_REQUEST, codes `bad_path` and `nothing_at_path`.
    """
    steps = _steps(path)
    found, several = [value], False
    for position, step in enumerate(steps):
        if step == "*":
            several = True
            found = [each for here in found for each in _elements(here)][: MAX_FOUND + 1]
            continue
        if several:  # what lacks the name is left out, as in every wildcard query
            found = [part for here in found for part in _parts(here, step)]
        else:
            parts = _parts(found[0], step)
            if not parts:
                raise _nothing(found[0], step, path, position)
            found = parts
    return found[:MAX_FOUND] if several else found[0]


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 0
    text = path.removeprefix("$")
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (match.start() == match.end()):
            raise _invalid("bad_path", f"`{shorten(path)}` is no path", "Write names with dots between, such as a.0.b.")
        index, quoted, star, name = match.groups()
        if index is not None:
            steps.append(int(index))
        elif quoted is not None:
            steps.append(_unquoted(quoted, path))
        else:
            steps.append(star or name)
        position = match.end()
    return steps


def _unquoted(quoted: str, path: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise _invalid("bad_path", f"`{shorten(path)}` is no path", "Write keys as JSON strings.") from None


def _elements(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        return value
    return value.values() if isinstance(value, dict) else ()


def _parts(value: Any, step: str | int) -> list[Any]:
    """The part of a value that a step leads to, in a list; an empty one where there is none."""
    if isinstance(value, dict):
        return [value[str(step)]] if str(step) in value else []
    if isinstance(value, list) and re.fullmatch(r"-?\d{1,9}", str(step)):
        index = int(step)
        return [value[index]] if -len(value) <= index < len(value) else []
    return []


def _nothing(value: Any, step: str | int, path: str, position: int) -> EngineError:
    if isinstance(value, dict):
        remedy = choose_from(step, [shorten(key, 40) for key in list(value)[:200]])
    elif isinstance(value, list):
        remedy = f"The list has {len(value)} elements, counted from 0."
    else:
        remedy = f"There is only a {type(value).__name__} there."
    return _invalid(
        "nothing_at_path", f"There is nothing at step {position + 1}, `{shorten(step)}`, of `{shorten(path)}`", remedy
    )


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _invalid(code: str, message: str, remedy: str) -> EngineError:
    return EngineError(ErrorClass.INVALID_REQUEST, code, f"{message}.", remedy=remedy)
