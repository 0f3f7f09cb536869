"""The doctor's look at the settings, the data folder, the graphs and the themes."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from tinyllm_tui.doctor.database import LARGE_LOG
from tinyllm_tui.doctor.finding import Finding
from tinyllm_tui.settings import Loaded
from tinyllm_tui.words import size

LOW_SPACE = 200 * 2**20
NO_SPACE = 8 * 2**20
"""Bytes free below which a run may fail."""


def examine_settings(loaded: Loaded) -> list[Finding]:
    findings = [Finding("settings", "warn", note, "Correct or unset it.") for note in loaded.notes]
    if loaded.config_file.is_file():
        return [Finding("settings", "ok", f"read from {loaded.config_file}"), *findings]
    remedy = "`tinyllm-tui init` writes a file with every setting explained."
    return [Finding("settings", "ok", f"defaults; there is no {loaded.config_file}", remedy), *findings]


def examine_data_folder(loaded: Loaded) -> list[Finding]:
    folder = loaded.settings.data_folder
    remedy = "Choose another folder with --data-dir or TINYLLM_DATA_DIR, or mend this one."
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return [Finding("data folder", "fail", f"{place} is a file, where a folder is needed.", remedy)]
    free = shutil.disk_usage(place).free
    if free < NO_SPACE:
        return [Finding("data folder", "fail", f"The disk that holds {folder} is full ({size(free)} free).", remedy)]
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        return [Finding("data folder", "fail", f"{folder} cannot be written: {error.strerror}.", remedy)]
    findings = [_space(folder, free)]
    if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        detail = f"Other users of this machine can look into {folder}."
        findings.append(Finding("data folder", "warn", detail, f"chmod 700 '{folder}'"))
    findings.extend(_database(folder))
    return findings


def _space(folder: Path, free: int) -> Finding:
    state = "is writable" if folder.exists() else "will be made with the first question"
    detail = f"{folder} {state}, {size(free)} free"
    if free < LOW_SPACE:
        return Finding("data folder", "warn", detail, "Free some space; every question adds some kilobytes.")
    return Finding("data folder", "ok", detail)


def _database(folder: Path) -> list[Finding]:
    from engine.store.database import FILE_NAME

    file = folder / FILE_NAME
    findings = []
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        findings.append(
            Finding("database", "warn", f"Other users of this machine can read {file}.", f"chmod 600 '{file}'")
        )
    log = file.with_name(FILE_NAME + "-wal")
    if log.exists() and log.stat().st_size > LARGE_LOG:
        detail = f"The write-ahead log has grown to {size(log.stat().st_size)}: another program keeps reading {file}."
        findings.append(Finding("database", "warn", detail, "Close programs that have the database open."))
    return findings


def examine_workspace(loaded: Loaded) -> list[Finding]:
    """The folder of the file tools; the engine does not start with one that is not there."""
    from engine.tools.workspace import Workspace

    wanted = loaded.settings.workspace
    if wanted is None:
        return [Finding("workspace", "ok", "none: file tools are off", "To use them, name a folder: `workspace`.")]
    root, data = Workspace(wanted).root, loaded.settings.data_folder.resolve()
    elsewhere = "Name another folder as the `workspace` (TINYLLM_WORKSPACE)."
    if root.is_relative_to(data) or data.is_relative_to(root):
        place = "inside the data folder" if root.is_relative_to(data) else "around the data folder"
        return [Finding("workspace", "warn", f"{root} lies {place} {data}, which tools must not change.", elsewhere)]
    if not os.access(root, os.R_OK | os.X_OK):
        return [Finding("workspace", "warn", f"{root} cannot be read.", f"Correct its permissions. {elsewhere}")]
    if not os.access(root, os.W_OK):
        return [Finding("workspace", "info", f"{root} can be read and not written: file tools can only look at it.")]
    return [Finding("workspace", "ok", f"{root}; file tools may look at it, and change it where you say yes")]


def examine_graph(loaded: Loaded) -> list[Finding]:
    from engine.graph.loader import available_graphs, load_graph

    found = available_graphs((loaded.graphs_folder,))
    if not found:
        return [Finding("graph", "fail", "The shipped graphs are missing.", "Install the program again.")]
    spec = load_graph(loaded.settings.graph, search=(loaded.graphs_folder,))
    return [
        Finding("graph", "ok", f"{spec.id} {spec.version} answers; {len(found)} to choose from: {', '.join(found)}")
    ]


def examine_theme(loaded: Loaded) -> list[Finding]:
    from tinyllm_tui.themes import load_themes, shipped_folder

    themes, problems = load_themes((shipped_folder(), loaded.themes_folder))
    names = [theme.name for theme in themes]
    findings = [Finding("theme", "warn", problem.message, problem.remedy) for problem in problems]
    if loaded.settings.theme in names:
        findings.append(Finding("theme", "ok", f"{loaded.settings.theme}, of {', '.join(names)}"))
    else:
        remedy = f"Choose from {', '.join(names) or 'none: install the program again'}."
        findings.append(Finding("theme", "warn", f"There is no theme {loaded.settings.theme!r}.", remedy))
    return findings
