"""What was typed and not sent, for each session: it stands in the prompt again when the session does."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE_NAME = "drafts.json"
MOST = 50
"""Sessions of which a draft is kept: the latest."""
_LONGEST = 2_000_000
"""Characters of all drafts together that are read back."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that was not sent."""

    text: str = ""
    """As it stands in the prompt."""
    pastes: Mapping[str, str] = field(default_factory=dict)
    """Token in it -> the large paste that it stands for."""


class Drafts:
    """Drafts by session, the latest last; that of a conversation that has not begun is under the empty id."""

    def __init__(self) -> None:
        self._kept: dict[str, Draft] = {}
        self.changed = False
        """Whether something is not in the file yet."""

    def keep(self, session: str, draft: Draft) -> None:
        """Remember the draft of a session; an empty one is forgotten."""
        if self.of(session) == draft:
            return
        self._kept.pop(session, None)
        if draft.text:
            self._kept[session] = draft
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        self.changed = True

    def of(self, session: str) -> Draft:
        return self._kept.get(session, Draft())

    def add(self, others: Mapping[str, Draft]) -> None:
        """Take what was kept before; what is known already is newer."""
        self._kept = {**others, **self._kept}

    def snapshot(self) -> dict[str, Draft]:
        """What is to be written; later changes are not in it."""
        self.changed = False
        return dict(self._kept)


def read_drafts(folder: Path) -> dict[str, Draft]:
    """The drafts of an earlier start. A file that is not there, or is none of ours, has none. It blocks."""
    try:
        with (folder / FILE_NAME).open(encoding="utf-8") as file:
            found = json.loads(file.read(_LONGEST))
    except (OSError, ValueError):
        return {}
    known = found if isinstance(found, dict) else {}
    return {name: draft for name, value in known.items() if (draft := _draft(value)) is not None}


def _draft(value: Any) -> Draft | None:
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return None
    pastes = value.get("pastes")
    kept = pastes if isinstance(pastes, dict) else {}
    return Draft(value["text"], {token: text for token, text in kept.items() if isinstance(text, str)})


def write_drafts(folder: Path, drafts: Mapping[str, Draft]) -> None:
    """Put the drafts in the place of those in the file. It blocks.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    text = json.dumps({name: {"text": each.text, "pastes": dict(each.pastes)} for name, each in drafts.items()})
    handle, name = tempfile.mkstemp(prefix=FILE_NAME, dir=folder)  # for nobody else to read
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        written.replace(folder / FILE_NAME)
    except OSError:
        written.unlink(missing_ok=True)
        raise
