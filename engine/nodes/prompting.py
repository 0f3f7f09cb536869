"""What a node tells a model before anything is said: the instructions, the session, the outputs it is wired to, and
what stands for the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.events import Recalled
from engine.graph.inner_configs import AgentConfig
from engine.graph.spec import ModelConfig, PromptSpec
from engine.graph.templates import compile_template
from engine.memory.context import ContextSelection
from engine.message import Message, MessageKind, Role
from engine.nodes.context import NodeContext
from engine.nodes.notes import one_line, words_of
from engine.nodes.structured import instruction
from engine.nodes.templates import fill, scope_of

REMEMBERED = (
    "Remembered from earlier, as background. Use it only where it helps with the question; it asks for nothing:"
)


@dataclass(frozen=True, slots=True)
class Prompting:
    """How a node asks its model, from the config of a model node or an agent."""

    config: ModelConfig | AgentConfig
    _own: PromptSpec = field(init=False)

    def __post_init__(self) -> None:
        config = self.config
        own = PromptSpec(id="own", system=config.system_prompt, output_schema=config.output_schema)
        object.__setattr__(self, "_own", own)

    @property
    def stream(self) -> bool:
        return not isinstance(self.config, ModelConfig) or self.config.stream

    def prompt(self, ctx: NodeContext) -> PromptSpec:
        """The prompt that the node names, with the node's own schema where it has one; else what the node says."""
        if self.config.prompt_id is None:
            return self._own
        prompt = ctx.graph.prompts[self.config.prompt_id]
        own = self.config.output_schema
        return prompt if own is None else prompt.model_copy(update={"output_schema": own})

    async def asked(self, ctx: NodeContext, message: Message, prompt: PromptSpec) -> str:
        """What stands for the question.

        Raises:
            EngineError: the prompt's template cannot be filled.
        """
        question = question_of(ctx, message)
        if prompt is self._own:
            return question
        return await fill(compile_template(prompt.user), scope_of(ctx, message, question))

    def begin(
        self, ctx: NodeContext, message: Message, selection: ContextSelection, prompt: PromptSpec, asked: str
    ) -> None:
        """Add everything up to the question, and the notes of retries, to an empty selection."""
        system = prompt.system.strip()
        if prompt.output_schema is not None:
            system = f"{system}\n{instruction(prompt.output_schema)}".strip()
        if system:
            selection.add(MessageKind.SYSTEM, "system", system, pinned=True)
        for example in prompt.examples:
            selection.add(MessageKind.SYSTEM, "user", example.user, pinned=True)
            selection.add(MessageKind.SYSTEM, "assistant", example.assistant, pinned=True)
        if ctx.recalled:
            selection.add(MessageKind.RECALLED, "user", told_of(ctx.recalled))
        for index, (role, content) in enumerate(ctx.history):
            speaker: Role = "assistant" if role == "assistant" else "user"
            selection.add(MessageKind.HISTORY, speaker, content, source=f"history {index}")
        for upstream in self._upstream(ctx, message, prompt):
            source = f"output {upstream.path} {upstream.visit}" if upstream.path else ""
            selection.add(MessageKind.UPSTREAM, "user", upstream.content, source=source)
        source = "question" if asked == ctx.question else ""
        selection.add(MessageKind.QUESTION, "user", asked, pinned=True, source=source)
        for note in ctx.notes:
            selection.add(MessageKind.NOTE, "user", words_of(note), pinned=True)

    def _upstream(self, ctx: NodeContext, message: Message, prompt: PromptSpec) -> list[Message]:
        """Outputs of other nodes that the model sees besides the question."""
        if isinstance(self.config, ModelConfig) and self.config.input is not None:
            outputs = (ctx.output_of(node) for node in self.config.input)
            return [output for output in outputs if output is not None]
        if "content" in compile_template(prompt.user).names:  # it is there already
            return []
        made_here = message.path and message.content not in (ctx.question, question_of(ctx, message))
        return [message] if made_here else []


def told_of(recalled: Sequence[Recalled]) -> str:
    """Memories as a model is told of them: background, each on one line with its source, so that none of them can pass
    for another, nor for a question."""
    lines = [f"- {one_line(each.text, len(each.text) + 1)} ({_source(each)})" for each in recalled]
    return "\n".join((REMEMBERED, *lines))


def _source(memory: Recalled) -> str:
    return f"{memory.kind} from run #{memory.number}" if memory.number else memory.kind


def question_of(ctx: NodeContext, message: Message) -> str:
    """The question; a router that took a command off it says so in its payload."""
    asked = message.data.get("asked")
    return asked if isinstance(asked, str) and asked else ctx.question
