"""The cockpit in a browser: a headless Chromium is the terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.browser.chromium import PROGRAM, chromium
from tests.browser.served import ON_LINUX, gone, serving

pytestmark = [pytest.mark.skipif(not ON_LINUX, reason="children are looked for in /proc"), pytest.mark.timeout(300)]

needs_browser = pytest.mark.skipif(
    PROGRAM is None and os.environ.get("BROWSER_TESTS") != "required", reason="Chromium is not installed"
)


@needs_browser
@pytest.mark.embedded
async def test_a_question_typed_in_a_browser_is_answered_and_a_page_loaded_again_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path, "--data-dir", str(tmp_path / "store")) as served:
        profile = tmp_path / "profile"
        async with chromium(profile) as browser:
            page = await browser.page()
            await page.open(served.address)
            await page.wait_for("Ask a question")
            assert await page.evaluate("document.title") == "tinyllm-tui"
            assert await page.evaluate("location.search") == ""
            assert await page.evaluate("document.fonts.check('16px \"Roboto Mono\"')") is True

            await page.wait_for("embedded")
            await page.type("What is the capital of France?")
            await page.enter()
            await page.wait_for("Paris")
            await page.wait_for("#1 committed")
            assert {url for url in page.requested if not url.startswith((served.root, "data:"))} == set()
            assert page.complaints == []

            (first,) = served.cockpits()
            await page.reload()
            rows = await page.wait_for("Paris")  # the session is restored, and the database is free again
            assert not any("not recorded" in row for row in rows)
            assert await gone({first})

            second = await browser.page()
            await second.open(served.root)  # the browser was let in before
            await second.wait_for("not recorded")
            assert len(served.cockpits()) == 2

        both = served.cockpits()
        assert await served.end(signal.SIGTERM) == 0
        assert await gone(both)


async def test_a_cockpit_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, aiohttp.ClientSession() as session:
        websocket = await session.ws_connect(f"{served.root}ws?{served.address.partition('?')[2]}")
        seen = b""
        while b"Timeline" not in seen:
            seen += (await websocket.receive(60)).data
        cockpits = served.cockpits()
        assert len(cockpits) == 1
        await served.end(signal.SIGKILL)
        assert await gone(cockpits)


async def test_a_cockpit_ends_while_it_draws_when_its_page_goes_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, aiohttp.ClientSession() as session:
        websocket = await session.ws_connect(f"{served.root}ws?{served.address.partition('?')[2]}")
        seen = b""
        while b"Timeline" not in seen:
            seen += (await websocket.receive(60)).data
        cockpits = served.cockpits()
        await websocket.close()
        assert await gone(cockpits)
        assert await served.end(signal.SIGINT) == 0
