"""CallEvents: what one model call says about its attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from engine.errors import EngineError
from engine.events import AttemptFailed, Body, ModelDelta, ModelFinished, ModelStarted
from engine.message import estimate_tokens
from engine.models.answer import StreamedAnswer
from engine.models.answered import CallSite, ModelRound
from engine.models.call_record import messages_as_read, request_hash, tools_asked, tools_offered
from engine.models.protocol import ChatMessage, ChatRequest, Done
from engine.models.tokens import prompt_tokens


@dataclass(slots=True)
class CallEvents:
    """Emits the events of one logical call, in order."""

    site: CallSite
    emit: Callable[[Body], None]
    stream: bool
    attempt: int = 0
    """Ordinal of the attempt that is under way."""
    _shown: tuple[ChatMessage, ...] | None = field(default=None, init=False)

    def started(self, request: ChatRequest, endpoint: str, queued_s: float) -> None:
        """An attempt begins."""
        changed = request.messages != self._shown
        self._shown = request.messages
        self.emit(
            ModelStarted(
                path=self.site.path,
                visit=self.site.visit,
                step=self.site.step,
                attempt=self.attempt,
                model=request.model,
                endpoint=endpoint,
                request_hash=request_hash(request),
                messages=messages_as_read(request) if changed else (),
                window=request.window,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                stream=self.stream,
                seed=request.seed,
                tools=tools_offered(request),
                queued_ms=round(queued_s * 1000),
            )
        )

    def deltas(self, answer: StreamedAnswer, now: float) -> None:
        """What is to be shown now of a growing answer."""
        site = self.site
        for offset, text, thinking in answer.deltas(now):
            self.emit(
                ModelDelta(
                    site.path,
                    site.visit,
                    site.step,
                    self.attempt,
                    offset,
                    text,
                    thinking=thinking,
                    tokens=answer.chunks,
                )
            )

    def finished(
        self, request: ChatRequest, endpoint: str, answer: StreamedAnswer, done: Done, now: float
    ) -> ModelRound:
        """An attempt has answered; the answer as a value."""
        site = self.site
        text, thinking = answer.text.text(), answer.thinking.text()
        prompt, completion = done.prompt_tokens, done.completion_tokens
        result = ModelRound(
            text=text,
            thinking=thinking,
            tool_calls=tuple(answer.tool_calls),
            finish=done.finish,
            prompt_tokens=prompt_tokens(request) if prompt is None else prompt,
            completion_tokens=estimate_tokens(thinking) + estimate_tokens(text) if completion is None else completion,
            exact=prompt is not None and completion is not None,
            model=request.model,
            endpoint=endpoint,
            duration_ms=answer.ms(now),
            attempts=self.attempt,
        )
        self.emit(
            ModelFinished(
                path=site.path,
                visit=site.visit,
                step=site.step,
                attempt=self.attempt,
                model=request.model,
                text=text,
                finish=done.finish,
                prompt_tokens=result.prompt_tokens,
                completion_tokens=result.completion_tokens,
                exact=result.exact,
                duration_ms=result.duration_ms,
                first_token_ms=answer.ms(now if answer.first_at is None else answer.first_at),
                thinking=thinking,
                tool_calls=tools_asked(answer.tool_calls),
                load_ms=_whole(done.load_ms),
                prompt_ms=_whole(done.prompt_ms),
                eval_ms=_whole(done.eval_ms),
            )
        )
        return result

    def cached(self, request: ChatRequest, kept: ModelRound) -> ModelRound:
        """The answer to the same request, given before, is the answer; as a value of this call."""
        self.attempt += 1
        self.started(request, kept.endpoint, 0.0)
        self.emit(
            ModelFinished(
                path=self.site.path,
                visit=self.site.visit,
                step=self.site.step,
                attempt=self.attempt,
                model=kept.model,
                text=kept.text,
                finish=kept.finish,
                prompt_tokens=kept.prompt_tokens,
                completion_tokens=kept.completion_tokens,
                exact=kept.exact,
                thinking=kept.thinking,
                cached=True,
            )
        )
        return replace(kept, attempts=self.attempt, duration_ms=0)

    def failed(
        self,
        model: str,
        error: EngineError,
        *,
        wait_s: float | None,
        fallback: str,
        partial: str,
        escalates: bool = False,
    ) -> None:
        """An attempt has failed; `fallback` is the model that is asked next, `wait_s` when the same one is."""
        site = self.site
        self.emit(
            AttemptFailed(
                path=site.path,
                visit=site.visit,
                step=site.step,
                attempt=self.attempt,
                model=model,
                error=error.info(node=site.path, attempt=self.attempt),
                retry_in_ms=None if wait_s is None else round(wait_s * 1000),
                fallback=fallback,
                escalates=escalates,
                partial=partial,
            )
        )


def _whole(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)
