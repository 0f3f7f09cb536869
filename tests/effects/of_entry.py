"""Cases of the fields of `entry`."""

from __future__ import annotations

from tests.effects.case import Case, case
from tests.effects.documents import chain, x
from tests.effects.sights import answer

ENTRY = chain(entry=x("entry"))
AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}

CASES: tuple[Case, ...] = (
    case("entry.required_fields", ENTRY, ([], "Why?"), (["topic"], "error input_missing"), see=answer),
    case("entry.input_schema", ENTRY, (None, "Why?"), (AGE, "error schema_violated"), see=answer,
         inputs={"age": "old"}),
)  # fmt: skip
