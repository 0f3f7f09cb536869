"""A headless Chromium, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-port=0", "--window-size=1100,760", "about:blank",
)  # fmt: skip
PATIENCE_S = 90.0
"""Seconds that a page may take to show something."""


class Page:
    """A tab that can be looked at and typed into."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._next = 0
        self._terminal = ""
        self.requested: list[str] = []
        """Addresses that the page asked for."""
        self.complaints: list[str] = []
        """Errors and exceptions of the page."""

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; what comes in between is taken note of.

        Raises:
            RuntimeError: the browser refuses it.
        """
        self._next += 1
        await self._socket.send_json({"id": self._next, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive(PATIENCE_S)).data)
            if message.get("id") == self._next:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"]["text"])

    async def open(self, address: str) -> None:
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=address)

    async def reload(self) -> None:
        """Load the page again, as a person does."""
        self._terminal = ""
        await self.call("Page.reload")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def type(self, text: str) -> None:
        """Type into whatever has the keys."""
        for character in text:
            await self.call("Input.dispatchKeyEvent", type="char", text=character)

    async def enter(self) -> None:
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    async def lines(self) -> list[str]:
        """What stands in the terminal, row by row."""
        await self._find_terminal()
        read = (
            "function() { const b = this.terminal.buffer.active; "
            "return Array.from({length: this.terminal.rows}, (_, y) => b.getLine(y).translateToString(true)); }"
        )
        found = await self.call(
            "Runtime.callFunctionOn", objectId=self._terminal, functionDeclaration=read, returnByValue=True
        )
        rows: list[str] = found["result"]["value"]
        return rows

    async def _find_terminal(self) -> None:
        """Find textual.js's terminal, which it keeps to itself: by its class, which a function of the page's knows.

        Raises:
            RuntimeError: it is not there yet.
        """
        if self._terminal:
            return
        function = await self.call("Runtime.evaluate", expression="window.onresize")
        inside = await self._properties(function["result"]["objectId"], "internalProperties")
        for scope in (await self._properties(inside["[[Scopes]]"]["objectId"])).values():
            if scope.get("description", "").startswith("Closure"):
                for value in (await self._properties(scope["objectId"])).values():
                    if value.get("description", "").startswith("class ") and "websocket_url" in value["description"]:
                        self._terminal = await self._instance_of(value["objectId"])
                        return
        raise RuntimeError("the terminal is not there yet")

    async def _properties(self, identity: str, kind: str = "result") -> dict[str, Any]:
        found = await self.call("Runtime.getProperties", objectId=identity, ownProperties=True)
        return {each["name"]: each["value"] for each in found[kind] if "value" in each}

    async def _instance_of(self, identity: str) -> str:
        prototype = (await self._properties(identity))["prototype"]["objectId"]
        found = await self.call("Runtime.queryObjects", prototypeObjectId=prototype)
        first: str = (await self._properties(found["objects"]["objectId"]))["0"]["objectId"]
        return first

    async def wait_for(self, text: str, without: str = "\0") -> list[str]:
        """Wait until `text` stands in the terminal, and `without` does not.

        Raises:
            TimeoutError: it does not come.
        """
        end = time.monotonic() + PATIENCE_S
        rows: list[str] = []
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError, KeyError):  # the page is just being made
                rows = await self.lines()
            if any(text in row for row in rows) and not any(without in row for row in rows):
                return rows
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{text!r} was not shown:\n" + "\n".join(rows) + "\n".join(self.complaints))

    async def picture(self) -> bytes:
        """The page as PNG, to look at."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def close(self) -> None:
        await self._socket.close()


class Chromium:
    """A browser process with a profile of its own."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port

    async def page(self) -> Page:
        """A new tab."""
        async with self._session.put(f"http://127.0.0.1:{self._port}/json/new") as answer:
            target = await answer.json()
        socket = await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
        return Page(socket)


@contextlib.asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Chromium]:
    """A running Chromium, whose profile is kept in an empty folder."""
    assert PROGRAM is not None
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *FLAGS[:-1], f"--user-data-dir={profile}", FLAGS[-1],
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            yield Chromium(session, port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _port(file: Path) -> int:
    """The port that the browser writes down when it is ready."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            return int((await asyncio.to_thread(file.read_text, encoding="ascii")).splitlines()[0])
        await asyncio.sleep(0.1)
    raise TimeoutError("the browser did not start")
