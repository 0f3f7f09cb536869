"""Work in threads: told to stop, and waited for."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.tools.threads import Stop, in_thread


async def test_the_result_and_the_error_of_the_work_come_back() -> None:
    assert await in_thread(lambda _stop: 7) == 7
    with pytest.raises(KeyError):
        await in_thread(lambda _stop: {}["missing"])


async def test_a_cancelled_call_stops_the_work_and_waits_for_its_end() -> None:
    began, ended = threading.Event(), threading.Event()

    def work(stop: Stop) -> None:
        began.set()
        try:
            while True:
                stop.check()
        finally:
            ended.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(began.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_cancelling_again_does_not_leave_the_work_behind() -> None:
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(_stop: Stop) -> None:
        began.set()
        go_on.wait(30)
        ended.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(began.wait)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
