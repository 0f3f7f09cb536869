"""`tinyllm-tui route`: what routers decide, how well, and what they were taught."""

from __future__ import annotations

import click

from tinyllm_tui.cli.route_eval import evaluate, explain
from tinyllm_tui.cli.taught import taught, teach


@click.group()
def route() -> None:
    """Routes: how questions are routed, how well, and what to say when one went wrong."""


for _command in (evaluate, explain, teach, taught):
    route.add_command(_command)
