"""The database schema and its migrations. Events are the truth; every other table is projected from them by triggers.

Events come in through the view `inbox`, whose triggers write the event and its projections inside one statement, so
that a crash never leaves them apart. What the projections need of an event's JSON is taken out by the inserting
statement: with `trusted_schema = OFF` a trigger may not call JSON functions.
"""

from __future__ import annotations

APPLICATION_ID = 0x74_6C_6C_6D
"""`tllm`: tells our files from other SQLite databases."""

_V1 = """
CREATE TABLE events (
    gseq    INTEGER PRIMARY KEY,
    tx      TEXT,
    seq     INTEGER NOT NULL,
    t_ms    INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    v       INTEGER NOT NULL,
    body    TEXT NOT NULL,
    crc     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_of_tx ON events (tx, seq) WHERE tx IS NOT NULL;
CREATE INDEX events_of_engine ON events (gseq) WHERE tx IS NULL;

CREATE TABLE transactions (
    number      INTEGER PRIMARY KEY,
    tx          TEXT NOT NULL UNIQUE,
    status      TEXT NOT NULL,
    session     TEXT,
    graph_id    TEXT NOT NULL,
    graph_hash  TEXT NOT NULL,
    question    TEXT NOT NULL,
    backend     TEXT NOT NULL,
    answer      TEXT NOT NULL DEFAULT '',
    exit        TEXT,
    reason      TEXT NOT NULL DEFAULT '',
    error       TEXT NOT NULL DEFAULT '',
    usage       TEXT NOT NULL DEFAULT '{}',
    started_ms  INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL DEFAULT 0,
    events      INTEGER NOT NULL DEFAULT 1,
    first_gseq  INTEGER NOT NULL,
    last_gseq   INTEGER
) STRICT;
CREATE INDEX transactions_of_session ON transactions (session);
CREATE INDEX transactions_by_status ON transactions (status);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE messages (
    id         INTEGER PRIMARY KEY,
    session    TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    tx         TEXT NOT NULL,
    role       TEXT NOT NULL,
    content    TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_of_session ON messages (session, id);

CREATE TABLE breakers (
    key  TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE VIEW inbox AS
    SELECT gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc,
           NULL AS number, NULL AS session, NULL AS graph_id, NULL AS graph_hash, NULL AS question, NULL AS backend,
           NULL AS exit, NULL AS answer, NULL AS usage, NULL AS reason, NULL AS error,
           NULL AS breaker_key, NULL AS breaker
    FROM events;

CREATE TRIGGER inbox_event INSTEAD OF INSERT ON inbox BEGIN
    INSERT INTO events (gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc)
    VALUES (new.gseq, new.tx, new.seq, new.t_ms, new.wall_ms, new.kind, new.v, new.body, new.crc);
END;

CREATE TRIGGER inbox_begin INSTEAD OF INSERT ON inbox WHEN new.kind = 'begin' BEGIN
    INSERT INTO transactions
        (number, tx, status, session, graph_id, graph_hash, question, backend, started_ms, first_gseq)
    VALUES (
        new.number, new.tx, 'executing', new.session, new.graph_id, new.graph_hash, new.question, new.backend,
        new.wall_ms, new.gseq
    );
END;

CREATE TRIGGER inbox_terminal INSTEAD OF INSERT ON inbox WHEN new.kind IN ('committed', 'rolled_back') BEGIN
    UPDATE transactions SET
        status = new.kind, exit = new.exit, answer = new.answer, usage = new.usage, reason = new.reason,
        error = new.error, duration_ms = new.t_ms, events = new.seq, last_gseq = new.gseq
    WHERE tx = new.tx;
END;

CREATE TRIGGER inbox_session INSTEAD OF INSERT ON inbox WHEN new.kind = 'committed' BEGIN
    INSERT INTO messages (session, tx, role, content, created_ms)
        SELECT s.id, t.tx, 'user', t.question, t.started_ms
        FROM transactions t JOIN sessions s ON s.id = t.session WHERE t.tx = new.tx;
    INSERT INTO messages (session, tx, role, content, created_ms)
        SELECT s.id, t.tx, 'assistant', new.answer, new.wall_ms
        FROM transactions t JOIN sessions s ON s.id = t.session WHERE t.tx = new.tx;
    UPDATE sessions SET updated_ms = new.wall_ms WHERE id = (SELECT session FROM transactions WHERE tx = new.tx);
END;

CREATE TRIGGER inbox_breaker INSTEAD OF INSERT ON inbox WHEN new.kind = 'breaker_changed' BEGIN
    INSERT INTO breakers (key, body) VALUES (new.breaker_key, new.breaker)
        ON CONFLICT (key) DO UPDATE SET body = excluded.body;
END;
"""

_V2 = """
CREATE TABLE graph_revisions (
    hash          TEXT PRIMARY KEY,
    graph_id      TEXT NOT NULL,
    version       TEXT NOT NULL,
    name          TEXT NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_used_ms  INTEGER NOT NULL,
    runs          INTEGER NOT NULL,
    spec          TEXT NOT NULL
) STRICT;

INSERT INTO graph_revisions (hash, graph_id, version, name, first_seen_ms, last_used_ms, runs, spec)
SELECT t.graph_hash, t.graph_id, coalesce(json_extract(e.body, '$.graph.version'), ''),
       coalesce(json_extract(e.body, '$.graph.name'), ''), min(t.started_ms), max(t.started_ms), count(*),
       json_extract(e.body, '$.graph')
FROM transactions t JOIN events e ON e.gseq = t.first_gseq
WHERE e.kind = 'begin' AND CASE WHEN json_valid(e.body) THEN json_type(e.body, '$.graph') = 'object' END
GROUP BY t.graph_hash;

ALTER TABLE transactions ADD COLUMN origin TEXT NOT NULL DEFAULT '';

CREATE TRIGGER transaction_gone AFTER DELETE ON transactions BEGIN
    DELETE FROM events WHERE tx = old.tx;
END;

DROP VIEW inbox;
CREATE VIEW inbox AS
    SELECT gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc,
           NULL AS number, NULL AS session, NULL AS graph_id, NULL AS graph_hash, NULL AS question, NULL AS backend,
           NULL AS exit, NULL AS answer, NULL AS usage, NULL AS reason, NULL AS error,
           NULL AS breaker_key, NULL AS breaker, NULL AS graph, NULL AS graph_version, NULL AS graph_name,
           NULL AS origin
    FROM events;

CREATE TRIGGER inbox_event INSTEAD OF INSERT ON inbox BEGIN
    INSERT INTO events (gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc)
    VALUES (new.gseq, new.tx, new.seq, new.t_ms, new.wall_ms, new.kind, new.v, new.body, new.crc);
END;

CREATE TRIGGER inbox_begin INSTEAD OF INSERT ON inbox WHEN new.kind = 'begin' BEGIN
    INSERT INTO transactions
        (number, tx, status, session, graph_id, graph_hash, question, backend, started_ms, first_gseq, origin)
    VALUES (
        new.number, new.tx, 'executing', new.session, new.graph_id, new.graph_hash, new.question, new.backend,
        new.wall_ms, new.gseq, coalesce(new.origin, '')
    );
END;

CREATE TRIGGER inbox_revision INSTEAD OF INSERT ON inbox WHEN new.kind = 'begin' BEGIN
    INSERT INTO graph_revisions (hash, graph_id, version, name, first_seen_ms, last_used_ms, runs, spec)
    VALUES (new.graph_hash, new.graph_id, new.graph_version, new.graph_name, new.wall_ms, new.wall_ms, 1, new.graph)
    ON CONFLICT (hash) DO UPDATE SET last_used_ms = max(last_used_ms, excluded.last_used_ms), runs = runs + 1;
END;

CREATE TRIGGER inbox_terminal INSTEAD OF INSERT ON inbox WHEN new.kind IN ('committed', 'rolled_back') BEGIN
    UPDATE transactions SET
        status = new.kind, exit = new.exit, answer = new.answer, usage = new.usage, reason = new.reason,
        error = new.error, duration_ms = new.t_ms, events = new.seq, last_gseq = new.gseq
    WHERE tx = new.tx;
END;

CREATE TRIGGER inbox_session INSTEAD OF INSERT ON inbox WHEN new.kind = 'committed' BEGIN
    INSERT INTO messages (session, tx, role, content, created_ms)
        SELECT s.id, t.tx, 'user', t.question, t.started_ms
        FROM transactions t JOIN sessions s ON s.id = t.session WHERE t.tx = new.tx;
    INSERT INTO messages (session, tx, role, content, created_ms)
        SELECT s.id, t.tx, 'assistant', new.answer, new.wall_ms
        FROM transactions t JOIN sessions s ON s.id = t.session WHERE t.tx = new.tx;
    UPDATE sessions SET updated_ms = new.wall_ms WHERE id = (SELECT session FROM transactions WHERE tx = new.tx);
END;

CREATE TRIGGER inbox_breaker INSTEAD OF INSERT ON inbox
WHEN new.kind = 'breaker_changed' AND new.breaker_key IS NOT NULL BEGIN
    INSERT INTO breakers (key, body) VALUES (new.breaker_key, new.breaker)
        ON CONFLICT (key) DO UPDATE SET body = excluded.body;
END;
"""

_V3 = """
CREATE TABLE corrections (
    id         INTEGER PRIMARY KEY,
    graph_id   TEXT NOT NULL,
    router     TEXT NOT NULL,
    question   TEXT NOT NULL,
    labels     TEXT NOT NULL,
    tx         TEXT NOT NULL DEFAULT '',
    created_ms INTEGER NOT NULL,
    undone_ms  INTEGER
) STRICT;
CREATE UNIQUE INDEX corrections_that_stand ON corrections (graph_id, router, question) WHERE undone_ms IS NULL;

CREATE TRIGGER correction_replaced BEFORE INSERT ON corrections WHEN new.undone_ms IS NULL BEGIN
    UPDATE corrections SET undone_ms = new.created_ms
    WHERE graph_id = new.graph_id AND router = new.router AND question = new.question AND undone_ms IS NULL;
END;
"""

_V4 = """
ALTER TABLE sessions ADD COLUMN memory INTEGER NOT NULL DEFAULT 1;
ALTER TABLE messages ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_to_index ON messages (id) WHERE indexed = 0;

CREATE TABLE memories (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,
    content    TEXT NOT NULL,
    tx         TEXT NOT NULL DEFAULT '',
    session    TEXT NOT NULL DEFAULT '',
    pinned     INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    edited_ms  INTEGER NOT NULL,
    used_ms    INTEGER NOT NULL,
    uses       INTEGER NOT NULL DEFAULT 0,
    indexed    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX memories_differ ON memories (kind, content);
CREATE INDEX memories_by_use ON memories (pinned, used_ms);
CREATE INDEX memories_to_index ON memories (id) WHERE indexed = 0;

CREATE VIRTUAL TABLE messages_words USING fts5 (content, tokenize = "unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE memories_words USING fts5 (content, tokenize = "unicode61 remove_diacritics 2");
"""
"""The word indexes have copies of their texts, and no triggers keep them up (with `trusted_schema = OFF` a trigger may
not write a virtual table): rows that are not `indexed` are taken up before the next search, so that what a crash leaves
half done is done again."""

_V5 = """
ALTER TABLE transactions ADD COLUMN replaces TEXT NOT NULL DEFAULT '';

DROP VIEW inbox;
CREATE VIEW inbox AS
    SELECT gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc,
           NULL AS number, NULL AS session, NULL AS graph_id, NULL AS graph_hash, NULL AS question, NULL AS backend,
           NULL AS exit, NULL AS answer, NULL AS usage, NULL AS reason, NULL AS error,
           NULL AS breaker_key, NULL AS breaker, NULL AS graph, NULL AS graph_version, NULL AS graph_name,
           NULL AS origin, NULL AS replaces
    FROM events;

CREATE TRIGGER inbox_event INSTEAD OF INSERT ON inbox BEGIN
    INSERT INTO events (gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc)
    VALUES (new.gseq, new.tx, new.seq, new.t_ms, new.wall_ms, new.kind, new.v, new.body, new.crc);
END;

CREATE TRIGGER inbox_begin INSTEAD OF INSERT ON inbox WHEN new.kind = 'begin' BEGIN
    INSERT INTO transactions
        (number, tx, status, session, graph_id, graph_hash, question, backend, started_ms, first_gseq, origin,
         replaces)
    VALUES (
        new.number, new.tx, 'executing', new.session, new.graph_id, new.graph_hash, new.question, new.backend,
        new.wall_ms, new.gseq, coalesce(new.origin, ''), new.replaces
    );
END;

CREATE TRIGGER inbox_revision INSTEAD OF INSERT ON inbox WHEN new.kind = 'begin' BEGIN
    INSERT INTO graph_revisions (hash, graph_id, version, name, first_seen_ms, last_used_ms, runs, spec)
    VALUES (new.graph_hash, new.graph_id, new.graph_version, new.graph_name, new.wall_ms, new.wall_ms, 1, new.graph)
    ON CONFLICT (hash) DO UPDATE SET last_used_ms = max(last_used_ms, excluded.last_used_ms), runs = runs + 1;
END;

CREATE TRIGGER inbox_terminal INSTEAD OF INSERT ON inbox WHEN new.kind IN ('committed', 'rolled_back') BEGIN
    UPDATE transactions SET
        status = new.kind, exit = new.exit, answer = new.answer, usage = new.usage, reason = new.reason,
        error = new.error, duration_ms = new.t_ms, events = new.seq, last_gseq = new.gseq
    WHERE tx = new.tx;
END;

CREATE TRIGGER inbox_session INSTEAD OF INSERT ON inbox WHEN new.kind = 'committed' BEGIN
    UPDATE messages SET tx = t.tx, content = t.question, created_ms = t.started_ms, indexed = 0
        FROM transactions t
        WHERE t.tx = new.tx AND t.replaces <> '' AND messages.session = t.session AND messages.tx = t.replaces
            AND messages.role = 'user';
    UPDATE messages SET tx = t.tx, content = new.answer, created_ms = new.wall_ms, indexed = 0
        FROM transactions t
        WHERE t.tx = new.tx AND t.replaces <> '' AND messages.session = t.session AND messages.tx = t.replaces
            AND messages.role = 'assistant';
    INSERT INTO messages (session, tx, role, content, created_ms)
        SELECT s.id, t.tx, 'user', t.question, t.started_ms
        FROM transactions t JOIN sessions s ON s.id = t.session
        WHERE t.tx = new.tx
            AND (t.replaces = '' OR NOT EXISTS (SELECT 1 FROM messages m WHERE m.session = s.id AND m.tx = t.tx));
    INSERT INTO messages (session, tx, role, content, created_ms)
        SELECT s.id, t.tx, 'assistant', new.answer, new.wall_ms
        FROM transactions t JOIN sessions s ON s.id = t.session
        WHERE t.tx = new.tx
            AND (t.replaces = '' OR NOT EXISTS (
                SELECT 1 FROM messages m WHERE m.session = s.id AND m.tx = t.tx AND m.role = 'assistant'
            ));
    UPDATE sessions SET updated_ms = new.wall_ms WHERE id = (SELECT session FROM transactions WHERE tx = new.tx);
END;

CREATE TRIGGER inbox_breaker INSTEAD OF INSERT ON inbox
WHEN new.kind = 'breaker_changed' AND new.breaker_key IS NOT NULL BEGIN
    INSERT INTO breakers (key, body) VALUES (new.breaker_key, new.breaker)
        ON CONFLICT (key) DO UPDATE SET body = excluded.body;
END;
"""
"""A turn that takes the place of another one has its rows in the session, so that it stands where that one stood."""

ORIGIN_SINCE = 2
"""Schema version from which on transactions say where they come from."""

REVISIONS_SINCE = 2
"""Schema version from which on there are `graph_revisions`."""

CORRECTIONS_SINCE = 3
"""Schema version from which on there are `corrections`."""

MEMORIES_SINCE = 4
"""Schema version from which on there are `memories`, and words of messages can be searched."""

REPLACES_SINCE = 5
"""Schema version from which on transactions say whose turn they take the place of."""

MIGRATIONS: tuple[str, ...] = (_V1, _V2, _V3, _V4, _V5)
"""Script number n (from 1) brings a database from `user_version` n - 1 to n. One that was released is never changed."""

VERSION = len(MIGRATIONS)

PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 16777216",
)
"""Of every connection."""
