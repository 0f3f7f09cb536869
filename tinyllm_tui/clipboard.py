"""The system's clipboard, for terminals that do not take a text through OSC 52."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Mapping, Sequence

_WAIT_S = 3.0
"""Seconds that a program may take to read the text."""


def clipboard_programs(environment: Mapping[str, str], platform: str = sys.platform) -> list[Sequence[str]]:
    """The programs that could take a text here, as argument lists, the best first.

    Args:
        environment: of this process: it says which display there is.
        platform: as `sys.platform` names it.
    """
    found: list[Sequence[str]] = []
    if platform == "darwin":
        found.append(("pbcopy",))
    if environment.get("WAYLAND_DISPLAY"):
        found.append(("wl-copy",))
    if environment.get("DISPLAY"):
        found += [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
    return found


async def copy_to_system(text: str, environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Hand `text` to the first program that is installed and takes it; false where none does.

    Args:
        text: to be copied.
        environment: in which the programs run.
        platform: as for `clipboard_programs`.
    """
    for command in clipboard_programs(environment, platform):
        path = shutil.which(command[0], path=environment.get("PATH"))
        if path is not None and await _took((path, *command[1:]), text, environment):
            return True
    return False


async def _took(command: Sequence[str], text: str, environment: Mapping[str, str]) -> bool:
    nothing = asyncio.subprocess.DEVNULL  # some stay in the background, and would hold a pipe open
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=nothing, stderr=nothing, env=dict(environment)
        )
    except OSError:
        return False
    try:
        await asyncio.wait_for(process.communicate(text.encode("utf-8", "replace")), _WAIT_S)
    except (TimeoutError, OSError):
        return False
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode == 0
