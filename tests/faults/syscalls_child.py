"""One run of five nodes with two effects, for a process whose system calls fail; see `tests.faults.syscalls`.

Whatever happens has to reach the person as an error with a remedy: anything else ends the process with a traceback.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import engine
from engine.config import EngineConfig
from engine.errors import EngineError
from tests.approvers import Person, yes
from tests.faults.ledger import LEDGER
from tests.faults.workload import LINE, Work, follow, inputs_of, model, script, write
from tests.graphs import chain
from tests.scripted_backend import ScriptedBackend, tool_model

PATIENCE_S = 0.5
"""How long a store that refuses to write is waited for."""


def works() -> dict[str, Work]:
    nodes = (write("one", "a"), model("think"), write("two", "a"))
    return {
        "committed": Work(chain(*nodes), {"a": LINE * 2}, 0),
        "taken-back": Work(chain(*nodes, exit_config={"status": "error"}), {}, 0),
    }


async def one_run(folder: Path, kind: str, pipe: int) -> None:
    """Open the engine and run; `kind` is one of `works`, or `open` for no run at all."""
    # system calls are counted for each thread: file tools get one for all their work
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    LEDGER.pipe = pipe
    config = EngineConfig(workspace=folder / "workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.store.log.PATIENCE_S", PATIENCE_S)
        ScriptedBackend(script, [tool_model()]).install(patch)
        try:
            async with engine.open(folder / "data", config=config, approver=Person(yes)) as eng:
                eng._log._patience = PATIENCE_S
                LEDGER.write("open", resumed=[], rolled_back=[], notices=eng.notices)
                if kind == "open":
                    return
                run = eng.start(works()[kind].graph, f"{kind} run-1", inputs=inputs_of("run-1"), approver=Person(yes))
                await follow(run)
        except EngineError as error:
            LEDGER.write("refused", code=error.code, message=error.message, remedy=error.remedy)
    LEDGER.write("closed")
