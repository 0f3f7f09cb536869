"""What the state machine of transactions did, and looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass
class Figures:
    """Counts over all machines of one measurement."""

    examples: int = 0
    runs: int = 0
    calls: int = 0
    """Tool calls that changed files."""
    rewinds: int = 0
    commits: int = 0
    rollbacks: int = 0
    crashes: int = 0
    crashes_inside: int = 0
    """Of these: while something was being written, done or taken back."""
    crashes_opening: int = 0
    resumed: int = 0
    rolled_back_at_start: int = 0
    left: int = 0
    forks: int = 0
    orphans: int = 0
    """Forks that were looked at after their parent was gone."""
    pruned: int = 0
    kept: int = 0
    """Transactions whose events were compared after others were pruned."""
    imported: int = 0
    states: int = 0
    """States restored from the store that were compared with the executor's own."""
    settled: int = 0
    """Calls of which nobody knew whether they happened, taken back before their run went on."""
    remembered: int = 0
    recalled: int = 0
    """Memories of which runs were told."""
    rolled_back_looked_for: int = 0
    """Rolled-back transactions of which no trace was found, each counted whenever it was looked for."""
    seconds: float = 0.0

    def __str__(self) -> str:
        return "\n".join(f"{name.replace('_', ' '):<28} {value}" for name, value in asdict(self).items())
