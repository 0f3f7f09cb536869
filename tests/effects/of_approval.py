"""Cases of the fields of `approval`."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.approvers import no, yes
from tests.effects.case import Case, Document, Seen, case
from tests.effects.documents import chain, leading_to, x
from tests.effects.sights import answer, exit_of


def deciding(**config: Any) -> Document:
    """entry -> approval -> two exits."""
    return leading_to(x("approval", **config), "one", "two", edges=[("x", "one"), ("x", "two", "content == ''")])


def _question(seen: Seen) -> str:
    return seen.asked[0].description


CASES: tuple[Case, ...] = (
    case("approval.prompt", chain(x("approval")), ("Go on with this?", "Go on with this?"),
         ("Send {{ content | upper }}", "Send WHY?"), see=_question, person=yes),
    case("approval.approved_target", deciding(), (None, "one"), ("two", "two"), see=exit_of, person=yes,
         unchecked="the edges would do nothing beside a target"),
    case("approval.rejected_target", deciding(approved_target="one"), (None, "error rejected"), ("two", "two"),
         see=exit_of, person=no, unchecked="the edges would do nothing beside a target"),
    case("approval.editable", chain(x("approval")), (False, "Why?"), (True, "Who?"), see=answer,
         person=partial(yes, text="Who?")),
)  # fmt: skip
