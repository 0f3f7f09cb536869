"""A stylesheet that parses no source twice: Textual parses all of them again with every screen that brings its own."""

from __future__ import annotations

from collections.abc import Hashable

from textual.cache import LRUCache
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.css.types import CSSLocation

_PALETTES = 8
"""Sets of variables (one a theme) whose rules are kept."""

_parsed: LRUCache[Hashable, dict[Hashable, list[RuleSet]]] = LRUCache(_PALETTES)
"""Variables -> (source, where it is from, ...) -> its rules, for every app of this process. Rules are never changed."""


class KeepingStylesheet(Stylesheet):
    """Textual's stylesheet, with the rules of every source that was parsed with the same variables kept."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._kept = _rules_of(self._variables)

    def set_variables(self, variables: dict[str, str]) -> None:
        super().set_variables(variables)
        self._kept = _rules_of(variables)

    def copy(self) -> Stylesheet:
        copied = KeepingStylesheet(variables=self._variables.copy())
        copied.source = self.source.copy()
        return copied

    def reparse(self) -> None:
        """Take over sources and variables as they are now; on an error the rules stay as they were."""
        self.parse()

    def _parse_rules(
        self,
        css: str,
        read_from: CSSLocation,
        is_default_rules: bool = False,
        tie_breaker: int = 0,
        scope: str = "",
    ) -> list[RuleSet]:
        key = (css, read_from, is_default_rules, tie_breaker, scope)
        rules = self._kept.get(key)
        if rules is None:
            rules = super()._parse_rules(css, read_from, is_default_rules, tie_breaker, scope)
            if not any(rule.errors for rule in rules):
                self._kept[key] = rules
        return rules


def _rules_of(variables: dict[str, str]) -> dict[Hashable, list[RuleSet]]:
    palette = tuple(variables.items())
    kept = _parsed.get(palette)
    if kept is None:
        kept = _parsed[palette] = {}
    return kept
