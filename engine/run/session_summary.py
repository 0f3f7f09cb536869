"""A session's summary: what a model writes of everything that was said in it, to be remembered for good."""

from __future__ import annotations

from collections.abc import Sequence

from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.memory.summary import summary_request
from engine.message import replace_surrogates
from engine.models.caller import CallOptions, CallSite
from engine.run.connection import Connected
from engine.store.memories import MOST_CHARACTERS
from engine.store.rows import MessageRow

MOST_TOKENS = 400
"""Tokens that the summary of a session may take."""
SUMMARY_S = 300.0
"""Seconds after which nobody waits for it any more."""


async def summary_of_session(messages: Sequence[MessageRow], connected: Connected, summariser: ev.Summariser) -> str:
    """What the summariser writes of a conversation; of a long one it sees each message in part, or the newest ones.

    Args:
        messages: of the session, the oldest first.
        connected: the backend.
        summariser: the model that writes.

    Raises:
        EngineError: the call failed, its window holds nothing of it, or it wrote nothing.
    """
    asked = summary_request(
        [("Assistant" if each.role == "assistant" else "User", each.content) for each in messages],
        model=summariser.model,
        window=summariser.window,
        max_tokens=min(MOST_TOKENS, summariser.window // 4),
    )
    if asked is None:
        raise _nothing(f"The window of {summariser.model} ({summariser.window} tokens) is too small for a summary.")
    caller = connected.caller
    options = CallOptions(stream=False, priority="interactive", deadline=caller.now() + SUMMARY_S)
    answer = await caller.call(asked[0], site=CallSite("summary", 1, 1), emit=_unheard, options=options)
    text = replace_surrogates(answer.text).strip()
    if not text:
        raise _nothing(f"{summariser.model} wrote nothing.")
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def source_of(messages: Sequence[MessageRow]) -> str:
    """The latest transaction of a session that the store still has; empty where all of them are gone."""
    return next((each.tx for each in reversed(messages) if each.number is not None), "")


def nothing_said(session: str) -> EngineError:
    return EngineError(
        ErrorClass.INVALID_REQUEST,
        "session_empty",
        f"Nothing was said in the session {session[:100]!r} yet.",
        remedy="Ask something in it first.",
    )


def _nothing(message: str) -> EngineError:
    return EngineError(
        ErrorClass.INVALID_OUTPUT,
        "no_summary",
        message,
        remedy="Name another model with `tinyllm-tui models use summariser MODEL`.",
    )


def _unheard(_body: ev.Body) -> None:
    """It is no run: nothing records its events."""
