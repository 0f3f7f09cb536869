"""Side by side with stores: the same steps, each persisted, in this engine, in LangGraph with its SQLite checkpointers
and in Burr with its SQLite persisters, in turns in one process.

The peers are the optional dependency group `peers`: `uv run --group peers python -m tests.benchmarks --only
durable_peers`. Each is used as its own documentation does it, on an ordinary file with the settings that it leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from unittest import mock

from tests.benchmarks.durable import BareDatabase
from tests.benchmarks.durable_peers.contender import Contender
from tests.benchmarks.durable_peers.syncs import syncs_per_step
from tests.benchmarks.growing import message
from tests.benchmarks.measure import Figure, alternate_async, spread
from tests.benchmarks.peers import QUIET

PEERS = {"LangGraph": ("langgraph", "langgraph-checkpoint-sqlite"), "Burr": ("apache-burr", "aiosqlite")}
"""Name -> distributions that it needs; the module here is named after the name."""
OURS = "tinyllm-tui"
SIZES = (10, 100)
VISITS = 100
"""Nodes in one sample, whatever the length of the chain; at least one run."""


def run(short: bool) -> list[Figure]:
    installed, missing = _look()
    figures: list[Figure] = []
    with mock.patch.dict(os.environ, QUIET):
        everybody = contenders(installed)
        for size in SIZES[:1] if short else SIZES:
            figures += asyncio.run(_per_node(everybody, size, 1 if short else 3))
        figures += [asyncio.run(_syncs(each, 20 if short else 100)) for each in everybody]
        figures += asyncio.run(_growth(everybody, (10, 20, 40) if short else (50, 100, 200)))
    return figures + [_missing(name) for name in missing]


def contenders(installed: dict[str, str]) -> list[Contender]:
    """Ours, and those of the installed peers (name -> version)."""
    modules = [(OURS, "tinyllm"), *((f"{name} {installed[name]}", name.lower()) for name in installed)]
    return [each for label, module in modules for each in import_module(f"{__name__}.{module}").contenders(label)]


def _look() -> tuple[dict[str, str], list[str]]:
    installed: dict[str, str] = {}
    missing = []
    for name, distributions in PEERS.items():
        try:
            versions = [version(each) for each in distributions]
        except PackageNotFoundError:
            missing.append(name)
        else:
            installed[name] = versions[0]
    return installed, missing


def _missing(name: str) -> Figure:
    how = "not installed; `uv run --group peers python -m tests.benchmarks` installs it and measures it"
    return Figure(f"durable, side by side: {name}", "us", None, how)


async def _per_node(everybody: Sequence[Contender], size: int, rounds: int) -> list[Figure]:
    """Wall time of a chain; a peer's baseline is this engine with the promise that is nearest."""
    with tempfile.TemporaryDirectory() as folder:
        async with contextlib.AsyncExitStack() as stack:
            takes: list[Callable[[], Awaitable[float]]] = []
            for number, each in enumerate(everybody):
                place = Path(folder) / f"{number}"
                place.mkdir()
                stored = await stack.enter_async_context(each.opened(place))
                takes.append(lambda stored=stored: stored.seconds_of_chain(size, max(1, VISITS // size)))
            bare = stack.enter_context(contextlib.closing(BareDatabase(Path(folder) / "bare.db")))
            *samples, commits = await alternate_async(rounds, *takes, lambda: bare.seconds_of_commits(5))
    ours = {each.nearest: found for each, found in zip(everybody, samples, strict=True) if each.label == OURS}
    figures = []
    for each, found in zip(everybody, samples, strict=True):
        own = each.label == OURS
        baseline = commits if own else [seconds / size for seconds in ours[each.nearest]]
        against = "one bare durable commit of one row" if own else f"{OURS}, `{each.nearest}`"
        figures.append(
            Figure(
                f"durable, side by side, chain of {size:,}, per node: {each.label}, {each.way}",
                "us",
                spread([seconds / size for seconds in found]),
                f"wall time of a whole run / {size:,}; {each.how}",
                None,
                spread(baseline),
                against,
            )
        )
    return figures


async def _syncs(each: Contender, steps: int) -> Figure:
    """How often the disk is made to keep what was written, and what the connection is set to."""
    what = f"durable, side by side, syncs per node: {each.label}, {each.way}"
    with tempfile.TemporaryDirectory() as folder:
        async with each.opened(Path(folder)) as stored:
            await stored.run_chain(2)
            settings = await stored.settings()
        try:
            counted = await asyncio.to_thread(syncs_per_step, each, steps)
        except RuntimeError as error:
            return Figure(what, "syncs", None, f"{error}; {settings}")
    return Figure(
        what,
        "syncs",
        spread([counted]),
        f"`fsync` and `fdatasync` of the process (strace), what grows from a chain of 2 nodes to one of {steps + 2}; "
        f"{settings}",
    )


async def _growth(everybody: Sequence[Contender], steps: tuple[int, ...]) -> list[Figure]:
    figures = []
    for each in everybody:
        sizes = [await _bytes_left(each, count) for count in steps]
        what = f"durable, side by side, growing message list: {each.label}, {each.way}"
        texts = [float(sum(len(message(step)) for step in range(1, count + 1))) for count in steps]
        how = "bytes of all its files when closed, less those after a run of one step; 200 characters a message"
        figures += [
            Figure(
                f"{what}: {count} steps", "KB", spread([size]), how, None, spread([text]), "the texts of the messages"
            )
            for count, size, text in zip(steps, sizes, texts, strict=True)
        ]
        figures += [
            Figure(f"{what}: {more} steps against {less}", "x", spread([b / a]), "ratio of the figures above")
            for (less, a), (more, b) in pairwise(zip(steps, sizes, strict=True))
        ]
    return figures


async def _bytes_left(each: Contender, steps: int) -> float:
    sizes = []
    for count in (1, steps):
        with tempfile.TemporaryDirectory() as folder:
            async with each.opened(Path(folder)) as stored:
                await stored.run_growing(count)
            sizes.append(_bytes_in(Path(folder)))
    return float(sizes[1] - sizes[0])


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
