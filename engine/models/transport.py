"""HTTP to one model server: one client for its life, bounded answers, and every failure as an `EngineError`."""

from __future__ import annotations

import asyncio
import email.utils
import importlib
import ipaddress
import json
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from engine.errors import ConfigurationError, EngineError, ErrorClass, class_of_status, classify
from engine.models.protocol import TokenLogprob

if TYPE_CHECKING:
    import httpx

LINE_LIMIT = 10 * 1024 * 1024
"""Bytes; a longer line of a stream is an attack or a defect."""
BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of a whole JSON answer; embeddings of a large batch are the largest."""
ERROR_LIMIT = 64 * 1024
"""Bytes that are read of an answer that reports an error."""
CONNECT_TIMEOUT_S = 5.0
CONTROL_TIMEOUT_S = 10.0
"""Seconds without a byte for calls that need no model."""
CHAT_TIMEOUT_S = 600.0
"""Seconds without a byte: loading a model and reading a long prompt are silent. The run's deadline is the limit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, as far as it is kept."""

    status: int
    content_type: str
    body: bytes
    retry_after: float | None = None
    """Seconds, where the server says so."""

    def json(self) -> Any:
        """The parsed body; None where it is no JSON."""
        return parse_json(self.body)


class Stream:
    """An answer whose head has arrived."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.content_type = _media_type(response)

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The lines of the body without their line ends; split at `\\n` alone, never at U+0085 or U+2028."""
        # closed here: a generator left to the garbage collector closes its connection later, in a task of its own
        async with aclosing(self._blocks()) as blocks, aclosing(split_lines(blocks)) as lines:
            async for line in lines:
                yield line

    def _blocks(self) -> AsyncGenerator[bytes, None]:
        # declared as an iterator, and a generator all the same
        return cast("AsyncGenerator[bytes, None]", self._response.aiter_bytes())

    async def answer(self, limit: int = ERROR_LIMIT) -> Answer:
        """The body as a whole, cut at `limit` bytes."""
        body = bytearray()
        async with aclosing(self._blocks()) as blocks:
            async for block in blocks:
                body += block
                if len(body) >= limit:
                    break
        return Answer(self.status, self.content_type, bytes(body[:limit]), _retry_after(self._response))


class Transport:
    """The connection to one endpoint.

    Args:
        base: address without a trailing slash.
        service: what to call it in messages.
        remedy: what the person can do where it cannot be reached.
        api_key: sent as a bearer token where not empty.
        keepalive: whether connections are used again.
    """

    def __init__(self, base: str, *, service: str, remedy: str, api_key: str = "", keepalive: bool = True) -> None:
        self.base = base
        self.service = service
        self.remedy = remedy
        self._api_key = _checked_key(api_key)
        self._keepalive = keepalive
        self._lock = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None
        self._closed = False

    async def call(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout: float = CONTROL_TIMEOUT_S,
        limit: int = BODY_LIMIT,
    ) -> Answer:
        """One request, its answer whole within `timeout` seconds. HTTP errors are returned, not raised."""
        try:
            async with asyncio.timeout(timeout), self.stream(method, url, body, timeout=timeout) as stream:
                answer = await stream.answer(limit)
        except TimeoutError as exc:  # a server that drips is never silent for long
            raise self._explained(exc) from exc
        if len(answer.body) >= limit:
            raise EngineError(
                ErrorClass.RESOURCE, "answer_too_long", f"{self.service} at {self.base} sent more than {limit} bytes."
            )
        return answer

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, body: Mapping[str, Any] | None = None, *, timeout: float = CHAT_TIMEOUT_S
    ) -> AsyncIterator[Stream]:
        """One request, its answer as it comes; leaving the block closes the connection."""
        client = await self._open()
        httpx = importlib.import_module("httpx")
        content = None if body is None else json.dumps(body).encode()
        try:
            async with client.stream(
                method,
                url,
                content=content,
                timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT_S, pool=None),
            ) as response:
                yield Stream(response)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as exc:
            raise self._explained(exc) from exc

    async def aclose(self) -> None:
        """Close all connections; requests afterwards fail."""
        self._closed = True
        async with self._lock:
            client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _open(self) -> httpx.AsyncClient:
        async with self._lock:
            if self._closed:
                raise EngineError(
                    ErrorClass.CONNECTION, "backend_closed", f"The connection to {self.service} was closed."
                )
            if self._client is None:
                # in a thread: importing httpx and building TLS would hold the loop for up to 100 ms
                self._client = await asyncio.to_thread(self._build)
            return self._client

    def _build(self) -> httpx.AsyncClient:
        import httpx

        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        parts = urlsplit(self.base)
        # without TLS, certificates need not be loaded; an empty store fails closed
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if parts.scheme == "http" else True
        return httpx.AsyncClient(
            headers=headers,
            verify=verify,
            trust_env=not _is_loopback(parts.hostname or ""),  # a proxy cannot reach our loopback
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None if self._keepalive else 0),
        )

    def _explained(self, exc: Exception) -> EngineError:
        error = classify(exc)
        message, remedy = error.message, error.remedy
        if error.error_class is ErrorClass.CONNECTION:
            message, remedy = f"{self.service} cannot be reached at {self.base}.", self.remedy
        elif error.error_class is ErrorClass.TIMEOUT:
            message, remedy = f"{self.service} at {self.base} did not answer in time.", remedy or self.remedy
        elif error.error_class is ErrorClass.PROTOCOL:
            message = f"The answer of {self.service} at {self.base} broke off."
        return EngineError(error.error_class, error.code, message, remedy=remedy)


async def split_lines(blocks: AsyncIterator[bytes], limit: int = LINE_LIMIT) -> AsyncGenerator[bytes, None]:
    """Split a stream of bytes at `\\n`; a trailing `\\r` goes, and so do empty last lines.

    Raises:
        EngineError: RESOURCE where a line exceeds `limit` bytes.
    """
    buffer = bytearray()
    async for block in blocks:
        start = len(buffer)
        buffer += block
        done = 0
        while (end := buffer.find(b"\n", max(start, done))) >= 0:
            if end - done > limit:
                raise _line_too_long(limit)
            yield bytes(buffer[done:end]).removesuffix(b"\r")
            done = end + 1
        del buffer[:done]
        if len(buffer) > limit:
            raise _line_too_long(limit)
    if buffer:
        yield bytes(buffer).removesuffix(b"\r")


def _line_too_long(limit: int) -> EngineError:
    return EngineError(
        ErrorClass.RESOURCE, "line_too_long", f"The model server sent a line of more than {limit // 1024 // 1024} MB."
    )


def parse_json(data: bytes) -> Any:
    """JSON from bytes that may be anything; None where they are no JSON. Invalid UTF-8 is replaced."""
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def parse_line(data: bytes) -> dict[str, Any] | None:
    """The JSON object in a piece of a stream; None where it is none, and where its UTF-8 is invalid: there, something
    was lost on the way."""
    try:
        parsed = json.loads(data.decode("utf-8", "strict"))
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def text_field(data: Mapping[str, Any], name: str) -> str:
    """A text in a piece of a stream; empty where it is absent or null.

    Raises:
        EngineError: PROTOCOL where it is something else.
    """
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(name)
    return value


def list_field(data: Mapping[str, Any], name: str) -> list[Any]:
    """A list in a piece of a stream; empty where it is absent or null.

    Raises:
        EngineError: PROTOCOL where it is something else.
    """
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_type(name)
    return value


def object_field(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object in a piece of a stream; empty where it is absent or null.

    Raises:
        EngineError: PROTOCOL where it is something else.
    """
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(name)
    return value


def count_field(data: Mapping[str, Any], name: str) -> int | None:
    """A count in a piece of a stream; None where it is absent, null or a number that is no count.

    Raises:
        EngineError: PROTOCOL where it is no number.
    """
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name)
    return count(value)


def logprobs_of(entries: list[Any]) -> tuple[TokenLogprob, ...]:
    """Log-probabilities as Ollama and OpenAI send them; what is none is left out, for it is no part of the answer."""
    return tuple(
        TokenLogprob(
            str(entry["token"]),
            float(entry["logprob"]),
            tuple((each.token, each.logprob) for each in logprobs_of(entry.get("top_logprobs") or [])),
        )
        for entry in entries
        if isinstance(entry, dict)
        and isinstance(entry.get("token"), str)
        and type(entry.get("logprob")) in (int, float)
    )


def wrong_type(name: str) -> EngineError:
    """A field of a stream holds what it cannot hold."""
    message = f"The model server sent a wrong type in the field `{name}`."
    return EngineError(ErrorClass.PROTOCOL, "wrong_type", message)


def count(value: Any) -> int | None:
    """A count as servers send it; None where it is absent or nonsense."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def milliseconds(value: Any, unit: float) -> float | None:
    """A duration as servers send it, times `unit` (milliseconds in one of theirs); None where absent or nonsense."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        return None
    return float(value) * unit


def vectors(data: Any, expected: int) -> list[list[float]]:
    """The vectors of an embeddings answer."""
    if not isinstance(data, list) or len(data) != expected:
        raise EngineError(ErrorClass.PROTOCOL, "bad_embeddings", "The server did not return one vector per text.")
    for vector in data:
        if not isinstance(vector, list) or not vector or not all(type(x) in (float, int) for x in vector):
            raise EngineError(
                ErrorClass.PROTOCOL, "bad_embeddings", "The server returned a vector that is no list of numbers."
            )
    return [[float(x) for x in vector] for vector in data]


def refusal(answer: Answer, service: str, detail: str, *, remedy: str = "") -> EngineError:
    """An HTTP error as an `EngineError`, classified by its status."""
    error_class = class_of_status(answer.status)
    said = f": {detail[:500].strip().rstrip('.')}" if detail.strip() else ""
    return EngineError(
        error_class,
        f"http_{answer.status}",
        f"{service} answered with status {answer.status}{said}.",
        remedy=remedy,
        retry_after=answer.retry_after,
    )


def _checked_key(api_key: str) -> str:
    key = api_key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            "invalid_api_key", "The API key contains characters that no key has.", remedy="Copy the key again."
        )
    return key


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).split(";")[0].strip().lower()


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date (RFC 9110, section 10.2.3)."""
    text = str(response.headers.get("retry-after", "")).strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 3600))
    try:
        when = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):  # no date, or none that a clock can show
        return None
    return min(max(when - time.time(), 0.0), 3600.0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
