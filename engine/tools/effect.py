"""Effect and Permission: what a tool does to the world, and who must agree to it."""

from __future__ import annotations

from typing import Literal

Effect = Literal["pure", "reversible", "irreversible"]
"""pure: changes nothing; reversible: can be undone from an undo record; irreversible: can only be asked about later."""

Permission = Literal["auto", "ask_host", "ask_call", "deny"]
"""auto: runs; ask_host: a person agrees once per host; ask_call: a person agrees to every call; deny: never runs."""
