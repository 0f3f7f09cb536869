"""Filling templates: at once where only values are named, else in a process that is killed when it takes too long."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import engine.graph.templates
from engine.errors import EngineError, ErrorClass
from engine.graph.templates import Template
from engine.message import Message, replace_surrogates
from engine.nodes.context import NodeContext
from engine.nodes.paths import dotted, text_of

MAX_FILLED = 1_000_000
"""Characters of a filled template: in a loop each filling could double the last."""

PATIENCE_S = 30.0
"""Seconds for a process in all; its processor time is limited far below, but a busy machine may starve it."""

_RENDERER = Path(engine.graph.templates.__file__).with_name("jinja.py")
_processes: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def scope_of(ctx: NodeContext, message: Message, question: str | None = None) -> dict[str, Any]:
    """The values that a template may mention.

    Args:
        ctx: the visit.
        message: what reached the node.
        question: default: the run's own.
    """
    asked = ctx.question if question is None else question
    return {"content": message.content, "question": asked, "data": message.data, "vars": ctx.variables}


async def fill(template: Template, scope: Mapping[str, Any]) -> str:
    """The filled template. What is filled in is never expanded.

    Raises:
        EngineError: INVALID_OUTPUT: `nothing_at_path`, `template_too_long`, `template_failed`; RESOURCE:
            `template_timeout`.
    """
    return await _render(template, scope) if template.rich else fill_names(template, scope)


def fill_names(template: Template, scope: Mapping[str, Any]) -> str:
    """The filled template, where it only names values.

    Raises:
        EngineError: INVALID_OUTPUT: `nothing_at_path`, `template_too_long`.
    """
    filled: list[str] = []
    size = 0
    for index, piece in enumerate(template.pieces):
        filled.append(text_of(dotted(scope, piece)) if index % 2 else piece)
        size += len(filled[-1])
        if size > MAX_FILLED:
            raise _failed("template_too_long", f"The filled template is longer than {MAX_FILLED:,} characters.")
    return "".join(filled)


async def _render(template: Template, scope: Mapping[str, Any]) -> str:
    values = {name: scope[name] for name in template.names}
    request = json.dumps({"source": template.source, "scope": values, "limit": MAX_FILLED}, default=_plain).encode()
    slots = _processes.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(os.cpu_count() or 1))
    async with slots:
        printed, status = await _run(request)
    try:
        answer = json.loads(printed)
    except ValueError:
        raise _died(status) from None
    if "text" in answer:
        return replace_surrogates(answer["text"])
    raise _failed(answer["error"], f"The template cannot be filled: {answer['message'].rstrip('.')}.")


async def _run(request: bytes) -> tuple[bytes, int | None]:
    """What the renderer printed, and its status; when this is cancelled it is dead before the cancellation goes on."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(_RENDERER)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # the terminal's Ctrl+C is for the parent alone
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            printed, _ = await process.communicate(request)
    except TimeoutError:
        return b"", -signal.SIGXCPU
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return printed, process.returncode


def _plain(value: Any) -> Any:
    """Mappings and the like that JSON does not know."""
    return dict(value) if isinstance(value, Mapping) else list(value)


def _failed(code: str, message: str) -> EngineError:
    remedy = "Fill in less, or truncate it before." if code == "template_too_long" else "Correct the template."
    return EngineError(ErrorClass.INVALID_OUTPUT, code, message, remedy=remedy)


def _died(status: int | None) -> EngineError:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        message = "The template took too long."
        return EngineError(ErrorClass.RESOURCE, "template_timeout", message, remedy="Use a simpler template.")
    message = f"The process that fills templates ended with status {status}."
    return EngineError(ErrorClass.RESOURCE, "template_process", message)
