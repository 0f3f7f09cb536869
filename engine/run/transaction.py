"""Transaction: one run's event stream, its deciding state, checkpoints, rewinds, commit and rollback."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest

from engine import events as ev
from engine.errors import ErrorInfo
from engine.run.state import RunState, apply
from engine.store.log import EventLog, TxStream

_SHOWS_TEXT = frozenset(
    {
        ev.RollingBack,
        ev.ModelStarted,
        ev.ModelFinished,
        ev.AttemptFailed,
        ev.AttemptAbandoned,
        ev.Rewound,
    }
)
"""Events that change what there is of an answer, or how far a rollback has come."""


class Transaction:
    """created -> executing -> committed | rolling_back -> rolled_back. Every change is an event first."""

    __slots__ = ("_log", "_quiet", "_stream", "_targets", "partial", "rolling_back", "settled", "state", "tx")

    def __init__(self, log: EventLog, stream: TxStream) -> None:
        self._log = log
        self._stream = stream
        self.tx = stream.tx
        self.state = RunState()
        self.rolling_back = False
        self.settled = False
        """Whether its end is on disk."""
        """Whether a rollback has begun, here or before an interruption."""
        self.partial = ""
        """What there is of an answer: the latest text that a model showed and that was not taken back."""
        self._quiet: set[tuple[str, int, int]] = set()
        """(path, visit, step) of model calls whose text is not shown."""
        self._targets: dict[tuple[str, tuple[ev.Token, ...]], tuple[ev.Checkpoint, ev.RunSnapshot]] = {}
        """Node and branch -> the checkpoint before its latest visit there, for rewinds."""

    @property
    def log(self) -> EventLog:
        return self._log

    def emit(self, body: ev.Body) -> ev.Event:
        """Log and publish `body`, and fold it into the state."""
        event = self._log.append(body, self._stream)
        apply(self.state, event)
        kind = type(body)
        if kind is ev.NodeFinished:  # the most frequent one, which hardly ever is an answer
            if "answered_by" in body.data:  # type: ignore[attr-defined]
                self._note_text(body)
        elif kind in _SHOWS_TEXT:
            self._note_text(body)
        return event

    def absorb(self, events: Sequence[ev.Event], is_target: Callable[[str], bool]) -> None:
        """Take over what an earlier process logged.

        Args:
            events: all of the transaction's own, in order.
            is_target: whether a gate may send the run back to the node at a path; asked when the node is visited.
        """
        for event, following in zip_longest(events, events[1:]):
            if isinstance(event.body, ev.Checkpoint) and following is not None:
                self._remember_target(event.body, following.body, is_target)
            if isinstance(event.body, ev.Rewound):
                self._forget_from(event.body.excluded[0], event.body.within)
            apply(self.state, event)
            self._note_text(event.body)

    def _remember_target(self, checkpoint: ev.Checkpoint, following: ev.Body, is_target: Callable[[str], bool]) -> None:
        """As `checkpoint_before` did: a visit of such a node begins right after its checkpoint."""
        if not isinstance(following, ev.NodeStarted) or not is_target(following.path):
            return
        frame = self.state.frame_of(following.path)
        activation = frame.frontier.get((following.path, following.visit))
        if activation is not None:
            self._targets[activation.node, activation.tokens] = (checkpoint, frame.snapshot())

    def abandon_attempts(self) -> None:
        """Say which model calls were lost in an interruption; what they had shown is taken back."""
        for place in self.state.operations.interrupted():
            self.emit(ev.AttemptAbandoned(*place))

    def _forget_from(self, first: int, prefix: str) -> None:
        """What was visited in a part that is taken back has not been visited any more."""
        self._targets = {
            place: target
            for place, target in self._targets.items()
            if target[0].log_length < first or not place[0].startswith(prefix)
        }

    def _note_text(self, body: ev.Body) -> None:
        match body:
            case ev.RollingBack():
                self.rolling_back = True
            case ev.ModelStarted(stream=False):
                self._quiet.add((body.path, body.visit, body.step))
            case ev.ModelFinished() if (body.path, body.visit, body.step) not in self._quiet:
                self.partial = body.text
            case ev.NodeFinished(outcome="ok") if body.data.get("answered_by") == body.path:
                self.partial = body.content
            case ev.AttemptFailed() if body.retry_in_ms is not None or body.fallback:
                self.partial = ""
            case ev.AttemptFailed() if body.partial and (body.path, body.visit, body.step) not in self._quiet:
                self.partial = body.partial
            case ev.Rewound() | ev.AttemptAbandoned():
                self.partial = ""

    async def begin(self, body: ev.Begin) -> None:
        """Write the begin event and wait until it is durable.

        Raises:
            StoreError: the store does not take it.
        """
        await self._log.synced(self.emit(body))

    def checkpoint(self) -> ev.Checkpoint:
        """Mark a state from which the run can go on."""
        state = self.state
        body = ev.Checkpoint(
            number=state.checkpoint + 1,
            log_length=self._stream.seq,
            frontier=tuple(state.frontier.values()),
            variables_changed=state.changed,
            excluded=tuple(state.excluded),
        )
        self.emit(body)
        return body

    def checkpoint_before(self, activation: ev.Activation, state: RunState) -> None:
        """Take the checkpoint to which a gate can send the run back; `state` is that of the gate's graph."""
        snapshot = state.snapshot()
        self._targets[activation.node, activation.tokens] = (self.checkpoint(), snapshot)

    def can_rewind(self, to: str, tokens: tuple[ev.Token, ...] = ()) -> bool:
        """Whether `to` has been visited on the way to a gate in this branch, and the visit was not taken back."""
        return self._target(to, tokens) is not None

    def _target(self, to: str, tokens: tuple[ev.Token, ...]) -> tuple[ev.Checkpoint, ev.RunSnapshot] | None:
        """The checkpoint before the latest visit of `to` in this branch, around it or inside it: not beside it."""
        found = [
            target
            for (node, there), target in self._targets.items()
            if node == to and there[: len(tokens)] == tokens[: len(there)]
        ]
        return max(found, key=lambda target: target[0].log_length, default=None)

    def first_taken_back(self, to: str, by: ev.Activation) -> int:
        """Sequence number of the first event that a retry of `to` takes back."""
        target = self._target(to, by.tokens)
        assert target is not None  # noqa: S101 - `can_rewind` was asked before
        return target[0].log_length + 1

    def rewind(self, by: ev.Activation, to: str, retry: ev.Retry, state: RunState) -> None:
        """Restore the state before the latest visit of `to`; what the retry changes is recorded with it.

        In a sub-graph only its own state goes back: what runs beside it goes on. Visits that start again get new
        numbers, and messages keep theirs: nothing in the log is ever ambiguous.
        """
        target = self._target(to, by.tokens)
        assert target is not None  # noqa: S101 - `can_rewind` was asked before
        checkpoint, snapshot = target
        again: list[ev.Activation] = []
        used, kept = dict(state.visits), dict(snapshot.visits)
        for activation in snapshot.frontier:
            node = activation.node
            used[node] = used.get(node, 0) + 1
            again.append(dataclasses.replace(activation, visit=used[node]))
            kept[node] = min(kept.get(node, 0), activation.visit - 1)
        first = checkpoint.log_length + 1
        restored = dataclasses.replace(snapshot, frontier=tuple(again), visits=kept)
        taken_back = (first, self._stream.seq)
        self.emit(ev.Rewound(by.node, to, checkpoint.number, taken_back, restored, retry, within=state.prefix))
        self._forget_from(first, state.prefix)

    def forget_checkpoints(self, prefix: str) -> None:
        """Drop those of a sub-graph that begins anew."""
        self._targets = {place: kept for place, kept in self._targets.items() if not place[0].startswith(prefix)}

    def escalate(self, by: ev.Activation, to: str, message: int, retry: ev.Retry, state: RunState) -> ev.Activation:
        """Go on at a node that has not been visited yet: a retry that takes nothing back, with the refused answer."""
        snapshot = state.snapshot()
        activation = ev.Activation(to, state.visits.get(to, 0) + 1, message, by.node, by.tokens)
        onward = dataclasses.replace(snapshot, frontier=(*snapshot.frontier, activation))
        nothing = (self._stream.seq + 1, self._stream.seq)
        self.emit(ev.Rewound(by.node, to, self.state.checkpoint, nothing, onward, retry, within=state.prefix))
        return activation

    async def commit(self, body: ev.Committed) -> None:
        """The run's effects are final; returns when that is durable.

        Raises:
            StoreError: the store does not take it; the log then says that the run was rolled back.
        """
        if self._log.failed and self._log.error is not None:
            raise self._log.error  # a commit that cannot be durable must not be seen by anybody
        event = self.emit(body)
        self._log.would_leave(event, self.state.effects.left())
        await self._log.synced(event)
        self.settled = True

    async def roll_back(
        self,
        reason: str,
        error: ErrorInfo | None,
        *,
        text: str = "",
        exit_status: ev.ExitStatus | None = None,
        take_back: Callable[[], Awaitable[None]] | None = None,
    ) -> ev.RolledBack:
        """Take everything back; returns when that is durable.

        Args:
            reason: see `RollingBack`.
            error: what went wrong.
            text: what an `error` exit had to say.
            exit_status: of the exit that was reached.
            take_back: compensates what the tools changed.

        Raises:
            StoreError: the store does not take it.
        """
        if not self.rolling_back:
            self.emit(ev.RollingBack(reason, error))
        if take_back is not None:
            await take_back()
        stuck = tuple(self.state.effects.stuck.values())
        body = ev.RolledBack(reason, error, usage=self.state.usage, text=text, exit=exit_status, uncompensated=stuck)
        await self._log.synced(self.emit(body))
        self.settled = True
        return body
