"""The cockpit's own theme variables: what each colours, and what it is in a theme that does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Use = Literal["text", "sign", "ground"]
"""text: words, read at 4.5:1 against every ground; sign: lines and signs, at 3:1; ground: lies behind words."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One theme variable of the cockpit's own."""

    name: str
    value: str
    """Of a theme that does not say: a colour of its palette, and how much of it."""
    words: str
    """What it colours."""
    use: Use = "text"


VARIABLES: tuple[Variable, ...] = (
    Variable("text-dim", "foreground 80%", "words of less weight"),
    Variable("text-faint", "foreground 70%", "words and lines that are there to be found, not to be seen"),
    Variable("node-idle", "foreground 70%", "a node that has not run"),
    Variable("node-running", "accent", "a node that runs"),
    Variable("node-waiting", "warning", "a node that waits for a person"),
    Variable("node-ok", "success", "a node that went well"),
    Variable("node-failed", "error", "a node that failed"),
    Variable("node-skipped", "foreground 80%", "a node that was passed over"),
    Variable("node-cancelled", "warning", "a node that was cancelled"),
    Variable("edge-taken", "accent", "an edge that a message went along", "sign"),
    Variable("edge-idle", "foreground 60%", "every other edge", "sign"),
    Variable("breaker-closed", "success", "a breaker that lets calls pass"),
    Variable("breaker-open", "error", "an open breaker"),
    Variable("breaker-half-open", "warning", "a breaker that tries again"),
    Variable("breaker-forced-open", "error", "a breaker that a person opened"),
    Variable("breaker-disabled", "foreground 80%", "a breaker that a person disabled"),
    Variable("memory-system", "primary", "instructions in a context", "sign"),
    Variable("memory-question", "secondary", "the question", "sign"),
    Variable("memory-history", "accent", "what was said before", "sign"),
    Variable("memory-upstream", "warning", "what other nodes made", "sign"),
    Variable("memory-note", "success", "notes of the graph", "sign"),
    Variable("memory-recalled", "primary", "what was recalled from long-term memory", "sign"),
    Variable("memory-tool", "secondary", "results of tools", "sign"),
    Variable("memory-summary", "accent", "summaries of what went", "sign"),
    Variable("lane-run", "primary", "time in which a node ran", "sign"),
    Variable("lane-running", "accent", "time in which it runs now", "sign"),
    Variable("lane-failed", "error", "time that ended in a failure", "sign"),
    Variable("lane-queued", "foreground 60%", "time in which it waited", "sign"),
    Variable("lane-taken-back", "foreground 60%", "time whose result was taken back", "sign"),
    Variable("marker-start", "accent", "a beginning in the timeline"),
    Variable("marker-error", "error", "an error"),
    Variable("marker-checkpoint", "accent", "a checkpoint"),
    Variable("marker-commit", "success", "a commit"),
    Variable("marker-rollback", "error", "a rollback"),
    Variable("marker-breaker", "warning", "a breaker that changed"),
    Variable("marker-prune", "warning", "a pruning"),
    Variable("marker-rewind", "warning", "a way back to a checkpoint"),
    Variable("marker-compensation", "warning", "an effect that was taken back"),
    Variable("marker-fork", "accent", "where a run begins that goes on from another, or was imported or resumed"),
    Variable("diff-added", "success", "what is new beside what it is compared with"),
    Variable("diff-removed", "error", "what is gone"),
    Variable("diff-changed", "warning", "what is another now"),
    Variable("banner-error", "error 18%", "behind a banner that says what is wrong", "ground"),
    Variable("banner-warning", "warning 18%", "behind a banner that says what to mind", "ground"),
    Variable("banner-replay", "secondary 22%", "behind the banner of a replay", "ground"),
    Variable("code-inline", "warning", "code in the middle of a sentence"),
    Variable("field-background", "foreground 8%", "behind fields and code", "ground"),
)
"""Every variable of the cockpit's own, beside those of Textual."""


def domain_variables(colors: Mapping[str, str | None]) -> dict[str, str]:
    """The cockpit's own variables, as the palette `colors` has them."""
    variables = {}
    for variable in VARIABLES:
        name, _, share = variable.value.partition(" ")
        variables[variable.name] = f"{colors.get(name) or colors.get('primary') or '#888888'} {share}".rstrip()
    return variables
