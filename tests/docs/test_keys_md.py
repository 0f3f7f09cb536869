"""docs/keys.md says which keys there are."""

from __future__ import annotations

import yaml

from tests.docs.keys_reference import KEYS_MD, page
from tinyllm_tui.keymap import KEYS
from tinyllm_tui.keymap_choice import keymap

TEXT = KEYS_MD.read_text("utf-8")


def test_the_page_is_not_stale() -> None:
    assert page() == TEXT, "run: uv run python -m tests.docs"


def test_every_binding_is_named() -> None:
    for keys in KEYS.values():
        for key in keys:
            assert f"`{key.id}` |" in TEXT


def test_the_example_counts() -> None:
    example = yaml.safe_load(TEXT.split("```yaml\n")[1].split("```")[0])["keys"]
    chosen = keymap(example["preset"], example["map"])
    assert not chosen.problems
    assert chosen.keys["chat.copy"] == "ctrl+y"
