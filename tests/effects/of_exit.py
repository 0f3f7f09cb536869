"""Cases of the fields of `exit`."""

from __future__ import annotations

from tests.effects.case import Case, Seen, case
from tests.effects.documents import chain, x
from tests.effects.sights import answer

EXIT = chain(exit_=x("exit"))


def _ended(seen: Seen) -> tuple[str, str | None]:
    return seen.ran.result.status, seen.ran.result.exit


CASES: tuple[Case, ...] = (
    case("exit.status", EXIT, ("success", ("committed", "success")), ("fallback", ("committed", "fallback")),
         ("error", ("rolled_back", "error")), see=_ended),
    case("exit.output_schema", EXIT, (None, "Why?"), ({"type": "object"}, "error answer_not_json"), see=answer),
)  # fmt: skip
