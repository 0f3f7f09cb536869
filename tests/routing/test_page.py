"""docs/routing.md says what was measured, and reaches what it says are the goals."""

from __future__ import annotations

from tests.routing.material import development_set
from tests.routing.page import PAGE, record_in, with_table
from tinyllm_tui.cli.route import route
from tinyllm_tui.keymap import KEYS

TEXT = PAGE.read_text("utf-8")


def test_the_table_is_what_the_record_says() -> None:
    assert with_table(TEXT, record_in(TEXT)) == TEXT, "run: uv run python -m tests.routing.page"


def test_the_record_is_of_the_development_set_as_it_is() -> None:
    record = record_in(TEXT)
    assert record["embedding"]["questions"] == record["words"]["questions"] == len(development_set())


def test_the_page_names_every_command_and_the_key() -> None:
    for name in route.commands:
        assert f"route {name}" in TEXT
    key = next(key for key in KEYS["panes"] if key.id == "chat.route")
    assert f"`{key.keys}`" in TEXT
