"""`tinyllm-tui serve`: the cockpit in a browser."""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
import socket
import sys

import click

from tinyllm_tui.cli.interrupt import Interrupt, run_async
from tinyllm_tui.cli.options import COCKPIT_OPTIONS, common_options, given, load, setting_options
from tinyllm_tui.cli.output import note, say

_PORT = 8000


@click.command()
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="Listen at this address; default: 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    help=f"Listen at this port, 0 for any that is free; default: {_PORT}.",
)
@click.option("--session", metavar="ID", help="Go on with this session; default: the one that was used last.")
@click.option("--new", is_flag=True, help="Begin a new session.")
@setting_options(*COCKPIT_OPTIONS)
@common_options
@click.pass_context
def serve(ctx: click.Context, host: str, port: int, session: str | None, new: bool) -> int:
    """Open the cockpit in a browser.

    Prints an address to open, with a token in it; nobody is let in without. Each page has a cockpit of its own, which
    ends with its page. Only one of them records: a second page says that it does not. Ctrl+C ends all of them.
    """
    if session is not None and new:
        raise click.UsageError("--session and --new exclude each other.")
    load(ctx)  # what is wrong with the settings is said here, and not on a page
    if importlib.util.find_spec("textual_serve") is None:
        note("Error: Serving the cockpit needs the package textual-serve, which is not installed.")
        note("Remedy: Install it with `pip install textual-serve`.")
        return 1
    arguments = [sys.executable, "-m", "tinyllm_tui", *given(ctx)]
    arguments += ["--new"] if new else []
    arguments += ["--session", session] if session is not None else []
    return run_async(lambda interrupt: _serve(arguments, host, port, interrupt))


async def _serve(arguments: list[str], host: str, port: int, interrupt: Interrupt) -> int:
    from tinyllm_tui.serve.guard import Guard, is_loopback
    from tinyllm_tui.serve.server import CockpitServer

    token = secrets.token_urlsafe(24)
    try:
        async with CockpitServer(arguments, Guard(token, host), host, port).running() as bound:
            if not is_loopback(host):
                note("Note: Other machines reach this address. Whoever has the token uses your models, files and tools")
                note("      as you do, and nothing that is sent is encrypted: use it in networks that you trust.")
            say(f"The cockpit is at http://{_name(host)}:{bound}/?token={token}")
            note("Ctrl+C ends it.")
            sys.stdout.flush()
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        if interrupt.last is None:
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        note(f"Error: The address {host}, port {port}, cannot be listened at: {reason}.")
        note("Remedy: Name another port with --port, or 0 for any that is free, and an address of this machine.")
        return 1
    return 0


def _name(host: str) -> str:
    """How a browser calls the address."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - all addresses of this machine
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
