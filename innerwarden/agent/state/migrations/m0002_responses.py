# SPDX-License-Identifier: Apache-2.0
"""Triage state of incidents, responses, and the record of decisions.

The table of incidents is made anew, because a CHECK cannot be changed; `upgrade` runs with foreign keys off.
"""

SQL = """
CREATE TABLE incidents_new (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    incident_id TEXT    NOT NULL UNIQUE,
    ts_ns       INTEGER NOT NULL,                   -- event time
    stored_ns   INTEGER NOT NULL,                   -- wall time at which it could first be read here
    severity    INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 5),
    detector    TEXT    NOT NULL,
    source      TEXT    NOT NULL CHECK (source IN ('sensor', 'correlation', 'agent')),
    status      TEXT    NOT NULL DEFAULT 'open',
    title       TEXT    NOT NULL,
    summary     TEXT    NOT NULL,
    fields      BLOB    NOT NULL,                   -- IncidentFields as JSON
    triaged_ns  INTEGER                             -- wall time; NULL: triage has not seen it yet
) STRICT;
-- What is older than triage is history: nothing is decided about it.
INSERT INTO incidents_new
    SELECT id, incident_id, ts_ns, stored_ns, severity, detector, source, status, title, summary, fields,
           stored_ns FROM incidents;
-- The numbers go on where they were, also when the newest incidents are gone by now.
DELETE FROM sqlite_sequence WHERE name = 'incidents_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'incidents_new', seq FROM sqlite_sequence WHERE name = 'incidents';
DROP TABLE incidents;
ALTER TABLE incidents_new RENAME TO incidents;
CREATE INDEX incidents_ts        ON incidents (ts_ns);
CREATE INDEX incidents_severity  ON incidents (severity, ts_ns);
CREATE INDEX incidents_detector  ON incidents (detector, ts_ns);
CREATE INDEX incidents_untriaged ON incidents (id) WHERE triaged_ns IS NULL;

-- Each hash covers the one before it, so nothing can be changed, removed or reordered unseen. AUTOINCREMENT:
-- SQLite remembers the highest number that there ever was, next to record_head.
CREATE TABLE record (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    ts_ns INTEGER NOT NULL,
    kind  TEXT    NOT NULL,
    body  BLOB    NOT NULL,                         -- an entry of model.record as JSON
    hash  BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX record_kind ON record (kind, seq);
CREATE INDEX record_ts   ON record (ts_ns);

-- One row: the end of the chain, moved by every append in the same transaction.
CREATE TABLE record_head (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    last_seq    INTEGER NOT NULL,
    last_hash   BLOB    NOT NULL CHECK (length(last_hash) = 32),
    entry_count INTEGER NOT NULL                    -- rows of record
) STRICT;
INSERT INTO record_head VALUES (1, 0, zeroblob(32), 0);

-- One row for each `pruned` entry (`seq`) of the record; the newest says what the oldest entry follows.
CREATE TABLE record_checkpoints (
    seq         INTEGER PRIMARY KEY,
    first_seq   INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL UNIQUE,
    last_hash   BLOB    NOT NULL CHECK (length(last_hash) = 32),
    entry_count INTEGER NOT NULL
) STRICT;

-- What the agent last found out about its own state: one row a check.
CREATE TABLE checks (
    name    TEXT    PRIMARY KEY,
    ok      INTEGER NOT NULL CHECK (ok IN (0, 1)),
    ts_ns   INTEGER NOT NULL,
    took_ms REAL    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a response. The responder's own journal says what is in effect; this is what should be.
CREATE TABLE responses (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    response_id TEXT    NOT NULL UNIQUE,
    key         TEXT    NOT NULL,                   -- verb and target
    verb        BLOB    NOT NULL,                   -- a verb of model.verb as JSON
    incident    INTEGER REFERENCES incidents (id) ON DELETE SET NULL,
    by          TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN
        ('proposed', 'intended', 'active', 'undoing', 'undone', 'done', 'dry_run', 'refused', 'failed', 'denied')),
    created_ns  INTEGER NOT NULL,
    ttl_s       INTEGER NOT NULL,
    expires_ns  INTEGER,                            -- wall time, once active
    verified_ns INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    detail      TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX responses_state ON responses (state, id);
-- One effect is owned by one response.
CREATE UNIQUE INDEX responses_owner ON responses (key) WHERE state IN ('intended', 'active', 'undoing');
"""
