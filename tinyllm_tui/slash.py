"""Slash commands: what is suggested while one is typed, and doing what was sent."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from engine.errors import EngineError, ErrorClass
from tinyllm_tui.commands import COMMANDS, slash_command
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.slash_text import SlashText, fitting, route_words, slash_text, unknown
from tinyllm_tui.widgets.chat.completions import Suggestion
from tinyllm_tui.widgets.chat.history import local_time

if TYPE_CHECKING:
    from engine.store.rows import SessionRow
    from tinyllm_tui.screens.conversation_screen import ConversationScreen

SESSION_WORDS = {
    "list": "earlier conversations",
    "new": "the next question begins one: new [name]",
    "resume": "go on with one: resume <name>",
    "rename": "this one: rename <name>",
    "memory": "long-term memory in this one: memory on|off",
    "summarise": "a summary of this one, kept in long-term memory",
}
COPIED = ("answer", "question", "code")
"""What can be copied of a message."""
_ID_SHOWN = 8
_MOST = 50
"""Names that are suggested."""


def _usage(word: str, how: str) -> EngineError:
    return EngineError(
        ErrorClass.INVALID_REQUEST, "slash_argument", f"{word} was not understood.", remedy=f"Write {how}."
    )


class SlashCommands:
    """The commands of one cockpit.

    Args:
        screen: which runs their actions.
    """

    def __init__(self, screen: ConversationScreen) -> None:
        self._screen = screen
        self._sessions: Sequence[SessionRow] = ()
        self._models: Sequence[str] = ()
        self._with_argument: dict[str, Callable[[str], Awaitable[None]]] = {
            "/session": self._session,
            "/new": self._new,
            "/memory": self._memory,
            "/remember": self._remember,
            "/replay": self._replay,
            "/compare": self._compare,
            "/model": self._model,
            "/graph": self._graph,
            "/theme": self._theme,
            "/export": self._export,
            "/copy": self._copy,
            "/search": self._search,
            "/fork": self._fork,
        }

    # -- suggesting --------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Read the names that may follow a command; what cannot be read is not suggested."""
        with contextlib.suppress(EngineError):
            engine = await self._screen.cockpit.opened()
            self._sessions = await engine.sessions()
            with contextlib.suppress(EngineError):
                self._models = [model.name for model in await engine.models()]

    def complete(self, text: str) -> list[Suggestion]:
        """How a text that begins with a slash could go on; nothing for any other."""
        if not text.startswith("/") or "\n" in text:
            return []
        word, space, rest = text.partition(" ")
        if not space:
            return self._words(word)
        command = slash_command(word.lower())
        if slash_text(text) is None or command is None:
            return []
        found = self._arguments(command.slash, rest.lstrip())
        written = [each for each in found if each.text == text.rstrip()]
        if written == found and all(each.whole for each in found):
            return []
        return (written + [each for each in found if each not in written])[:_MOST]

    def _words(self, typed: str) -> list[Suggestion]:
        if slash_text(typed) is None:
            return []
        found = []
        for name in fitting(typed[1:], (each.slash[1:] for each in COMMANDS if each.slash)):
            command = slash_command(f"/{name}")
            if command is not None:
                needs = command.argument.startswith("<")
                found.append(Suggestion(command.slash, command.usage, command.words.split(":")[0], whole=not needs))
        routes = fitting(typed[1:], (word[1:] for word in self._routes))
        found += [Suggestion(f"/{each}", f"/{each} <question>", "answered by this route", whole=False)
                  for each in routes if slash_command(f"/{each}") is None]  # fmt: skip
        return found

    @property
    def _routes(self) -> list[str]:
        upcoming = self._screen.cockpit.upcoming
        return route_words(None if upcoming is None else upcoming.graph)

    def _arguments(self, word: str, rest: str) -> list[Suggestion]:
        app = self._screen.cockpit
        if word == "/session":
            return self._session_arguments(rest)
        names: Sequence[str] = ()
        if word == "/model":
            names = ("auto", *self._models)
        elif word == "/theme":
            names = app.theme_choice.names
        elif word == "/graph":
            names = self._screen.graph_names()
        elif word == "/export":
            names = ("md", "json")
        elif word == "/copy":
            names = COPIED
        return [Suggestion(f"{word} {name}", name) for name in fitting(rest, names)]

    def _session_arguments(self, rest: str) -> list[Suggestion]:
        sub, space, name = rest.partition(" ")
        if not space:
            whole = {"list", "new", "summarise"}
            return [Suggestion(f"/session {each}", each, SESSION_WORDS[each], whole=each in whole)
                    for each in fitting(sub, SESSION_WORDS)]  # fmt: skip
        if sub == "memory":
            return [Suggestion(f"/session memory {each}", each) for each in fitting(name, ("on", "off"))]
        if sub != "resume":
            return []
        names = [row.name for row in self._sessions]
        found = []
        for row in self._sessions:
            if row.messages and (name.casefold() in row.name.casefold() or row.id.startswith(name)):
                reference = row.name if names.count(row.name) == 1 else row.id[:_ID_SHOWN]
                words = f"{row.messages} messages, {local_time(row.updated_ms)}"
                found.append(Suggestion(f"/session resume {one_line(reference, 200)}", row.name, words))
        return found

    # -- doing -------------------------------------------------------------------------------------------------------

    def take(self, text: str, shown: str) -> bool:
        """Do what a text says, where it is a command or was meant as one; false for a question."""
        found = slash_text(text)
        if found is None:
            return False
        command = slash_command(found.word)
        if command is None:
            if found.word in self._routes and found.rest:
                return False
            self._refuse(unknown(found.word, self._routes) if found.word not in self._routes else
                         f"{found.word} names a route: write the question behind it.", shown)  # fmt: skip
            return True
        if not found.rest:
            self._screen.call_next(self._screen.run_action, command.action)
        elif command.slash in self._with_argument:
            work = self._do(SlashText(command.slash, found.rest), shown)
            self._screen.run_worker(work, group="slash", exit_on_error=False)
        else:
            self._refuse(f"Nothing can follow {found.word}. Write /{found.word} to send it as text.", shown)
        return True

    async def _do(self, found: SlashText, shown: str) -> None:
        try:
            await self._with_argument[found.word](found.rest)
        except EngineError as error:
            self._refuse(f"{error.message} {error.remedy}".strip(), shown)

    def _refuse(self, words: str, shown: str) -> None:
        """Say why a command does nothing; it stands in the prompt again, to be mended."""
        self._screen.notify(one_line(words, 600), severity="warning", markup=False)
        self._screen.give_back(shown)

    def _say(self, words: str) -> None:
        self._screen.notify(one_line(words, 300), markup=False)

    async def _session(self, rest: str) -> None:
        sub, _, name = rest.partition(" ")
        name = name.strip()
        conversation = self._screen.cockpit.conversation
        if sub == "list" and not name:
            self._screen.action_sessions()
        elif sub == "new":
            self._screen.begin_anew(name)
        elif sub == "resume" and name:
            if await conversation.resume(name):
                self._screen.action_prompt()
        elif sub == "rename" and name:
            row = await conversation.rename(name)
            self._say(f"This session is called {row.name}.")
        elif sub == "memory" and name in ("on", "off"):
            await conversation.use_memory(name == "on")
            self._say(f"Long-term memory is {name} for this session, from the next question on.")
        elif sub == "summarise" and not name:
            await self._summarise()
        else:
            how = "/session list, new [name], resume <name>, rename <name>, memory on|off or summarise"
            raise _usage(f"/session {sub}", how)

    async def _summarise(self) -> None:
        app = self._screen.cockpit
        session = app.conversation.session
        if session is None:
            raise EngineError(
                ErrorClass.INVALID_REQUEST, "session_empty", "Nothing was said in this session yet.",
                remedy="Ask something in it first.",
            )  # fmt: skip
        self._say("A summary is being written; the session goes on meanwhile.")
        row = await (await app.opened()).summarise_session(session.id)
        self._say(f"Memory {row.id} is the summary of this session: {row.text}")

    async def _new(self, rest: str) -> None:
        self._screen.begin_anew(rest)

    async def _memory(self, rest: str) -> None:
        self._screen.open_memories(rest)

    async def _remember(self, rest: str) -> None:
        app = self._screen.cockpit
        session = app.conversation.session
        row = await (await app.opened()).remember(rest, session="" if session is None else session.id)
        self._say(f"Memory {row.id} is kept, for the questions from now on. /memory lists what is remembered.")

    async def _replay(self, rest: str) -> None:
        await self._screen.cockpit.past.show_named(rest)

    async def _compare(self, rest: str) -> None:
        one, _, other = rest.partition(" ")
        if not other.strip():
            raise _usage(f"/compare {one}", "/compare 41 42")
        await self._screen.cockpit.comparing.show(one, other.strip())

    async def _fork(self, rest: str) -> None:
        app = self._screen.cockpit
        await app.offers.fork_of((await (await app.opened()).transaction(rest)).tx)

    async def _copy(self, rest: str) -> None:
        if rest == "answer":
            self._screen.action_copy_answer()
        elif rest == "question":
            self._screen.copy_question()
        elif rest == "code":
            self._screen.action_copy_code()
        else:
            raise _usage(f"/copy {rest}", "/copy answer, question or code")

    async def _search(self, rest: str) -> None:
        self._screen.action_pane(1)
        self._screen.board.chat.search(rest)

    async def _model(self, rest: str) -> None:
        app = self._screen.cockpit
        model = None if rest == "auto" else rest
        await (await app.opened()).use(model)
        what = "The best installed model" if model is None else model
        self._say(f"{what} answers for every role from the next question on, until you quit.")
        app.models_changed()

    async def _graph(self, rest: str) -> None:
        await self._screen.choose_graph(rest)
        self._say(f"{self._screen.cockpit.graph_choice.title} answers from the next question on.")

    async def _theme(self, rest: str) -> None:
        app = self._screen.cockpit
        if rest not in app.available_themes:
            near = next(iter(fitting(rest, app.theme_choice.names)), "")
            raise EngineError(
                ErrorClass.INVALID_REQUEST, "no_theme", f"There is no theme {rest}.",
                remedy=f"Did you mean {near}?" if near else f"There are {', '.join(app.theme_choice.names)}.",
            )  # fmt: skip
        app.theme = rest

    async def _export(self, rest: str) -> None:
        first, _, file = rest.partition(" ")
        if first not in ("md", "json"):
            first, file = ("json" if rest.endswith(".json") else "md"), rest
        await self._screen.export_to(first, file.strip())
