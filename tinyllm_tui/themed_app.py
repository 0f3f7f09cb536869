"""The base of the app: any theme has the cockpit's own variables, which our widgets need."""

from __future__ import annotations

from textual.app import App

from tinyllm_tui.domain_colours import domain_variables


class ThemedApp(App[None]):
    """An app in which our widgets can stand, whatever its theme."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The cockpit's own variables, for themes that are not ours."""
        return domain_variables(vars(self.current_theme))
