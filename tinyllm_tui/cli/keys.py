"""`tinyllm-tui keys`: every binding of the cockpit, with the keys that it has here."""

from __future__ import annotations

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.options import common_options, load


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def keys(ctx: click.Context, as_json: bool) -> int:
    """List the keys of the cockpit, as the configuration has them, and the ids by which they are changed."""
    from tinyllm_tui.keymap import KEYS, TITLES
    from tinyllm_tui.keymap_choice import keymap

    config = load(ctx).settings.keys
    chosen = keymap(config.preset, config.map)
    rows = [(scope, key, chosen.written(key)) for scope, keys in KEYS.items() for key in keys]
    if as_json:
        bindings = [
            {"id": key.id, "place": scope, "keys": chosen.keys.get(key.id, key.keys).split(","), "does": key.words}
            for scope, key, _ in rows
        ]
        output.print_json({"preset": config.preset, "bindings": bindings, "problems": list(chosen.problems)})
        return 1 if chosen.problems else 0
    before = ""
    for scope, key, written in rows:
        if scope != before:
            output.say(f"\n{TITLES[scope]}" if before else TITLES[scope])
            before = scope
        output.say(f"  {written:<14} {key.id:<24} {key.words}")
    for problem in chosen.problems:
        output.note(f"Error: {problem}")
    return 1 if chosen.problems else 0
