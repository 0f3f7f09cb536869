"""The doctor: examines everything that the main job needs, and has a remedy for every finding.

It needs nothing beyond the core dependencies and never raises: a check that breaks is a finding itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable

from tinyllm_tui.doctor.database import examine_database, examine_quickly
from tinyllm_tui.doctor.files import (
    examine_data_folder,
    examine_graph,
    examine_settings,
    examine_theme,
    examine_workspace,
)
from tinyllm_tui.doctor.finding import Finding, broken
from tinyllm_tui.doctor.machine import examine_python, examine_sqlite, examine_terminal
from tinyllm_tui.doctor.models import examine_models
from tinyllm_tui.settings import Loaded

__all__ = ["Finding", "examine"]

Check = Callable[[Loaded], Iterable[Finding] | Awaitable[Iterable[Finding]]]

_CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", examine_settings),
    ("data folder", examine_data_folder),
    ("workspace", examine_workspace),
    ("graph", examine_graph),
    ("theme", examine_theme),
    ("models", examine_models),
)


async def examine(load: Callable[[], Loaded], *, deep: bool = False) -> list[Finding]:
    """Run all checks, in order.

    Args:
        load: loads the settings; what it raises is a finding.
        deep: check the whole database too, which takes the longer the larger it is.
    """
    findings = [*examine_python(), *examine_sqlite(), *examine_terminal()]
    try:
        loaded = load()
    except Exception as error:  # noqa: BLE001 - what is wrong with the settings is what the person came to hear
        return [*findings, broken("settings", error)]
    checks = (*_CHECKS, ("database", examine_database if deep else examine_quickly))
    for name, check in checks:
        try:
            result = check(loaded)
            findings.extend(await result if inspect.isawaitable(result) else result)
        except Exception as error:  # noqa: BLE001 - see the module's promise
            findings.append(broken(name, error))
    return findings
