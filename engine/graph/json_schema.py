"""JSON Schemas of strangers: which ones may be used, and whether a value fulfils one, in bounded time.

The `jsonschema` package fetches what `$ref` names, searches patterns with `re`, compares every two items for
`uniqueItems`, and follows references without end. Here references stay inside the schema, patterns are searched by the
interruptible matcher, items are compared by their text, and the checks of one value are counted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import islice
from typing import Any

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.graph.patterns import compile_pattern
from engine.graph.problems import shorten

MAX_DEPTH = 64
"""Levels of nesting in a schema: an object takes two or three of them, and checking a level up to 8 frames."""
MAX_CHARACTERS = 64_000
"""Of a schema as JSON: it stands in the prompt, and few windows are larger."""
MAX_CHECKS = 100_000
"""Keywords that are checked for one value: about half a second."""
MAX_NESTED_CHECKS = 150
"""Keywords inside one another, of up to 4 frames each: where Python's stack ends, `rpds` (in Rust) panics."""
PATTERN_SECONDS = 0.2
"""Time for all searching in one value; this may be on the event loop."""
MAX_VIOLATIONS = 50
"""Violations among which the one to be told is chosen."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BOUNDS = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minimum", "maximum"),
)
_PLAIN = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are no schemas."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a schema cannot be used."""

    at: tuple[str | int, ...]
    """Where in the schema."""
    problem: str
    """Goes on a sentence that begins with the schema's name."""
    remedy: str


def flaw_of(schema: Mapping[str, Any]) -> Flaw | None:
    """Why a schema cannot be used; None where it can."""
    try:
        text = json.dumps(schema, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return Flaw((), "is no JSON", "Write it with texts, numbers, lists and mappings only.")
    if len(text) > MAX_CHARACTERS:
        return Flaw((), f"is longer than {MAX_CHARACTERS:,} characters", "Ask for less at a time.")
    if '"unevaluatedProperties"' in text and '"patternProperties"' in text:  # the package would search with `re`
        remedy = "Write `additionalProperties` instead of `unevaluatedProperties`."
        return Flaw((), "has `patternProperties` and `unevaluatedProperties`, which do not go together here", remedy)
    found = next(_flaws(schema, ()), None) or _invalid(schema)
    return found or _endless(schema)


def _flaws(schema: Any, at: tuple[str | int, ...]) -> Iterator[Flaw]:
    """What this program does not allow in a schema, or in a part of one."""
    if len(at) > MAX_DEPTH:
        yield Flaw(at, f"is nested more than {MAX_DEPTH} levels deep", "Make it flatter.")
        return
    if isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from _flaws(inner, (*at, index))
    if not isinstance(schema, Mapping):
        return
    for key, inner in schema.items():
        if key in _REFERENCES and isinstance(inner, str) and not inner.startswith("#"):
            remedy = "Put the schema under `$defs` and refer to it with `#/$defs/name`."
            yield Flaw((), "refers to a schema elsewhere (`$ref`)", remedy)
        elif key == "pattern" and isinstance(inner, str):
            yield from _bad_pattern(inner, (*at, key))
        elif key == "patternProperties" and isinstance(inner, Mapping):
            for pattern in inner:
                yield from _bad_pattern(str(pattern), (*at, key))
        if key not in _PLAIN:
            yield from _flaws(inner, (*at, key))
    yield from _crossed(schema, at)


def _crossed(schema: Mapping[str, Any], at: tuple[str | int, ...]) -> Iterator[Flaw]:
    """Bounds that nothing lies between: a model held to them by a grammar writes until it is stopped."""
    for low, high in _BOUNDS:
        least, most = schema.get(low), schema.get(high)
        numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in (least, most))
        if numbers and least > most:  # type: ignore[operator]  # both are numbers
            problem = f"can be fulfilled by nothing: `{low}` is {least} and `{high}` is {most}"
            yield Flaw((*at, low), problem, f"Raise `{high}`, or lower `{low}`.")


def _bad_pattern(pattern: str, at: tuple[str | int, ...]) -> Iterator[Flaw]:
    try:
        _compiled(pattern)
    except EngineError as error:
        problem = f"is no valid JSON Schema: {error.message.rstrip('.')}"
        yield Flaw(at, problem, "Correct the schema.")


def _invalid(schema: Mapping[str, Any]) -> Flaw | None:
    from jsonschema import SchemaError  # slow to import, and few graphs have a schema
    from jsonschema.validators import validator_for

    try:
        draft: Any = validator_for(schema)
        draft.check_schema(schema, format_checker=None)  # none: patterns were looked at, and not by `re`
    except SchemaError as exc:
        inside = ".".join(str(part) for part in exc.path)
        detail = f"`{shorten(inside)}`: {shorten(exc.message, 120)}" if inside else shorten(exc.message, 120)
        return Flaw(tuple(exc.path), f"is no valid JSON Schema: {detail}", "Correct the schema.")
    except RecursionError:
        return Flaw((), "is nested too deeply", "Make it flatter.")
    return _dangling(schema)


def _dangling(schema: Mapping[str, Any]) -> Flaw | None:
    """A reference to a part that the schema does not have."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import specification_with

    draft = _draft(schema)
    resource = specification_with(draft.META_SCHEMA.get("$schema", "")).create_resource(dict(schema))
    resolver = Registry().with_resource("", resource).resolver("")
    for reference in _local_references(schema):
        try:
            resolver.lookup(reference)
        except (Unresolvable, LookupError, ValueError, TypeError, AttributeError):
            problem = f"refers to `{shorten(reference)}`, which it does not have"
            return Flaw((), problem, "Put that part under `$defs`, or correct the `$ref`.")
    return None


def _local_references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, inner in schema.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            elif key not in _PLAIN:
                yield from _local_references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _local_references(inner)


def _endless(schema: Mapping[str, Any]) -> Flaw | None:
    """A schema that comes to no end even for the simplest values."""
    try:
        for simplest in ("null", "{}", "[]"):
            violation(json.loads(simplest), schema)
    except EngineError as error:
        return Flaw((), error.message.removeprefix("The schema ").rstrip("."), error.remedy)
    return None


# -- values -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Effort:
    """What the checks of one value may still take."""

    checks: int = MAX_CHECKS
    levels: int = MAX_NESTED_CHECKS
    seconds: float = PATTERN_SECONDS


_EFFORT: ContextVar[_Effort] = ContextVar("effort")


class _TooMuch(Exception):
    """The checks of one value take more than they may."""


class _TooDeep(Exception):
    """The checks of one value go deeper than they may."""


def violation(value: Any, schema: Mapping[str, Any]) -> tuple[str, str] | None:
    """(dotted place, what is wrong there) where a JSON value does not fulfil a schema; None where it does.

    Raises:
        EngineError: the schema cannot be followed: it has no end (`schema_endless`), or takes too long for this value
            (`schema_too_complex`).
    """
    from jsonschema.exceptions import best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    token = _EFFORT.set(_Effort())
    try:
        validator = _bounded(_draft(schema))(_undrafted(schema), registry=Registry())
        problem = best_match(islice(validator.iter_errors(value), MAX_VIOLATIONS))
    except (_TooDeep, RecursionError):
        raise _unusable("schema_endless", "refers to itself without end, or the value is nested too deeply") from None
    except (_TooMuch, TimeoutError, MemoryError):
        raise _unusable("schema_too_complex", "takes too long to be checked for this value") from None
    except (Unresolvable, ArithmeticError, EngineError) as exc:
        raise _unusable("schema_unusable", f"cannot be followed ({shorten(exc, 100)})") from None
    finally:
        _EFFORT.reset(token)
    if problem is None:
        return None
    return ".".join(str(part) for part in problem.absolute_path), problem.message[:300]


def check_schema(value: Any, schema: Mapping[str, Any], what: str, error_class: ErrorClass) -> None:
    """Check a JSON value against a JSON Schema.

    Raises:
        EngineError: of `error_class`, code `schema_violated`, naming the place and the first problem; as `violation`.
    """
    found = violation(value, schema)
    if found is not None:
        place, problem = found
        raise EngineError(
            error_class,
            "schema_violated",
            f"{what} does not fulfil its schema{f' at {place}' if place else ''}: {problem}.",
            remedy="Change the value, or the schema in the graph.",
        )


def _unusable(code: str, problem: str) -> EngineError:
    return ConfigurationError(code, f"The schema {problem}.", remedy="Make the schema simpler.")


def _draft(schema: Mapping[str, Any]) -> Any:
    from jsonschema.validators import Draft202012Validator, validator_for

    return validator_for(schema, default=Draft202012Validator)


def _undrafted(schema: Any) -> Any:
    """A copy without `$schema`, which would make a part of the schema be checked by the package's own rules."""
    if isinstance(schema, Mapping):
        return {
            key: _undrafted(inner) for key, inner in schema.items() if key != "$schema" or not isinstance(inner, str)
        }
    return [_undrafted(inner) for inner in schema] if isinstance(schema, list) else schema


@cache
def _bounded(draft: Any) -> Any:
    """The rules of a draft, each counted, and those that have no bound replaced."""
    from jsonschema import validators

    own: dict[str, _Rule] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    rules = {**draft.VALIDATORS, **{name: rule for name, rule in own.items() if name in draft.VALIDATORS}}
    extend: Any = validators.extend  # has no types
    return extend(draft, {name: _counted(rule) for name, rule in rules.items()})


_Rule = Callable[[Any, Any, Any, Any], Any]


_compiled = lru_cache(maxsize=256)(partial(compile_pattern, lines=False))


def _counted(rule: _Rule) -> _Rule:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        effort = _EFFORT.get()
        effort.checks -= 1
        if effort.checks < 0:
            raise _TooMuch
        if effort.levels <= 0:
            raise _TooDeep
        effort.levels -= 1
        try:
            yield from rule(validator, value, instance, schema) or ()
        finally:
            effort.levels += 1

    return counted


def _found(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text.

    Raises:
        TimeoutError: the patterns of this value took too long.
        EngineError: the pattern is not allowed.
    """
    effort, began = _EFFORT.get(), time.monotonic()
    found = _compiled(pattern).search(text, timeout=max(effort.seconds, 0.001), concurrent=True)
    effort.seconds -= time.monotonic() - began
    return found is not None


def _pattern(validator: Any, pattern: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "string") and not _found(pattern, instance):
        yield _error(f"{shorten(instance)!r} does not match {shorten(pattern)!r}")


def _pattern_properties(validator: Any, properties: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for pattern, inner in properties.items():
            for key, value in instance.items():
                if _found(pattern, key):
                    yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _additional_properties(validator: Any, others: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [key for key in instance if key not in known and not any(_found(pattern, key) for pattern in patterns)]
    if isinstance(others, dict):
        for key in extra:
            yield from validator.descend(instance[key], others, path=key)
    elif not others and extra:
        names = ", ".join(f"`{shorten(key)}`" for key in extra[:5])
        yield _error(f"it has what is not asked for: {names}")


def _unique_items(validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if wanted and validator.is_type(instance, "array"):
        texts = {json.dumps(_comparable(item), sort_keys=True) for item in instance}
        if len(texts) < len(instance):
            yield _error("it has the same item twice")


def _comparable(value: Any) -> Any:
    """A value in a form whose JSON is the same for equal values: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    return {key: _comparable(item) for key, item in value.items()} if isinstance(value, dict) else value


def _error(message: str) -> Any:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)
