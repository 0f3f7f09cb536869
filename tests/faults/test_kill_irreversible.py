"""A process that is killed while a tool whose effect stays is at work: a real one, with SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import engine
from engine import events as ev
from tests.approvers import Person, no, yes
from tests.post_tool import PostTool
from tests.scripted_backend import ScriptedBackend

CHILD = """
import asyncio, sys
from pathlib import Path
import pytest
import engine
from tests.approvers import Person
from tests.graphs import make_graph, node
from tests.post_tool import PostTool
from tests.scripted_backend import ScriptedBackend

async def main():
    ScriptedBackend().install(pytest.MonkeyPatch())
    post = PostTool(Path(sys.argv[2]), hangs=True)
    graph = make_graph(
        [node("start", "entry"),
         node("post", "tool", tool_id="post", input_mapping={"entry": "content"}),
         node("end", "exit")],
        [("start", "post"), ("post", "end")], valid=False)
    async with engine.open(sys.argv[1], tools=[post]) as eng:
        run = eng.start(graph, "entry", approver=Person())
        while not post.lines:
            await asyncio.sleep(0.01)
        print(run.transaction, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def killed_after_the_effect(folder: Path, ledger: Path) -> str:
    """Run the child until the line is written and has no outcome, and kill it; its transaction."""
    child = subprocess.Popen(  # noqa: ASYNC220 - it is read in a thread
        [sys.executable, "-c", textwrap.dedent(CHILD), str(folder), str(ledger)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    try:
        line = await asyncio.wait_for(asyncio.to_thread(child.stdout.readline), 60)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    return line.strip()


@pytest.mark.parametrize(
    ("knows", "approver", "status"),
    [(None, Person(no), "committed"), ("unknown", Person(yes), "committed"), ("unknown", None, "rolled_back")],
)
async def test_what_was_done_when_the_process_was_killed_is_not_done_again(
    knows: str | None, approver: Person | None, status: str, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    ledger = tmp_path / "ledger.txt"
    transaction = await killed_after_the_effect(tmp_path / "data", ledger)
    post = PostTool(ledger, knows=knows)  # type: ignore[arg-type]
    async with engine.open(tmp_path / "data", approver=approver, tools=[post]) as eng:
        (run,) = eng.resumed
        assert run.transaction == transaction
        result = await run.result()
        (*_, end) = [event.body for event in await eng.events(transaction)]
    assert (result.status, len(post.lines), post.calls) == (status, 1, [])
    assert isinstance(end, ev.Committed) or len(end.uncompensated) == 1  # type: ignore[attr-defined]
