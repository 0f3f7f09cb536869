"""Waiting for something that has no event of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

PATIENCE_S = 20.0
"""Seconds after which a test gives up: only a test that fails waits so long."""


async def until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Return when `condition` holds; it is looked at every 5 ms."""
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110 - the thing waited for offers no event
            await asyncio.sleep(0.005)
