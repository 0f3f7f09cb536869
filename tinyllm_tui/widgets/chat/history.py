"""What was said earlier in a session, as the chat shows it: each question with its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.store.rows import MessageRow


@dataclass(frozen=True, slots=True)
class PastTurn:
    """One question and its answer, as their session keeps them."""

    question: str
    answer: str
    tx: str
    number: int | None
    """The transaction's number; None where it is not here any more, or is not recorded."""
    asked_ms: int
    """Unix time in milliseconds; 0 where it is not known."""
    committed: bool = True
    """Whether its run ended well; the answer of another one is what there was of it."""
    refused: tuple[str, str] = ("", "")
    """(why, remedy) of a question that became no run."""


def turns_of(messages: Sequence[MessageRow]) -> list[PastTurn]:
    """The turns of a session, the oldest first.

    A committed run leaves its question and its answer next to each other; an answer whose question is gone stands
    below an empty one.
    """
    turns: list[PastTurn] = []
    for message in messages:
        last = turns[-1] if turns else None
        if message.role == "user" or last is None or last.answer or last.tx != message.tx:
            question = message.content if message.role == "user" else ""
            answer = "" if message.role == "user" else message.content
            turns.append(PastTurn(question, answer, message.tx, message.number, message.created_ms))
        else:
            turns[-1] = PastTurn(last.question, message.content, last.tx, last.number, last.asked_ms)
    return turns


def local_time(wall_ms: int) -> str:
    """Day and time of a Unix time in milliseconds, here."""
    return datetime.fromtimestamp(wall_ms / 1000).astimezone().strftime("%d %b %Y %H:%M")
