"""The database schema and its migrations. Events are the truth; every other table is projected from them by triggers.

The projections run inside the statement that inserts the events, so a crash never leaves them apart.
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

CREATE TRIGGER project_begin AFTER INSERT ON events WHEN new.kind = 'begin' BEGIN
    INSERT INTO transactions
        (number, tx, status, session, graph_id, graph_hash, question, backend, started_ms, first_gseq)
    VALUES (
        json_extract(new.body, '$.number'), new.tx, 'executing', json_extract(new.body, '$.session'),
        json_extract(new.body, '$.graph.id'), json_extract(new.body, '$.graph_hash'),
        json_extract(new.body, '$.question'), json_extract(new.body, '$.backend'), new.wall_ms, new.gseq
    );
END;

CREATE TRIGGER project_committed AFTER INSERT ON events WHEN new.kind = 'committed' BEGIN
    UPDATE transactions SET
        status = 'committed', exit = json_extract(new.body, '$.exit'), answer = json_extract(new.body, '$.text'),
        usage = json_extract(new.body, '$.usage'), duration_ms = new.t_ms, events = new.seq, last_gseq = new.gseq
    WHERE tx = new.tx;
    INSERT INTO messages (session, tx, role, content, created_ms)
        SELECT s.id, t.tx, 'user', t.question, t.started_ms
        FROM transactions t JOIN sessions s ON s.id = t.session WHERE t.tx = new.tx;
    INSERT INTO messages (session, tx, role, content, created_ms)
        SELECT s.id, t.tx, 'assistant', t.answer, new.wall_ms
        FROM transactions t JOIN sessions s ON s.id = t.session WHERE t.tx = new.tx;
    UPDATE sessions SET updated_ms = new.wall_ms WHERE id = (SELECT session FROM transactions WHERE tx = new.tx);
END;

CREATE TRIGGER project_rolled_back AFTER INSERT ON events WHEN new.kind = 'rolled_back' BEGIN
    UPDATE transactions SET
        status = 'rolled_back', exit = json_extract(new.body, '$.exit'), answer = json_extract(new.body, '$.text'),
        reason = json_extract(new.body, '$.reason'), error = coalesce(json_extract(new.body, '$.error.message'), ''),
        usage = json_extract(new.body, '$.usage'), duration_ms = new.t_ms, events = new.seq, last_gseq = new.gseq
    WHERE tx = new.tx;
END;

CREATE TRIGGER project_breaker AFTER INSERT ON events WHEN new.kind = 'breaker_changed' BEGIN
    INSERT INTO breakers (key, body)
        VALUES (json_extract(new.body, '$.breaker.key'), json_extract(new.body, '$.breaker'))
        ON CONFLICT (key) DO UPDATE SET body = excluded.body;
END;
"""

MIGRATIONS: tuple[str, ...] = (_V1,)
"""Script number n (from 1) brings a database from `user_version` n - 1 to n."""

VERSION = len(MIGRATIONS)

PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 16777216",
)
"""Of every connection."""
