"""What the hostile server does in each case, and what is expected of the engine: the table of classes and retries.

The table itself is the expectation, written down a second time: nothing here is asked of the engine.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.errors import ErrorClass
from tests.faults.hostile_dialects import PIECES, TEXT, WINDOW, Dialect, good
from tests.faults.hostile_server import LAST, Drip, End, Step, chunk, head, whole

REFUSED, NO_NAME, NO_ROUTE = "refused", "no such name", "no route"
LINE_LIMIT = 10 * 1024 * 1024
HTML = b"<!doctype html><html><body>It works!</body></html>"


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong, or only looks like it."""

    name: str
    steps: Sequence[Step] | Callable[[], Sequence[Step]] = ()
    """What the first attempt meets; empty where there is no server."""
    error: ErrorClass | None = None
    """None: the answer is accepted."""
    retried: bool = False
    shown: str | None = ""
    """Text that had come before the failure; None: however much."""
    text: str = TEXT
    """Of an accepted answer."""
    finish: str = "stop"
    wait: tuple[float, float] = (0.0, 0.5)
    """Bounds of the first back-off in seconds; by default those of the full jitter."""
    lasts: bool = True
    """Whether it is played a second time, with a server that does not recover."""
    silent: bool = False
    """Whether the client is to give up by itself, after a short silence."""
    deadline: bool = False
    """Whether the call has a second."""
    cancel: bool = False
    """Whether the person cancels when the server has fallen silent."""
    nowhere: str = ""
    """Where there is no server: `REFUSED`, `NO_NAME` or `NO_ROUTE`."""


def places(say: Dialect) -> Iterator[tuple[str, tuple[bytes, ...], str]]:
    """(place in the stream, what was sent until there, the text of it)."""
    start, first = head(content_type=say.stream_type), chunk(say.token(PIECES[0]))
    second = say.token(PIECES[1])
    cut = second.index("ß".encode()) + 1
    yield "before headers", (), ""
    yield "after headers", (start,), ""
    yield "after the first chunk", (start, first), PIECES[0]
    yield "inside a character", (start, first, chunk(second[:cut])), PIECES[0]
    yield "before done", (start, *(chunk(say.token(piece)) for piece in PIECES)), TEXT


def cases(say: Dialect) -> list[Case]:
    """Every case in one dialect."""
    return [
        *_connections(),
        *_breaks(say),
        *_nonsense(say),
        *_errors_in_streams(say),
        *_statuses(say),
        *_foreign(say),
        *_too_much(say),
        *_empty(say),
        *_deadlines(say),
        *_cancelled(say),
        *_accepted(say),
    ]


def _connections() -> Iterator[Case]:
    for where in (REFUSED, NO_NAME, NO_ROUTE):
        yield Case(f"connection: {where}", error=ErrorClass.CONNECTION, retried=True, nowhere=where)


def _breaks(say: Dialect) -> Iterator[Case]:
    ways: dict[End, ErrorClass] = {
        "hang": ErrorClass.TIMEOUT,
        "reset": ErrorClass.PROTOCOL,
        "close": ErrorClass.PROTOCOL,
    }
    for place, sent, shown in places(say):
        for how, error in ways.items():
            lasts = how != "hang" or place == "after the first chunk"  # each costs a silence in real time
            yield Case(
                f"{how} {place}", (*sent, how), error, retried=True, shown=shown, lasts=lasts, silent=how == "hang"
            )
        if sent:
            yield Case(f"end without done {place}", (*sent, LAST), ErrorClass.PROTOCOL, retried=True, shown=shown)


def _nonsense(say: Dialect) -> Iterator[Case]:
    second = say.token(PIECES[1])
    bad = {
        "broken JSON": say.raw(b'{"model": "m", "mess'),
        "no JSON": say.raw(b"panic: runtime error"),
        "invalid UTF-8": second.replace("ß".encode(), b"\xff"),
        "half a character": second.replace("ß".encode(), "ß".encode()[:1]),
    }
    wrong = {f"wrong types {number}": line for number, line in enumerate(say.wrong_types(), start=1)}
    for place, sent, shown in places(say):
        if place in {"after headers", "after the first chunk", "before done"}:
            for name, line in (bad | (wrong if place == "after the first chunk" else {})).items():
                steps = (*sent, chunk(line), chunk(say.done()), LAST)
                yield Case(f"{name} {place}", steps, ErrorClass.PROTOCOL, retried=True, shown=shown, lasts=False)


def _errors_in_streams(say: Dialect) -> Iterator[Case]:
    texts = ("an error was encountered while running the model", "model runner has unexpectedly stopped")
    for place, sent, shown in places(say):
        if place not in {"before headers", "inside a character"}:
            for text in texts:
                steps = (*sent, chunk(say.error(text)), LAST)
                yield Case(f"error {place}: {text}", steps, ErrorClass.SERVER, retried=True, shown=shown)
    if say.name == "ollama":
        start, first = head(content_type=say.stream_type), chunk(say.token(PIECES[0]))
        steps = (start, first, chunk(say.done(finish="unload")), LAST)
        yield Case("unloaded mid-way", steps, ErrorClass.SERVER, retried=True, shown=PIECES[0])


def _statuses(say: Dialect) -> Iterator[Case]:
    for status, error in ((429, ErrorClass.RATE_LIMITED), (503, ErrorClass.OVERLOADED)):
        body = say.refusal("busy")
        yield Case(f"{status}", (whole(status, body),), error, retried=True)
        for text, bounds in _retry_after():
            steps = (whole(status, body, Retry_After=text),)
            yield Case(f"{status} Retry-After {text}", steps, error, retried=True, wait=bounds, lasts=False)
        yield Case(f"{status} Retry-After a date", partial(_in_20_s, status, body), error, True, wait=(15.0, 20.0))
    for status in (500, 502):
        yield Case(f"{status}", (whole(status, say.refusal("broken")),), ErrorClass.SERVER, retried=True)
        yield Case(f"{status} HTML", (whole(status, HTML, "text/html"),), ErrorClass.SERVER, retried=True)
    yield Case("400", (whole(400, say.refusal("invalid option")),), ErrorClass.INVALID_REQUEST)
    too_long = say.refusal("the input length exceeds the context length", code="context_length_exceeded")
    yield Case("400 too long", (whole(400, too_long),), ErrorClass.CONTEXT_OVERFLOW)
    filled = good(say, prompt=WINDOW)
    yield Case("prompt count at the window", filled, ErrorClass.CONTEXT_OVERFLOW, shown=TEXT)
    for status in (401, 403):
        yield Case(f"{status}", (whole(status, say.refusal("unauthorized")),), ErrorClass.AUTH)
        yield Case(f"{status} HTML", (whole(status, HTML, "text/html"),), ErrorClass.AUTH)
    missing = say.refusal("model 'm:1b' not found", code="model_not_found")
    yield Case("404 model missing", (whole(404, missing),), ErrorClass.NOT_FOUND)


def _in_20_s(status: int, body: dict[str, Any]) -> Sequence[Step]:
    return (whole(status, body, Retry_After=email.utils.formatdate(time.time() + 20, usegmt=True)),)


def _retry_after() -> Iterator[tuple[str, tuple[float, float]]]:
    """(header, bounds of the wait); the dates are read within a minute or two of their making."""
    yield "7", (7.0, 7.0)
    yield "3600", (30.0, 30.0)
    yield email.utils.formatdate(time.time() + 3600, usegmt=True), (30.0, 30.0)
    yield email.utils.formatdate(time.time() - 60, usegmt=True), (0.0, 0.5)
    yield "soon", (0.0, 0.5)


def _foreign(say: Dialect) -> Iterator[Case]:
    others = {
        "HTML": whole(200, HTML, "text/html"),
        "HTML 404": whole(404, HTML, "text/html"),
        "HTML in the stream's type": whole(200, HTML + b"\n\n", say.stream_type),
        "other JSON": whole(200, {"status": "ok"}),
        "other JSON in lines": whole(200, b'{\n  "status": "ok"\n}\n'),
        "other JSON in the stream's type": whole(200, say.raw(b'{"jsonrpc": "2.0", "id": 1}'), say.stream_type),
        "other JSON 404": whole(404, {"detail": "Not Found"}),
        "other text 404": whole(404, b"404 page not found", "text/plain"),
        "redirect": whole(302, b"", "text/html", Location="/login"),
    }
    for name, answer in others.items():
        yield Case(f"wrong endpoint: {name}", (answer,), ErrorClass.CONFIGURATION)


def _too_much(say: Dialect) -> Iterator[Case]:
    start = head(content_type=say.stream_type)
    opening = say.raw(b'{"').removesuffix(b"\n").removesuffix(b"\n")
    line = chunk(opening + b"x" * (LINE_LIMIT + 1))
    yield Case("a line over 10 MB", (start, line, "hang"), ErrorClass.RESOURCE)
    first = chunk(say.token(PIECES[0]))
    yield Case("a line over 10 MB mid-way", (start, first, line, "hang"), ErrorClass.RESOURCE, shown=PIECES[0])
    part = "y" * 60_000
    parts = [chunk(say.token(part))] * 20
    yield Case("an answer over the bound", (start, *parts, "hang"), ErrorClass.RESOURCE, shown=part * 17)


def _empty(say: Dialect) -> Iterator[Case]:
    for name, pieces in {"nothing": (), "white space": (" ", "\n")}.items():
        text = "".join(pieces)
        yield Case(f"empty answer: {name}", good(say, pieces, tokens=0), ErrorClass.INVALID_OUTPUT, shown=text)


def _deadlines(say: Dialect) -> Iterator[Case]:
    start = head(content_type=say.stream_type)
    token = say.token("x ")
    ways: dict[str, Sequence[Step]] = {
        "hang before headers": ("hang",),
        "headers in drips": (start[:-2], Drip(b"X-More: 1\r\n")),
        "a line in drips": (start, chunk(token[:12]), Drip(chunk(b" "))),
        "chunks in drips": (start, Drip(chunk(token))),
        "a refusal in drips": (head(500), Drip(chunk(b" "))),
    }
    for name, steps in ways.items():
        yield Case(f"deadline: {name}", steps, ErrorClass.TIMEOUT, shown=None, deadline=True)
    steps = (start, chunk(token), "hang")
    yield Case("deadline: idle mid-stream", steps, ErrorClass.TIMEOUT, shown="x ", deadline=True)


def _cancelled(say: Dialect) -> Iterator[Case]:
    for place, sent, shown in places(say):
        yield Case(f"cancelled {place}", (*sent, "hang"), ErrorClass.CANCELLED, shown=shown, cancel=True)


def _accepted(say: Dialect) -> Iterator[Case]:
    start, tokens = head(content_type=say.stream_type), [chunk(say.token(piece)) for piece in PIECES]
    end = chunk(say.done())
    extra = [chunk(say.token(piece, new_field={"a": [1]}, created_at="now", logprobs=None)) for piece in PIECES]
    bare = chunk(say.done(prompt=None, tokens=None))
    answers: dict[str, Sequence[Step]] = {
        "plain": (start, *tokens, end, LAST),
        "a second done": (start, *tokens, end, end, LAST),
        "text after done": (start, *tokens, end, tokens[0], LAST),
        "silence after done": (start, *tokens, end, "hang"),
        "no end of the body": (start, *tokens, end, "close"),
        "unknown fields": (start, *extra, chunk(say.done(new_field=7)), LAST),
        "empty lines": (start, chunk(b"\n\n"), *tokens, chunk(b"\r\n\n"), end, LAST),
        "counts left out": (start, *tokens, bare, LAST),
        "byte by byte": (start, *(chunk(bytes([b])) for b in b"".join(map(say.token, PIECES)) + say.done()), LAST),
    }
    if say.name == "openai":
        ping = chunk(b": ping\n\n")
        answers["pings"] = (start, ping, tokens[0], ping, chunk(b": ping\n"), *tokens[1:], ping, end, LAST)
    for name, steps in answers.items():
        yield Case(f"accepted: {name}", steps)
    yield Case("finish reason length", good(say, finish="length"), finish="length")
