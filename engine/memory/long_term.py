"""Recall: which long-term memories fit a question, by their words, by embeddings where some are made, and by age."""

from __future__ import annotations

import asyncio
import hashlib
import math
import operator
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.errors import EngineError
from engine.events import Recalled
from engine.message import estimate_tokens
from engine.store import memories as stored
from engine.store.database import Database
from engine.store.rows import MemoryRow
from engine.store.words import WordHit

Vector = tuple[float, ...]
Embed = Callable[[str], Awaitable[Vector]]
"""Makes the embedding of a text; raises `EngineError` where it cannot."""

CANDIDATES = 200
"""Hits of the word index that are looked at."""
QUESTION_WORDS = 24
"""Words of a question that are searched for."""
LEAST_RELEVANCE = 0.25
"""Relevance below which a memory has nothing to do with the question; see `_by_words`."""
LEAST_SCORE = 0.05
"""Score below which a memory has faded."""
LEAST_ROOM = 24
"""Tokens below which no part of a memory is worth telling."""
EMBEDDING_S = 1.0
"""Seconds that making embeddings may take in one recall; a run waits for it."""
NEW_VECTORS = 32
"""Embeddings of memories that one recall makes; those that are still missing are ranked by their words."""
VECTORS_KEPT = 4000
"""Embeddings of memories that are kept, by text."""
_DAY_MS = 86_400_000
_WORD = re.compile(r"[^\W_]+")
_STOP = frozenset({
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could",
    "did", "do", "does", "for", "from", "give", "had", "has", "have", "he", "her", "him", "his", "how", "i", "if",
    "in", "into", "is", "it", "its", "just", "let", "me", "my", "no", "not", "of", "on", "one", "or", "our", "out",
    "please", "she", "should", "so", "some", "tell", "than", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "those", "to", "up", "us", "was", "we", "were", "what", "when", "where", "which",
    "who", "whom", "why", "will", "with", "would", "you", "your", "s", "t", "m", "re", "ve", "ll", "d",
})  # fmt: skip
"""Words that say nothing of what a text is about; of English only."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a question brings back."""

    items: tuple[Recalled, ...] = ()
    """The best first."""
    note: str = ""
    """Why no embeddings took part, where they might have."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    row: MemoryRow
    relevance: float
    """From 0 to 1, without its age."""
    how: str = "words"


class LongTermMemory:
    """Recalls memories; keeps the embeddings of those that it ranked. Belongs to one event loop.

    Args:
        half_life_days: days without use after which a memory counts half.
    """

    def __init__(self, half_life_days: float) -> None:
        self._half_life_ms = half_life_days * _DAY_MS
        self._vectors: OrderedDict[bytes, Vector] = OrderedDict()
        """SHA-256 of a memory's text, and of the embedder's name -> its embedding."""

    async def recall(
        self,
        database: Database,
        question: str,
        *,
        limit: int,
        max_tokens: int,
        now_ms: int,
        embed: Embed | None = None,
        embedder: str = "",
    ) -> Found:
        """The memories that fit a question.

        The best of the word index (BM25) are ranked by relevance (0 to 1) times decay:

        - by words, `(1 + b / best b) / 2 * c`: b is a hit's BM25, c the share of the words that it has in common with
          the question, of the shorter of the two without stop words. Below `LEAST_RELEVANCE` it is not recalled.
        - with embeddings, the mean of that and the cosine of the question's and the memory's, scaled from 0 for the
          least to 1 for the greatest of the candidates (the cosines of a small model all lie close together).
        - decay is `2 ** (-age / half life)`; the age counts from the last use or change, and is 0 for what is pinned.
          Below `LEAST_SCORE` it is not recalled.

        Args:
            database: the store.
            question: the person's text.
            limit: at most so many.
            max_tokens: estimated tokens of all of them; the one that does not fit is cut, if enough of it is left.
            now_ms: Unix time in milliseconds.
            embed: makes embeddings; None: by words alone.
            embedder: which model `embed` asks.

        Raises:
            StoreError: the database cannot be read, or does not take up what is new.
        """
        asked = words_of(question)[:QUESTION_WORDS]
        if not asked or limit < 1:
            return Found()
        hits = await stored.search_any(database, [_forms(word) for word in asked], limit=CANDIDATES)
        found = await asyncio.to_thread(_by_words, set(asked), hits)
        note = "no installed model makes embeddings"
        if found and embed is not None:
            found, note = await self._by_embeddings(question, found, embed, embedder)
        aged = [(each.relevance * self.decay(each.row, now_ms), each) for each in found]
        ranked = sorted((each for each in aged if each[0] >= LEAST_SCORE), key=lambda each: (-each[0], -each[1].row.id))
        return Found(_fitting(ranked[:limit], max_tokens), note)

    def decay(self, row: MemoryRow, now_ms: int) -> float:
        """What its age leaves of a memory's score, from 0 to 1."""
        age = max(now_ms - max(row.used_ms, row.edited_ms), 0)
        return 1.0 if row.pinned else math.exp2(-age / self._half_life_ms)

    async def _by_embeddings(
        self, question: str, found: Sequence[_Candidate], embed: Embed, embedder: str
    ) -> tuple[list[_Candidate], str]:
        """The candidates, ranked by embeddings as far as they can be made in time; and what was in the way."""
        vectors: dict[int, Vector] = {}
        note = ""
        try:
            async with asyncio.timeout(EMBEDDING_S):
                asked = await embed(question)
                missing = []
                for each in found:
                    kept = self._kept(each.row.text, embedder)
                    if kept is None:
                        missing.append(each.row)
                    else:
                        vectors[each.row.id] = kept
                for row in missing[:NEW_VECTORS]:
                    vectors[row.id] = self._keep(row.text, embedder, await embed(row.text))
        except TimeoutError:
            note = f"embeddings were not made within {EMBEDDING_S:g} s"
        except EngineError as error:
            note = error.message
        if len(vectors) < 2:  # one alone cannot be compared with any other
            return list(found), note
        return await asyncio.to_thread(_blended, found, asked, vectors), note

    def _kept(self, text: str, embedder: str) -> Vector | None:
        key = _key(text, embedder)
        vector = self._vectors.get(key)
        if vector is not None:
            self._vectors.move_to_end(key)
        return vector

    def _keep(self, text: str, embedder: str, vector: Vector) -> Vector:
        self._vectors[_key(text, embedder)] = vector
        while len(self._vectors) > VECTORS_KEPT:
            self._vectors.popitem(last=False)
        return vector


def words_of(text: str) -> list[str]:
    """The words of a text without stop words, each once; case, accents and plurals make no difference."""
    found = _WORD.findall(text.lower() if text.isascii() else _without_accents(text.lower()))
    return list(dict.fromkeys(_singular(word) for word in found if word not in _STOP))


def _without_accents(text: str) -> str:
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", bare)  # composed again: Korean letters are no accents


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _forms(word: str) -> tuple[str, str]:
    """A word as a text may have it: the index knows no grammar."""
    return word, f"{word}s"


def _by_words(asked: set[str], hits: Sequence[tuple[MemoryRow, WordHit]]) -> list[_Candidate]:
    """The hits that have enough to do with the question."""
    best = min((hit.rank for _, hit in hits), default=0.0)
    found = []
    for row, hit in hits:
        known = set(words_of(row.text))
        shorter = min(len(asked), len(known))
        common = len(asked & known) / shorter if shorter else 0.0
        relevance = (1 + (hit.rank / best if best else 1.0)) / 2 * common
        if relevance >= LEAST_RELEVANCE:
            found.append(_Candidate(row, relevance))
    return found


def _blended(found: Sequence[_Candidate], asked: Vector, vectors: Mapping[int, Vector]) -> list[_Candidate]:
    """The candidates with the mean of both relevances, where there is an embedding."""
    cosines = {number: cosine(asked, vector) for number, vector in vectors.items()}
    low, high = min(cosines.values()), max(cosines.values())
    blended = []
    for each in found:
        value = cosines.get(each.row.id)
        if value is None:
            blended.append(each)
            continue
        scaled = (value - low) / (high - low) if high > low else each.relevance
        blended.append(replace(each, relevance=(each.relevance + scaled) / 2, how="embedding"))
    return blended


def cosine(first: Vector, second: Vector) -> float:
    """Cosine of two vectors; 0 where one has no direction, or they are not of one length."""
    if len(first) != len(second):
        return 0.0
    lengths = math.hypot(*first) * math.hypot(*second)
    return sum(map(operator.mul, first, second)) / lengths if lengths else 0.0


def _fitting(ranked: Sequence[tuple[float, _Candidate]], max_tokens: int) -> tuple[Recalled, ...]:
    items = []
    for score, each in ranked:
        text = _cut(each.row.text, max_tokens)
        if text:
            max_tokens -= estimate_tokens(text)
            row = each.row
            items.append(Recalled(row.id, row.kind, text, row.tx, row.number or 0, round(score, 4), each.how))
    return tuple(items)


def _cut(text: str, room: int) -> str:
    """As much of a text as so many tokens hold, with a mark where it is cut; nothing where that is too little."""
    if estimate_tokens(text) <= room:
        return text
    if room < LEAST_ROOM:
        return ""
    return text.encode()[: room * 4 - len("…".encode())].decode("utf-8", "ignore").rstrip() + "…"


def _key(text: str, embedder: str) -> bytes:
    return hashlib.sha256(f"{embedder}\0{text}".encode()).digest()
