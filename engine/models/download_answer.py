"""The answer of a server that has a model file: redirects, what its headers say of the file, its body in blocks."""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from engine.errors import ConfigurationError, EngineError, ErrorClass, class_of_status, classify
from engine.models.model_source import ModelSource, shown_url

if TYPE_CHECKING:
    import httpx

_BLOCK = 1024 * 1024
_PATIENCE_S = 0.2
"""Seconds after which a smaller block is written too, so that progress is seen on a slow connection."""
_REDIRECTS = 10
_REDIRECT_STATUS = {301, 302, 303, 307, 308}
_CONNECT_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_SHA256 = re.compile(r'"?([0-9a-fA-F]{64})"?')


@dataclass(frozen=True, slots=True)
class FileHead:
    """What an answer says of the file, redirects included."""

    status: int
    start: int
    """Byte of the file with which the body begins."""
    total: int
    """Bytes of the whole file; 0 where the server does not say."""
    validator: str
    sha256: str


@asynccontextmanager
async def answer(
    client: httpx.AsyncClient, source: ModelSource, headers: dict[str, str]
) -> AsyncIterator[tuple[httpx.Response, FileHead]]:
    """The answer that has the file, after redirects; leaving the block closes the connection."""
    httpx = importlib.import_module("httpx")
    url, linked, linked_size = source.url, "", 0
    try:
        for _ in range(_REDIRECTS):
            async with client.stream("GET", url, headers=headers) as response:
                linked = linked or _checksum(response.headers.get("x-linked-etag", ""))
                linked_size = linked_size or _size(response.headers.get("x-linked-size", ""))
                if response.status_code not in _REDIRECT_STATUS:
                    yield response, _head(source, response, linked, linked_size)
                    return
                url = _redirected(url, str(response.headers.get("location", "")))
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as exc:
        raise _explained(source, exc) from exc
    raise ConfigurationError(
        "too_many_redirects",
        f"{source.shown} is redirected without end.",
        remedy="Open it in a browser, and give the address of the file itself.",
    )


def _head(source: ModelSource, response: httpx.Response, linked: str, linked_size: int) -> FileHead:
    status = response.status_code
    if status not in {200, 206, 416}:
        raise _refusal(source, status)
    if str(response.headers.get("content-type", "")).split(";")[0].strip().lower() == "text/html":
        raise no_model(source)
    start, total = 0, _size(response.headers.get("content-length", "")) if status == 200 else 0
    if status == 206:
        match = _CONTENT_RANGE.fullmatch(str(response.headers.get("content-range", "")).strip())
        if match is None:
            raise broke_off("sent a piece of the file without saying which")
        start, total = int(match[1]), _size(match[3])
    etag = str(response.headers.get("etag", ""))
    validator = etag if etag.startswith('"') else ""  # a weak one says nothing of bytes
    return FileHead(status, start, total or linked_size, validator, linked)


async def blocks(
    source: ModelSource, response: httpx.Response, now: Callable[[], float]
) -> AsyncGenerator[bytes, None]:
    """The body in blocks of a megabyte, smaller ones where it comes slowly; what came before a cut comes too."""
    httpx = importlib.import_module("httpx")
    gathered = bytearray()
    since = now()
    cut: Exception | None = None
    try:
        async for data in response.aiter_raw():
            gathered += data
            if len(gathered) >= _BLOCK or now() - since >= _PATIENCE_S:
                yield bytes(gathered)
                gathered.clear()
                since = now()
    except (httpx.HTTPError, httpx.StreamError, OSError) as exc:
        cut = exc
    if gathered:
        yield bytes(gathered)
    if cut is not None:
        raise _explained(source, cut) from cut


def _explained(source: ModelSource, exc: Exception) -> EngineError:
    error = classify(exc)
    place = shown_url(source.url)
    message = {
        ErrorClass.CONNECTION: f"{place} cannot be reached.",
        ErrorClass.TIMEOUT: f"{place} did not answer in time.",
        ErrorClass.PROTOCOL: f"The connection to {place} broke off.",
    }.get(error.error_class, error.message)
    remedy = "Look at the network and the address, and pull again: what was fetched is kept."
    return EngineError(error.error_class, error.code, message, remedy=remedy)


def _redirected(url: str, location: str) -> str:
    target = ""
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        allowed = {"https"} if urlsplit(url).scheme == "https" else {"http", "https"}
        fine = bool(location) and parts.scheme in allowed and bool(parts.hostname)
    except ValueError:
        fine = False
    if not fine:
        raise ConfigurationError(
            "bad_redirect",
            f"{shown_url(url)} redirects to a place that is not followed: {location[:100]!r}.",
            remedy="Open it in a browser, and give the address of the file itself.",
        )
    return target


def _refusal(source: ModelSource, status: int) -> EngineError:
    remedy = "Open the address in a browser, and correct it."
    if status in {401, 403}:
        remedy = (
            "Its owner wants to know who fetches it: fetch it with a browser, and name it in `embedded.model_path`, "
            "or take a model that is open."
        )
    elif status >= 500 or status == 429:
        remedy = "Try again later: what was fetched is kept."
    return EngineError(
        class_of_status(status), f"http_{status}", f"{source.shown} answered with status {status}.", remedy=remedy
    )


def no_model(source: ModelSource) -> ConfigurationError:
    return ConfigurationError(
        "not_gguf",
        f"What {source.shown} sends is no GGUF model file.",
        remedy="Open the address in a browser, and give that of the file itself (on the hub: its download link).",
    )


def broke_off(what: str) -> EngineError:
    return EngineError(
        ErrorClass.PROTOCOL, "download_cut", f"The server {what}.", remedy="Pull again: what was fetched is kept."
    )


def _checksum(text: str) -> str:
    match = _SHA256.fullmatch(text.strip())
    return match[1].lower() if match else ""


def _size(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


@asynccontextmanager
async def download_client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    # in a thread: importing httpx and building TLS would hold the loop for up to 100 ms
    async with await asyncio.to_thread(_build_client, url) as client:
        yield client


def _build_client(url: str) -> httpx.AsyncClient:
    import httpx

    host = urlsplit(url).hostname or ""
    return httpx.AsyncClient(
        headers={"Accept-Encoding": "identity"},
        timeout=httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
        trust_env=not _is_loopback(host),  # a proxy cannot reach our loopback
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
