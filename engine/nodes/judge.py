"""Judge: a model that grades an answer. What it grades is shown as quoted data; what it says is read tolerantly."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.prompts import JUDGE_PROMPT, PROMPTS, load_prompt
from engine.graph.shipped import shipped_folder
from engine.graph.spec import GateConfig, PromptSpec
from engine.graph.templates import compile_template
from engine.message import Message, estimate_tokens
from engine.models.answered import ModelRound
from engine.models.protocol import ChatMessage, ChatRequest
from engine.nodes.context import NodeContext
from engine.nodes.notes import one_line
from engine.nodes.structured import correction, instruction, read_answer, values_in
from engine.nodes.templates import fill, scope_of

TOKENS = 256
"""Tokens of the longest verdict."""
SHORT_REASON = 120
"""Characters of the reason that the judge is asked for: the smallest models go on until they are stopped."""
MAX_REASON = 200
"""Characters of it that are kept."""
MAX_READ = 20_000
"""Characters of a verdict that are looked at."""
BEST = 10.0
"""The best grade, where the schema names no other."""

VERDICT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": SHORT_REASON},
        "score": {"type": "integer", "minimum": 0, "maximum": 10},
    },
    "required": ["reason", "score"],
    "additionalProperties": False,
}
"""The schema of a verdict. The reason comes first: a grade that follows from it is better than one to be justified."""

_SCORE = re.compile(
    r"\b(?:score|grade|rating)\b\W{0,6}(?P<score>\d{1,3}(?:\.\d{1,6})?)(?!\w|\.\d)(?:\s*/\s*(?P<best>\d{1,3}))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said, or why there is nothing that it said."""

    passed: bool
    reason: str
    """One printable line."""
    score: float | None = None
    """0 to 1; None where there is no grade."""
    model: str = ""
    """The model that was asked; empty where none was."""

    @property
    def available(self) -> bool:
        return self.score is not None

    def fields(self) -> dict[str, Any]:
        """What conditions know as `judge.*`; the score is always a number, so that they can always be decided."""
        score = float(self.passed) if self.score is None else self.score
        return {"score": score, "passed": self.passed, "reason": self.reason, "available": self.available}


NOT_ASKED = Verdict(False, "the checks failed")
"""The verdict on what did not pass the checks."""


class Judge:
    """Grades what reaches a gate.

    Args:
        config: of the gate.
    """

    def __init__(self, config: GateConfig) -> None:
        self._config = config

    async def grade(self, ctx: NodeContext, message: Message) -> Verdict:
        """The verdict on a message. A judge that fails, or that cannot be understood, refuses nothing.

        Asked once more, with a changed request, after a verdict that cannot be read or an overflow of its window.

        Raises:
            EngineError: the template of the prompt cannot be filled.
        """
        model = ctx.resolve(self._config.model)
        if self._is_no_judge(ctx, message, model):
            return Verdict(True, f"{model} is too small to judge what it wrote itself")
        prompt = self._prompt(ctx)
        share, remark, problem = 1.0, "", ""
        for _ in range(2):
            request = await self._request(ctx, message, model, prompt, share, remark)
            try:
                answer = await ctx.chat(request, stream=False)
            except EngineError as error:
                if error.error_class not in (ErrorClass.CONTEXT_OVERFLOW, ErrorClass.INVALID_OUTPUT):
                    return Verdict(True, f"the judge could not be asked ({error.code})", model=model)
                problem = f"the judge gave no verdict ({error.code})"
                remark = correction(error, "")
                share = 0.4 if error.error_class is ErrorClass.CONTEXT_OVERFLOW else share
            else:
                read = read_verdict(answer.text, best_of(request.schema))
                if read is not None:
                    score, reason = read
                    return Verdict(score >= self._config.pass_score, reason, score, answer.model)
                problem = "the judge's verdict could not be read"
                remark = correction(_unreadable(answer, request.schema or {}), answer.text)
        return Verdict(True, problem, model=model)

    def _is_no_judge(self, ctx: NodeContext, message: Message, model: str) -> bool:
        """Whether the verdict would be noise, where the graph has checks besides and names no model of its own."""
        own = message.data.get("model") == model
        return self._config.mode == "hybrid" and self._config.model.startswith("@") and own and not ctx.capable(model)

    def _prompt(self, ctx: NodeContext) -> PromptSpec:
        name = self._config.prompt_id or JUDGE_PROMPT
        return ctx.graph.prompts[name] if name in ctx.graph.prompts else shipped_prompt()

    async def _request(
        self, ctx: NodeContext, message: Message, model: str, prompt: PromptSpec, share: float, remark: str
    ) -> ChatRequest:
        schema = prompt.output_schema or dict(VERDICT)
        messages = [ChatMessage("system", f"{prompt.system.strip()}\n{instruction(schema)}".strip())]
        for example in prompt.examples:
            messages += [ChatMessage("user", example.user), ChatMessage("assistant", example.assistant)]
        window = ctx.window_of(model)
        tokens = min(TOKENS, window // 4)
        used = sum(estimate_tokens(each.content) + 8 for each in messages) + estimate_tokens(prompt.user)
        room = int(max(64, (window - tokens - used) * 0.8) * share)
        asked = quoted(ctx.question, room // 3)
        scope = {**scope_of(ctx, message, asked), "content": quoted(message.content, room - estimate_tokens(asked))}
        template = compile_template(prompt.user)
        text = await fill(template, scope)
        if "content" not in template.names:
            text = f"The answer:\n{scope['content']}\n\n{text}"
        messages.append(ChatMessage("user", f"{text}\n\n{remark}".strip()))
        return ChatRequest(model=model, messages=tuple(messages), max_tokens=tokens, window=window, schema=schema)


@cache
def shipped_prompt() -> PromptSpec:
    """The judge's prompt that comes with the program: for a graph that was not read from a file."""
    return load_prompt(shipped_folder() / PROMPTS / f"{JUDGE_PROMPT}.yaml")


def quoted(text: str, tokens: int) -> str:
    """A text with `> ` before each line, so that it ends where it ends; what is too long loses its middle.

    Args:
        text: the text, of anybody.
        tokens: about as many as it may have.
    """
    size = estimate_tokens(text)
    if size > tokens:
        half = max(16, int(len(text) * tokens / size / 2) - 10)
        text = f"{text[:half]}\n[...]\n{text[-half:]}"
    return "\n".join(f"> {line}" for line in text.splitlines() or [""])


def best_of(schema: Mapping[str, Any] | None) -> float:
    """The best grade that a schema allows."""
    score = ((schema or {}).get("properties") or {}).get("score")
    best = score.get("maximum") if isinstance(score, Mapping) else None
    return float(best) if isinstance(best, int | float) and not isinstance(best, bool) and best > 0 else BEST


def read_verdict(text: str, best: float) -> tuple[float, str] | None:
    """(score from 0 to 1, reason) of a verdict; None where no grade can be read without a guess.

    Args:
        text: what the judge said: JSON, alone or among other words, or `score: 7` or `7/10` after such a word.
        best: the best grade.
    """
    text = text[:MAX_READ]
    objects = (value for value in values_in(text) if isinstance(value, dict))
    found = next((each for each in objects if "score" in each), None)
    if found is not None:
        score = _score_of(found.get("score"), best)
        reason = found.get("reason")
        return None if score is None else (score, one_line(reason, MAX_REASON) if isinstance(reason, str) else "")
    said = list(_SCORE.finditer(text))
    grades = {_score_of(float(each["score"]), float(each["best"] or 0) or best) for each in said}
    if len(grades) != 1 or None in grades:
        return None
    return (score, "") if (score := grades.pop()) is not None else None


def _unreadable(answer: ModelRound, schema: Mapping[str, Any]) -> EngineError:
    """What is wrong with a verdict without a grade."""
    try:
        read_answer(answer, schema)
    except EngineError as error:
        return error
    return EngineError(ErrorClass.INVALID_OUTPUT, "no_grade", "It has no `score` that can be read as a grade.")


def _score_of(value: Any, best: float) -> float | None:
    """A grade as a share of the best; a fraction below 1 is one already. None where it is no grade."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,3}(?:\.\d{1,6})?)(?:\s*/\s*\d{1,3})?\s*", value)
        value = float(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not 0 <= value <= best:
        return None
    share = value if best > 1 and 0 < value < 1 else value / best
    return round(float(share), 4)
