"""Where the graphs are that come with the program."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".yaml", ".yml")


def shipped_folder() -> Path:
    """The folder of shipped graphs: inside the package in an installed wheel, at the top level in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_shipped" / "graphs"
    return installed if installed.is_dir() else package.parent / "graphs"


def graphs_in(folder: Path) -> dict[str, Path]:
    """Name -> file of the graphs in a folder, by name; empty where there is no such folder."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    except OSError:
        return {}
    return {file.stem: file for file in files}


def shipped_graphs() -> dict[str, Path]:
    """Name -> file of the graphs that come with the program."""
    return graphs_in(shipped_folder())
