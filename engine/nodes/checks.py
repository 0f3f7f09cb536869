"""Programmatic checks of an answer: what can be known without asking a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engine.events import Retry
from engine.message import Message
from engine.nodes.code_check import code_problem
from engine.nodes.notes import echoes
from engine.nodes.number_check import number_problem

REPEATED_WORDS = 6
"""Length in words of the phrase whose repetition counts."""
REPEATED_TIMES = 4
"""How often the same phrase may stand in an answer before it counts as a loop."""
MAX_TEXT = 100_000
"""Characters in which repetitions are looked for."""


def run_checks(message: Message, notes: Sequence[Retry]) -> tuple[dict[str, bool], list[str]]:
    """(check -> passed, reasons of those that failed). `ok` is true when all passed; `notes` are the retries so far."""
    text = message.content.strip()
    code, numbers = code_problem(text), number_problem(message)
    found = {
        "not_empty": (bool(text), "the answer was empty"),
        "not_cut_off": (message.data.get("finish") != "length", "the answer was cut off; give a shorter one"),
        "not_echo": (not echoes(text, notes), "the answer only repeated these instructions; answer the question"),
        "not_repetitive": (not _repeats(text), "the answer repeated itself; say each thing once"),
        "code_parses": (not code, code),
        "numbers_agree": (not numbers, numbers),
    }
    checks = {name: passed for name, (passed, _) in found.items()}
    reasons = [reason for passed, reason in found.values() if not passed]
    return {"ok": not reasons, **checks}, reasons


def _repeats(text: str) -> bool:
    """Whether some phrase of `REPEATED_WORDS` words stands in the text more than `REPEATED_TIMES` times."""
    words = text[:MAX_TEXT].split()
    phrases = Counter(tuple(words[i : i + REPEATED_WORDS]) for i in range(len(words) - REPEATED_WORDS + 1))
    return any(count > REPEATED_TIMES for count in phrases.values())
