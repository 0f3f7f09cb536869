"""Searching for rows that have some of many words, in a time that does not grow with how common the words are.

BM25 takes its time for each row that it ranks (about 1.5 us), and one common word stands in very many rows. So the rows
are first those with one of the rarest words, as many words as stand in `MOST_RANKED` rows at most; all words take part
in ranking them. Only where that is not enough come those with every other word, then those with one of them: of these,
the newest `MOST_RANKED`. How many rows have a word is counted no further than that either.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate

from engine.store.database import Database, Fetch
from engine.store.words import WordHit, WordIndex, has_index, plain_words, quoted, unchanged, unindexed

MOST_RANKED = 4000
"""Rows that one query ranks."""


async def find_any(
    database: Database, index: WordIndex, words: Sequence[Sequence[str]], *, limit: int
) -> list[WordHit]:
    """Rows that have one of the words, the best first; before them, the newest first, what is not indexed.

    Args:
        database: the store; what it does not have indexed yet is taken up before, where this process owns it.
        index: what is searched.
        words: each in the forms that it may have, such as singular and plural.
        limit: at most so many.

    Raises:
        StoreError: the database cannot be read, or does not take up what is new.
    """
    forms = [plain for each in words if (plain := plain_words(" ".join(each)))]
    if not forms or database.schema < index.since:
        return []
    every_form = [form for each in forms for form in each]
    fresh = await unindexed(database, index, every_form, limit=limit, every=False)
    if not has_index(database):
        return fresh
    queries = [_any_of([quoted(form) for form in each]) for each in forms]
    found: dict[int, WordHit] = {}
    async with database.reading() as fetch:
        rare, common = await _by_rarity(fetch, index, queries)
        for some in filter(None, (_any_of(rare), " AND ".join(common), _any_of(common))):
            if len(found) < limit:
                for hit in await _ranked(fetch, index, f"({some}) AND ({_any_of(queries)})", limit):
                    found.setdefault(hit.id, hit)
    return [*fresh, *sorted(found.values(), key=lambda hit: hit.rank)][:limit]


def _any_of(queries: Sequence[str]) -> str:
    return f"({' OR '.join(queries)})" if queries else ""


async def _by_rarity(fetch: Fetch, index: WordIndex, queries: Sequence[str]) -> tuple[list[str], list[str]]:
    """The rarest words, as many as stand in `MOST_RANKED` rows at most, and the others; each as a query."""
    rows = await fetch(
        f"SELECT (SELECT count(*) FROM (SELECT 1 FROM {index.index} WHERE {index.index} MATCH word.value LIMIT ?)) "  # noqa: S608 - names of tables
        "FROM json_each(?) AS word ORDER BY word.key",
        (MOST_RANKED + 1, json.dumps(queries)),
    )
    counted = sorted(zip((count for (count,) in rows), queries, strict=True), key=lambda each: each[0])
    rare = sum(upto <= MOST_RANKED for upto in accumulate(count for count, _ in counted))
    ordered = [query for _, query in counted]
    return ordered[:rare], ordered[rare:]


async def _ranked(fetch: Fetch, index: WordIndex, query: str, limit: int) -> list[WordHit]:
    """The best of the newest rows that a query matches."""
    rows = await fetch(
        f"SELECT id, score FROM (SELECT rowid AS id, bm25({index.index}) AS score FROM {index.index} "  # noqa: S608 - names of tables
        f"WHERE {index.index} MATCH ? AND {unchanged(index)} ORDER BY rowid DESC LIMIT ?) ORDER BY score LIMIT ?",
        (query, MOST_RANKED, limit),
    )
    return [WordHit(number, score) for number, score in rows]
