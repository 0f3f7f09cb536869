"""Cases of the fields of `tool`."""

from __future__ import annotations

from typing import Any

from tests.effects.case import Case, Document, Seen, case
from tests.effects.documents import chain, x
from tests.effects.sights import answer


def calling(tool_id: str = "calculator", argument: str = "expression", **config: Any) -> Document:
    return chain(x("tool", **{"tool_id": tool_id, "input_mapping": {argument: "content"}, **config}))


def _output(seen: Seen) -> tuple[str, list[str]]:
    """The tool that ran, and the fields of its output."""
    found = seen.ran.result.data
    return found["tool"], sorted(found["result"])[:2]


def _named(seen: Seen) -> dict[str, Any]:
    """Field of the data -> the result that stands there."""
    return {name: value["result"] for name, value in seen.ran.result.data.items() if isinstance(value, dict)}


def _went_on(seen: Seen) -> tuple[str, Any]:
    return answer(seen), seen.ran.result.data.get("tool_error")


CASES: tuple[Case, ...] = (
    case("tool.tool_id", calling(argument="text"), ("text_stats", ("text_stats", ["bytes", "characters"])),
         ("text_split", ("text_split", ["count", "pieces"])), see=_output),
    case("tool.input_mapping", calling(), ({"expression": "content"}, "2"), ({"expression": "data.sum"}, "7"),
         see=answer, question="1+1", inputs={"sum": "3+4"}),
    case("tool.output_field", calling(), ("result", {"result": "2"}), ("sum", {"sum": "2"}), see=_named,
         question="1+1"),
    case("tool.continue_on_error", calling(), (False, ("error not_calculable", None)),
         (True, ("7/0", "not_calculable")), see=_went_on, question="7/0"),
)  # fmt: skip
