"""How a key is tried: where it is pressed, and what is seen of it; or the test that presses it already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual.screen import Screen

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.snapshots.stage import Arrive, Options, Stage, no_options


@dataclass(frozen=True)
class Changes:
    """Something gets another value."""

    value: Callable[[Stage], object]


Seen = str | type[Screen[Any]] | Callable[[Stage], object] | Changes
"""Words that appear, a screen that comes to the front, something that becomes true, or something that changes."""
Way = str | type[Screen[Any]] | Callable[[Stage], object]
"""On the way: a key that is pressed, or a screen or something true that is waited for."""


@dataclass(frozen=True)
class Press:
    """How one key is tried.

    Args:
        id: the key's name in the key table.
        seen: what comes of it; it must not be so before.
        before: what leads there from where the key before it left.
        after: what leads on.
        key: which of its keys; default: the first.
    """

    id: str
    seen: Seen
    before: tuple[Way, ...] = ()
    after: tuple[Way, ...] = ()
    key: str = ""


@dataclass(frozen=True)
class Walk:
    """Keys that are pressed one after the other in one app.

    Args:
        arrive: leads from the idle cockpit to where the first is pressed.
        presses: the keys.
        engine: makes the engine.
        options: makes further arguments of the app.
    """

    arrive: Arrive
    presses: tuple[Press, ...]
    engine: Callable[[], ScriptedEngine] = ScriptedEngine
    options: Options = no_options


ELSEWHERE: dict[str, str] = {
    "prompt.unfold": "test_chat.py::"
    "test_thinking_and_pastes_are_folded_until_they_are_wanted_and_code_blocks_are_chosen",
    "chat.unfold": "test_chat.py::test_thinking_and_pastes_are_folded_until_they_are_wanted_and_code_blocks_are_chosen",
    "chat.unfold_too": "test_chat.py::"
    "test_thinking_and_pastes_are_folded_until_they_are_wanted_and_code_blocks_are_chosen",
    "chat.code": "test_chat.py::test_thinking_and_pastes_are_folded_until_they_are_wanted_and_code_blocks_are_chosen",
    "chat.next_match": "test_chat.py::test_words_are_found_marked_and_counted_in_all_of_the_conversation",
    "chat.last_match": "test_chat.py::test_words_are_found_marked_and_counted_in_all_of_the_conversation",
    "timeline.closer": "test_timeline.py::test_plus_and_minus_zoom_around_the_selection_and_0_shows_all_again",
    "timeline.wider": "test_timeline.py::test_plus_and_minus_zoom_around_the_selection_and_0_shows_all_again",
    "timeline.fit": "test_timeline.py::test_plus_and_minus_zoom_around_the_selection_and_0_shows_all_again",
    "timeline.left": "test_timeline.py::"
    "test_left_and_right_pan_by_an_eighth_and_with_shift_by_a_page_and_stop_at_the_ends",
    "timeline.right": "test_timeline.py::"
    "test_left_and_right_pan_by_an_eighth_and_with_shift_by_a_page_and_stop_at_the_ends",
    "timeline.page_left": "test_timeline.py::"
    "test_left_and_right_pan_by_an_eighth_and_with_shift_by_a_page_and_stop_at_the_ends",
    "timeline.page_right": "test_timeline.py::"
    "test_left_and_right_pan_by_an_eighth_and_with_shift_by_a_page_and_stop_at_the_ends",
    "settings.change": "test_settings.py::test_a_setting_is_found_refused_corrected_written_and_reset",
    "settings.reset": "test_settings.py::test_a_setting_is_found_refused_corrected_written_and_reset",
    "settings.search": "test_settings.py::test_a_setting_is_found_refused_corrected_written_and_reset",
    "themes.save": "test_settings.py::test_themes_are_shown_as_they_are_selected_and_kept_where_wanted",
    "themes.leave": "test_settings.py::test_themes_are_shown_as_they_are_selected_and_kept_where_wanted",
    "models.cancel": "test_models.py::"
    "test_a_fetch_shows_how_far_it_is_goes_on_when_the_list_is_left_and_can_be_cancelled",
    "models.look": "test_models.py::test_a_dead_backend_is_told_with_its_remedy_and_looked_for_again",
    "route.mark": "test_correct_route.py::test_several_routes_are_marked_where_the_router_gives_several",
    "route.undo": "test_correct_route.py::test_what_was_taught_is_listed_and_u_takes_it_back",
    "node.route": "test_correct_route.py::"
    "test_a_routers_details_offer_it_also_in_a_replay_and_those_of_other_nodes_do_not",
    "approval.edit": "test_approval.py::test_an_editable_text_is_edited_and_goes_on_with_a_yes",
    "approval.edited": "test_approval.py::test_an_editable_text_is_edited_and_goes_on_with_a_yes",
    "approval.host": "test_approval.py::test_a_yes_can_be_for_a_host",
    "graph.back": "test_graph_pane.py::"
    "test_enter_opens_a_sub_graph_and_its_nodes_have_their_own_states_until_one_goes_back",
    "memories.source": "test_memories.py::test_the_source_of_a_memory_is_replayed",
}
"""Keys that take more of a story than a walk: the test that presses them, in tests/tui."""
