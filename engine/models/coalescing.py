"""Coalescing: runs that ask the same at the same time share one generation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field, replace

from engine.config import Priority
from engine.errors import EngineError, ErrorClass, classify
from engine.events import AttemptFailed, Body, ModelDelta, ModelFinished, ModelStarted
from engine.models.admission import RANK
from engine.models.answered import ModelRound
from engine.models.call_events import CallEvents

Generate = Callable[[CallEvents], Awaitable[ModelRound]]
"""Makes the call, and says with the events given how it goes."""
_Said = ModelStarted | ModelDelta | ModelFinished | AttemptFailed


@dataclass(slots=True, eq=False)
class Member:
    """One of those who share a generation."""

    run: str
    """Calls of one run are never shared: the branches of a fan-out are meant to be several answers."""
    priority: Priority
    events: CallEvents
    _offset: int | None = None
    """What is added to the ordinals of the attempts; None before it heard of one."""
    failure: Exception | None = None
    """Why it could not take what it was told."""

    def joins(self) -> None:
        """From now on it hears of the attempts of a group."""
        self._offset = None

    def hear(self, body: _Said, messages: tuple[tuple[str, str], ...]) -> None:
        """Say for its own place in its own run what happens to the generation."""
        if isinstance(body, ModelStarted):
            if self._offset is None:  # it missed what was before
                self._offset = self.events.attempt + 1 - body.attempt
                body = replace(body, messages=messages)
            body = replace(body, stream=self.events.stream, shared=True)
        if self._offset is None:
            return
        if isinstance(body, AttemptFailed) and _own(body.error.code):
            body = replace(body, retry_in_ms=0, fallback="")  # another one takes its place
        site = self.events.site
        self.events.attempt = body.attempt + self._offset
        try:
            self.events.emit(
                replace(body, path=site.path, visit=site.visit, step=site.step, attempt=self.events.attempt)
            )
        except Exception as exc:  # noqa: BLE001 - a run whose log takes nothing must not disturb the others
            self.failure = exc


def _own(code: str) -> bool:
    """Whether a failure is that of who leads, and none of the generation: its deadline, or its cancellation."""
    return code in ("deadline", "cancelled")


@dataclass(slots=True, eq=False)
class _Group:
    """A generation, and those who share it."""

    leader: Member
    followers: list[Member] = field(default_factory=list)
    said: list[_Said] = field(default_factory=list)
    """Of the attempt that is under way."""
    messages: tuple[tuple[str, str], ...] = ()
    text: str = ""
    """As far as it was shown."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    answer: ModelRound | None = None
    failure: EngineError | None = None

    def takes(self, member: Member) -> bool:
        """Whether it may join: as urgent as the leader or less, and of another run than all others."""
        runs = {each.run for each in (self.leader, *self.followers)}
        return member.run not in runs and RANK[self.leader.priority] <= RANK[member.priority]

    def say(self, body: Body, emit: Callable[[Body], None]) -> None:
        """Say it for the leader, and for all who follow."""
        emit(body)
        match body:
            case ModelStarted():
                self.messages = body.messages or self.messages
                self.text = ""
                self.said = [body]
            case ModelDelta():
                if not body.thinking:
                    self.text = self.text[: body.offset] + body.text
                self.said.append(body)
            case ModelFinished() | AttemptFailed():
                self.said = []
            case _:
                return
        for member in list(self.followers):
            member.hear(body, self.messages)


class Coalescing:
    """The generations that are under way and may be shared."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._groups: dict[Hashable, list[_Group]] = {}

    async def share(self, key: Hashable, member: Member, generate: Generate, deadline: float | None) -> ModelRound:
        """The answer to a request: that of a generation under way that it may join, or else one of its own.

        One that goes away leaves the others as they are; where it was the one that made the call, another of them makes
        it anew.

        Args:
            key: what has to be equal for two requests to be the same.
            member: who asks.
            generate: makes the call.
            deadline: moment on the clock after which it waits no longer.

        Raises:
            EngineError: the call failed for good.
        """
        while True:
            group = next((each for each in self._groups.get(key, ()) if each.takes(member)), None)
            if group is None:
                return await self._lead(key, member, generate)
            answer = await self._follow(group, member, deadline)
            if answer is not None:
                return answer

    async def _lead(self, key: Hashable, member: Member, generate: Generate) -> ModelRound:
        group = _Group(member)
        groups = self._groups.setdefault(key, [])
        groups.append(group)
        emit = member.events.emit
        try:
            group.answer = await generate(replace(member.events, emit=lambda body: group.say(body, emit)))
        except EngineError as error:
            group.failure = error
            raise
        else:
            return group.answer
        finally:
            groups.remove(group)
            if not groups:
                del self._groups[key]
            group.over.set()

    async def _follow(self, group: _Group, member: Member, deadline: float | None) -> ModelRound | None:
        """The group's answer; None where its leader has gone.

        Raises:
            EngineError: the generation failed, or the deadline has passed.
        """
        group.followers.append(member)
        member.joins()
        for body in group.said:
            member.hear(body, group.messages)
        left = None if deadline is None or deadline == float("inf") else max(deadline - self._now(), 0.0)
        try:
            async with asyncio.timeout(left):
                await group.over.wait()
        except TimeoutError:
            error = EngineError(
                ErrorClass.TIMEOUT,
                "deadline",
                "The time limit was reached while the model was answering several runs at once.",
                remedy="Raise the time limit, or use a smaller model.",
            )
            self._leaves(group, member, error)
            raise error from None
        except asyncio.CancelledError as cancelled:
            self._leaves(group, member, classify(cancelled))
            raise
        finally:
            group.followers.remove(member)
        if member.failure is not None:
            raise member.failure
        if group.answer is not None:
            return replace(group.answer, attempts=member.events.attempt)
        failure = group.failure
        if failure is None or _own(failure.code):
            return None
        raise EngineError(
            failure.error_class, failure.code, failure.message, remedy=failure.remedy, retry_after=failure.retry_after
        )

    def _leaves(self, group: _Group, member: Member, error: EngineError) -> None:
        """What a member that goes away says of the attempt that is under way."""
        if group.said and isinstance(group.said[0], ModelStarted):
            model = group.said[0].model
            member.events.failed(model, error, wait_s=None, fallback="", partial=group.text)
