"""Code: Python in the Monty sandbox (`pydantic-monty`), a process of its own without files, network or host functions.

Each call gets a fresh worker process, which is killed when the call is cancelled or overruns its limits.
"""

from __future__ import annotations

import asyncio
import atexit
import errno
import math
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pydantic_monty as monty
from pydantic import Field, JsonValue

from engine.errors import ConfigurationError
from engine.tools.effect import Effect, Permission
from engine.tools.protocol import Arguments, Result, ToolContext

MAX_SECONDS = 5.0
MAX_MEMORY = 32 << 20
"""Bytes of the sandbox's heap."""
MAX_STDOUT = 32_768
"""Bytes that may be printed."""
MAX_RECURSION = 200
MAX_ITEMS = 2000
"""Values within a result."""
MAX_TEXT = 16_384
"""Characters of a text within a result."""

_LIMITS = monty.ResourceLimits(
    max_feed_duration_secs=MAX_SECONDS, max_memory=MAX_MEMORY, max_recursion_depth=MAX_RECURSION
)
_POLICY = monty.OSPolicy(sleep="zero")


class CodeArguments(Arguments):
    code: str = Field(
        min_length=1,
        max_length=20_000,
        description="Python; the value of its last expression is the result, and what it prints is kept",
    )


class CodeResult(Result):
    ok: bool
    result: JsonValue = Field(default=None, description="the value of the last expression, as JSON where it is that")
    stdout: str = ""
    error: str = Field(default="", description="such as `ZeroDivisionError: division by zero (line 3)`")

    def as_text(self) -> str:
        parts = [self.stdout.rstrip("\n")] if self.stdout else []
        if self.error:
            parts.append(self.error)
        elif self.result is not None or not parts:
            parts.append(str(self.result))
        return "\n".join(parts)


class CodeTool:
    id = "code"
    description = "Runs Python in a sandbox without files or network; gives back what it prints and its last value."
    Input = CodeArguments
    Output = CodeResult
    effect: ClassVar[Effect] = "pure"
    permission: ClassVar[Permission] = "auto"
    timeout_s = MAX_SECONDS + 5

    async def run(self, arguments: CodeArguments, context: ToolContext) -> CodeResult:  # noqa: ARG002
        """Run it. What goes wrong inside the code is part of the result.

        Raises:
            ConfigurationError: code `no_sandbox`: the sandbox cannot be started.
        """
        printed = monty.CollectString(max_bytes=MAX_STDOUT)
        try:
            program = await asyncio.to_thread(_started_program)
            pool = monty.AsyncMonty(
                binary_path=program, max_processes=1, request_timeout=MAX_SECONDS + 2, feed_duration_limit_grace=0.5
            )
            async with pool, pool.checkout(limits=_LIMITS, os_policy=_POLICY) as session:
                value = await session.feed_run(arguments.code, print_callback=printed)
                result = await asyncio.to_thread(_plain, value)
        except monty.MontyError as exc:
            return CodeResult(ok=False, stdout=printed.output, error=_said(exc))
        except FileNotFoundError as exc:
            raise _no_sandbox() from exc
        except ValueError as exc:  # a result that cannot leave the sandbox
            return CodeResult(ok=False, stdout=printed.output, error=f"ValueError: {str(exc)[:300]}")
        return CodeResult(ok=True, result=result, stdout=printed.output)


_starting = threading.Lock()


@cache
def _quiet_program() -> Path:
    """The sandbox's program without its stderr: a worker that overran its memory writes there, which is the person's
    screen. Blocks for a few milliseconds the first time.

    Raises:
        FileNotFoundError: it is not installed.
    """
    program = _program()
    folder = Path(tempfile.mkdtemp(prefix="tinyllm-code-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    wrapper = folder / "monty"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(str(program))} "$@" 2>/dev/null\n')
    wrapper.chmod(0o700)
    for _ in range(100):
        try:
            subprocess.run([wrapper, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)  # noqa: S603
        except PermissionError:  # programs are forbidden in that folder
            return program
        except OSError as exc:
            if exc.errno != errno.ETXTBSY:  # a process that was forked meanwhile still has the file open
                raise
            time.sleep(0.01)
        else:
            return wrapper
    return program


def _started_program() -> Path:
    with _starting:
        return _quiet_program()


def _program() -> Path:
    from pydantic_monty._binary import find_monty_binary

    return Path(find_monty_binary())


def _no_sandbox() -> ConfigurationError:
    remedy = "Install the package pydantic-monty again."
    return ConfigurationError("no_sandbox", "The sandbox for code cannot be started.", remedy=remedy)


def _said(exc: monty.MontyError) -> str:
    """One line about an error of the code, with the line it happened in."""
    if isinstance(exc, monty.MontyCrashedError):
        return f"TimeoutError: the code was stopped after {MAX_SECONDS:g} s, or its sandbox broke."
    inner = exc.exception()
    if isinstance(exc, monty.MontyRuntimeError) and isinstance(inner, TimeoutError):
        return f"TimeoutError: the code was stopped after {MAX_SECONDS:g} s."
    if isinstance(exc, monty.MontyRuntimeError) and isinstance(inner, MemoryError):
        return f"MemoryError: it used more than {MAX_MEMORY >> 20} MB, or printed more than {MAX_STDOUT >> 10} KB."
    if isinstance(exc, monty.MontySyntaxError | monty.MontyRuntimeError):
        frames = exc.traceback()
        line = f" (line {frames[-1].line})" if frames else ""
        return exc.display("type-msg")[:1000] + line
    return str(exc)[:1000]


def _plain(value: Any) -> Any:
    """A result as JSON: containers as they are, numbers and texts bounded, everything else as its text."""
    return _Plain().convert(value, 0)


class _Plain:
    def __init__(self) -> None:
        self._left = MAX_ITEMS

    def convert(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if value.bit_length() < 10_000 else f"an integer of {value.bit_length()} bits"
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, str):
            return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
        if depth > 20:
            return "…"
        if isinstance(value, list | tuple | set | frozenset):
            return [self.convert(each, depth + 1) for each in self._some(value)]
        if isinstance(value, dict):
            pairs = [(str(key)[:1000], value[key]) for key in self._some(value)]
            return {key: self.convert(each, depth + 1) for key, each in pairs}
        return repr(value)[:1000]

    def _some(self, values: Any) -> Iterator[Any]:
        for each in values:
            if self._left <= 0:
                return
            yield each
