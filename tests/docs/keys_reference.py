"""The page of keys, from the table of bindings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinyllm_tui.keymap import KEYS, TITLES, Key
from tinyllm_tui.keymap_choice import PRESETS, Keymap

KEYS_MD = Path(__file__).parents[2] / "docs" / "keys.md"
_HEAD = """\
# Keys

<!-- Made from the program by `uv run python -m tests.docs`; not written by hand. -->

`F1` shows these keys in the cockpit, with those that the configuration changed, and `tinyllm-tui keys` lists them with
the ids of their bindings. In `config.yaml`:

```yaml
keys:
  preset: vim          # or default
  map:
    chat.copy: ctrl+y  # id of a binding: its keys, separated by commas
```

A line that names no binding or no key is said at the start and does not count; a key that two bindings of one place
would have is said too. A binding of the prompt, or one that works everywhere, cannot be a plain character: it could not
be typed any more. Lists and text fields in dialogs have the usual keys (arrows, page up and down, home, end, enter).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_tables(), *_preset()]) + "\n"


def _tables() -> Iterator[str]:
    for scope, keys in KEYS.items():
        yield f"## {TITLES[scope]}\n\n| Keys | Does | Id |\n|---|---|---|"
        yield "\n".join(_row(key) for key in keys) + "\n"


def _row(key: Key) -> str:
    return (
        f"| {_code(Keymap({key.id: key.keys}).written(key))} | {key.words.replace('|', chr(92) + '|')} | `{key.id}` |"
    )


def _preset() -> Iterator[str]:
    known = {key.id: key for keys in KEYS.values() for key in keys}
    changed = PRESETS["vim"]
    yield "## The preset `vim`\n\n| Keys | Does |\n|---|---|"
    yield "\n".join(f"| {_code(Keymap(changed).written(known[name]))} | {known[name].words} |" for name in changed)


def _code(written: str) -> str:
    """Every key in code; a bar would end the cell."""
    return " ".join(f"`{each}`".replace("|", "\\|") for each in written.split())
