"""The command line. Importing it loads click and nothing heavier: commands import what they need when they run."""

from tinyllm_tui.cli.root import cli, main

__all__ = ["cli", "main"]
