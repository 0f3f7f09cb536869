"""The error taxonomy: every failure has a class that decides whether it is retried, and a remedy for the person."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from enum import StrEnum


class ErrorClass(StrEnum):
    """What kind of failure it is; the class alone decides on retry and on what a breaker counts."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER = "server"
    PROTOCOL = "protocol"
    INVALID_OUTPUT = "invalid_output"
    CONTEXT_OVERFLOW = "context_overflow"
    INVALID_REQUEST = "invalid_request"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    CONFIGURATION = "configuration"
    RESOURCE = "resource"
    TOOL_REFUSED = "tool_refused"
    BREAKER_OPEN = "breaker_open"
    BUDGET_EXHAUSTED = "budget_exhausted"
    INTERNAL = "internal"
    CANCELLED = "cancelled"


RETRYABLE = frozenset(
    {
        ErrorClass.CONNECTION,
        ErrorClass.TIMEOUT,
        ErrorClass.RATE_LIMITED,
        ErrorClass.OVERLOADED,
        ErrorClass.SERVER,
        ErrorClass.PROTOCOL,
    }
)
"""Classes for which the same request may be sent again."""

RETRYABLE_CHANGED = frozenset({ErrorClass.INVALID_OUTPUT, ErrorClass.CONTEXT_OVERFLOW})
"""Classes for which one more request is made, and only a changed one."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as a value: what events, views and JSON output carry."""

    error_class: ErrorClass
    code: str
    """Stable, machine-readable, `snake_case`."""
    message: str
    remedy: str = ""
    """What the person can do about it; one sentence, or empty where nothing helps."""
    node: str = ""
    attempt: int = 0
    retry_after_ms: int | None = None


class EngineError(Exception):
    """Base of every error that the engine raises on purpose.

    Args:
        error_class: decides on retry (see `RETRYABLE`).
        code: stable machine-readable name, `snake_case`.
        message: one sentence for the person.
        remedy: what the person can do.
        node: path of the node in which it happened, where there is one.
        attempt: ordinal of the attempt, counted from 1; 0 where there are no attempts.
        retry_after: seconds after which a retry makes sense, where known.
    """

    def __init__(
        self,
        error_class: ErrorClass,
        code: str,
        message: str,
        *,
        remedy: str = "",
        node: str = "",
        attempt: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.code = code
        self.message = message
        self.remedy = remedy
        self.node = node
        self.attempt = attempt
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        return self.error_class in RETRYABLE

    def info(self, *, node: str = "", attempt: int = 0) -> ErrorInfo:
        """This error as a value; `node` and `attempt` fill what the error does not know itself."""
        return ErrorInfo(
            error_class=self.error_class,
            code=self.code,
            message=self.message,
            remedy=self.remedy,
            node=self.node or node,
            attempt=self.attempt or attempt,
            retry_after_ms=None if self.retry_after is None else round(self.retry_after * 1000),
        )

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ConfigurationError(EngineError):
    """Something that the person wrote (a graph, a setting, a name) is wrong."""

    def __init__(self, code: str, message: str, *, remedy: str = "") -> None:
        super().__init__(ErrorClass.CONFIGURATION, code, message, remedy=remedy)


class BreakerOpen(EngineError):
    """A circuit breaker refused the call; `retry_after` is the rest of its cooldown in seconds."""

    def __init__(self, key: str, retry_after: float) -> None:
        super().__init__(
            ErrorClass.BREAKER_OPEN,
            "breaker_open",
            f"The circuit breaker {key} is open for another {max(retry_after, 0):.0f} s.",
            remedy="Wait for the cooldown, or mend what fails behind it.",
            retry_after=max(retry_after, 0.0),
        )
        self.key = key


_BY_STATUS = {
    401: ErrorClass.AUTH,
    403: ErrorClass.AUTH,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.TIMEOUT,
    429: ErrorClass.RATE_LIMITED,
    503: ErrorClass.OVERLOADED,
}


def class_of_status(status: int) -> ErrorClass:
    """The class of an HTTP status code of 400 or above."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ErrorClass.SERVER if status >= 500 else ErrorClass.INVALID_REQUEST


def classify(exc: BaseException) -> EngineError:
    """Turn any exception into an `EngineError`, by its type and structured fields, never by words in its message."""
    if isinstance(exc, EngineError):
        return exc
    if isinstance(exc, asyncio.CancelledError):
        return _wrap(exc, ErrorClass.CANCELLED, "cancelled", "It was ended before it was through.", "")
    httpx_error = _classify_httpx(exc)
    if httpx_error is not None:
        return httpx_error
    if isinstance(exc, TimeoutError):
        return _wrap(
            exc, ErrorClass.TIMEOUT, "timeout", "The operation took too long.", "Try again, or raise the limit."
        )
    if isinstance(exc, ConnectionError):
        return _wrap(exc, ErrorClass.CONNECTION, "connection", f"The connection failed: {_words(exc)}.", "")
    if isinstance(exc, MemoryError):
        return _wrap(exc, ErrorClass.RESOURCE, "out_of_memory", "Memory ran out.", "Use a smaller model or window.")
    if isinstance(exc, OSError):
        remedy = "Look whether the disk and the folder can be written to and have space, then ask again."
        return _wrap(exc, ErrorClass.RESOURCE, "os_error", f"The system refused an operation: {_words(exc)}.", remedy)
    return _wrap(
        exc,
        ErrorClass.INTERNAL,
        "internal",
        f"Something unexpected happened inside the engine ({type(exc).__name__}: {_words(exc)}).",
        "This is a defect; please report it with the exported transaction.",
    )


def _classify_httpx(exc: BaseException) -> EngineError | None:
    httpx = sys.modules.get("httpx")  # nothing can be an httpx error before httpx was imported
    if httpx is None:
        return None
    if isinstance(exc, httpx.ConnectTimeout):  # packets that vanish are one more way of having no route
        return _wrap(exc, ErrorClass.CONNECTION, "connect_timeout", "The model server cannot be reached.", "Start it.")
    if isinstance(exc, httpx.TimeoutException):
        return _wrap(exc, ErrorClass.TIMEOUT, "timeout", "The model server did not answer in time.", "")
    if isinstance(exc, httpx.ConnectError):
        return _wrap(exc, ErrorClass.CONNECTION, "connect_failed", "The model server cannot be reached.", "Start it.")
    if isinstance(exc, httpx.RemoteProtocolError | httpx.ReadError | httpx.DecodingError):
        return _wrap(exc, ErrorClass.PROTOCOL, "stream_cut", "The model server's answer broke off.", "")
    if isinstance(exc, httpx.TransportError):
        return _wrap(exc, ErrorClass.CONNECTION, "transport", f"The connection failed: {_words(exc)}.", "")
    if isinstance(exc, httpx.InvalidURL):
        return _wrap(
            exc, ErrorClass.CONFIGURATION, "invalid_url", f"Not a usable address: {_words(exc)}.", "Correct it."
        )
    return None


def _words(exc: BaseException) -> str:
    return str(exc)[:300] or type(exc).__name__


def _wrap(exc: BaseException, error_class: ErrorClass, code: str, message: str, remedy: str) -> EngineError:
    error = EngineError(error_class, code, message, remedy=remedy)
    error.__cause__ = exc
    return error
