"""Short ways to ask a backend in tests."""

from __future__ import annotations

from typing import Any

from engine.models.protocol import ChatMessage, ChatRequest, Chunk, ModelBackend


def question(text: str = "Hello?", model: str = "qwen2.5:3b", **rest: Any) -> ChatRequest:
    values: dict[str, Any] = {"max_tokens": 64, "window": 8192, **rest}
    messages = (ChatMessage("system", "Answer briefly."), ChatMessage("user", text))
    return ChatRequest(model, values.pop("messages", messages), **values)


async def ask(backend: ModelBackend, request: ChatRequest) -> list[Chunk]:
    return [chunk async for chunk in backend.chat(request)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)
