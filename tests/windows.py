"""Watching every model request of all tests: what the server counted in the prompt and what the answer may take fit
together into the window. Requests of other processes are seen by the tests that read their events."""

from __future__ import annotations

from typing import Any

from engine.models.answered import ModelRound
from engine.models.call_events import CallEvents
from engine.models.protocol import ChatRequest, Done


class Windows:
    """The place through which the usage of every answered request passes, and what was seen there."""

    def __init__(self) -> None:
        self.counted = 0
        """Requests whose tokens a server counted."""
        self.over: list[str] = []
        """A line for each that was larger than its window."""

    def watch(self) -> None:
        """Look at everything that passes from now on."""
        finished, windows = CallEvents.finished, self

        def counted(
            events: CallEvents, request: ChatRequest, endpoint: str, answer: Any, done: Done, now: float
        ) -> ModelRound:
            if done.prompt_tokens is not None:
                windows.count(request, done.prompt_tokens, events.site.path)
            return finished(events, request, endpoint, answer, done, now)

        CallEvents.finished = counted  # type: ignore[method-assign]

    def count(self, request: ChatRequest, reported: int, path: str) -> None:
        """Take note of one request."""
        self.counted += 1
        if reported + request.max_tokens > request.window:
            sizes = f"{reported} in the prompt + {request.max_tokens} for the answer > {request.window}"
            self.over.append(f"{path}, {request.model}: {sizes} tokens")
