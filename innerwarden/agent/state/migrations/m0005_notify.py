# SPDX-License-Identifier: Apache-2.0
"""Notices: what triage handed over, what waits for each channel, what was held back; codes of proposals."""

SQL = """
-- Handed over in the transaction of triage; the notifier takes it within a second.
CREATE TABLE notice_intake (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    incident    INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    kind        TEXT    NOT NULL CHECK (kind IN ('incident', 'closed')),
    outcome     TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    verb        BLOB,                               -- what is done or proposed: a verb of model.verb as JSON
    ttl_s       INTEGER,
    dry_run     INTEGER NOT NULL,
    response_id TEXT,                               -- of a proposal
    UNIQUE (incident, kind)
) STRICT;

-- One row an incident and channel, and one for each message that tells of several. Only `due` ones have a body.
CREATE TABLE notices (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel     TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('incident', 'closed', 'summary', 'digest', 'burst')),
    state       TEXT    NOT NULL CHECK (state IN ('due', 'sent', 'dead', 'grouped', 'deferred', 'told')),
    severity    INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 5),
    detector    TEXT    NOT NULL,
    entity      TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    incident_id TEXT    NOT NULL,
    created_ns  INTEGER NOT NULL,
    due_ns      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    ended_ns    INTEGER,                            -- when it was sent, told or given up
    detail      TEXT    NOT NULL DEFAULT '',        -- what the last attempt came to; never a secret
    body        BLOB,                               -- a Notice as JSON
    UNIQUE (channel, key)
) STRICT;
CREATE INDEX notices_due     ON notices (channel, severity DESC, attempts, id) WHERE state = 'due';
CREATE INDEX notices_waiting ON notices (channel, id) WHERE state = 'deferred';
CREATE INDEX notices_held    ON notices (channel, created_ns) WHERE state IN ('grouped', 'deferred', 'told');
CREATE INDEX notices_passed  ON notices (channel, created_ns)
    WHERE kind = 'incident' AND state IN ('due', 'sent', 'dead');
CREATE INDEX notices_ended   ON notices (id) WHERE state IN ('sent', 'dead', 'grouped', 'told');

-- A detector and what it is about, while its window or its cooldown lasts.
CREATE TABLE notice_groups (
    channel      TEXT    NOT NULL,
    detector     TEXT    NOT NULL,
    entity       TEXT    NOT NULL,
    began_ns     INTEGER NOT NULL,
    ends_ns      INTEGER NOT NULL,                  -- 0: only the cooldown is left of it
    told_ns      INTEGER NOT NULL,                  -- last message about it
    held         INTEGER NOT NULL,                  -- since that message
    severity     INTEGER NOT NULL,                  -- highest of the held
    summarised   INTEGER NOT NULL DEFAULT 0,        -- 1: the summary inside the window was made
    incident_id  TEXT    NOT NULL,                  -- the latest
    PRIMARY KEY (channel, detector, entity)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_groups_ends ON notice_groups (ends_ns);

CREATE TABLE notice_channels (
    channel        TEXT    PRIMARY KEY,
    digest_day     TEXT    NOT NULL DEFAULT '',     -- local date of the last digest
    burst_ns       INTEGER NOT NULL DEFAULT 0,      -- last message of an attack
    failures       INTEGER NOT NULL DEFAULT 0,      -- in a row
    failed_ns      INTEGER NOT NULL DEFAULT 0,
    refused_until_ns INTEGER NOT NULL DEFAULT 0,    -- the provider asked for silence
    evicted        INTEGER NOT NULL DEFAULT 0,      -- since the last digest
    sent_ns        INTEGER,
    last_error     TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- Codes behind the buttons of a proposal; only digests are kept.
CREATE TABLE notice_codes (
    sha256      TEXT    PRIMARY KEY,
    channel     TEXT    NOT NULL,
    response_id TEXT    NOT NULL,
    word        TEXT    NOT NULL CHECK (word IN ('approve', 'deny')),
    expires_ns  INTEGER NOT NULL,
    used_ns     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_codes_response ON notice_codes (response_id);
"""
