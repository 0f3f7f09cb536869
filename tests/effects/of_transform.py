"""Cases of the fields of `transform`."""

from __future__ import annotations

from typing import Any

from tests.effects.case import Case, Document, case
from tests.effects.documents import chain, x
from tests.effects.sights import answer, data
from tests.graphs import node


def doing(operation: str, **config: Any) -> Document:
    return chain(x("transform", operation=operation, **config))


def after_parsing(operation: str, **config: Any) -> Document:
    """The text of the question is JSON, and its value is `data.json`."""
    return chain(node("parse", "transform", operation="json_parse"), x("transform", operation=operation, **config))


JSON = '{"a": {"n": 1}, "b": "two", "items": ["x", "y"]}'
LINES = '{"items": ["x", "y"]}'
_ITEMS = data("items")
_DEEP: dict[str, Any] = {"question": JSON}

CASES: tuple[Case, ...] = (
    case("transform.operation", doing("upper"), ("upper", "WHY?"), ("lower", "why?"), ("strip", "Why?"), see=answer),
    case("transform.length", doing("truncate"), (1, "W"), (3, "Why"), see=answer),
    case("transform.length (of pieces)", doing("split", separator=","), (None, {"items": ["a", "b", "c"]}),
         (3, {"items": ["a,b", "c"]}), see=_ITEMS, question="a,b,c"),
    case("transform.template", doing("template"), ("{{ question }}!", "Why?!"), ("{{ content | upper }}", "WHY?"),
         see=answer),
    case("transform.path", doing("json_extract"), ("b", "two"), ("a.n", "1"), ("c", "error nothing_at_path"),
         see=answer, **_DEEP),
    case("transform.path (of the payload)", after_parsing("json_stringify"), ("json.b", '"two"'),
         ("json.a", '{"n": 1}'), see=answer, **_DEEP),
    case("transform.path (of a list)", after_parsing("join"), ("json.items", "x\n\ny"),
         ("json.b", "error not_a_list"), see=answer, **_DEEP),
    case("transform.key", doing("json_wrap"), ("q", '{"q": "Why?"}'), ("text", '{"text": "Why?"}'), see=answer),
    case("transform.indent", after_parsing("json_stringify", path="json.a"), (None, '{"n": 1}'), (2, '{\n  "n": 1\n}'),
         see=answer, **_DEEP),
    case("transform.separator", doing("split"), (",", {"items": ["a", "b;c"]}), (";", {"items": ["a,b", "c"]}),
         see=_ITEMS, question="a,b;c"),
    case("transform.separator (between texts)", after_parsing("join", path="json.items"), (None, "x\n\ny"),
         ("+", "x+y"), see=answer, question=LINES),
    case("transform.pattern", doing("regex_extract"), ("[a-z]+", "hy"), ("[A-Z]", "W"),
         ("[0-9]", "error nothing_found"), see=answer),
    case("transform.ignore_case", doing("regex_extract", pattern="[a-z]+"), (False, "hy"), (True, "Why"), see=answer),
    case("transform.ignore_case (where it is replaced)", doing("regex_replace", pattern="w", replacement="T"),
         (False, "Why?"), (True, "Thy?"), see=answer),
    case("transform.group", doing("regex_extract", pattern="(W)(?P<rest>h)y"), (None, "W"), (0, "Why"), ("rest", "h"),
         see=answer),
    case("transform.replacement", doing("regex_replace", pattern="(W)hy"), (None, "?"), (r"\1ho", "Who?"), see=answer),
    case("transform.default", doing("regex_extract", pattern="[0-9]+"), (None, "error nothing_found"), ("0", "0"),
         see=answer),
    case("transform.default (of JSON)", doing("json_extract", path="c"), (None, "error nothing_at_path"),
         ("none", "none"), see=answer, **_DEEP),
)  # fmt: skip
