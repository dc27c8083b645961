# SPDX-License-Identifier: Apache-2.0
"""Incidents, ingest position, correlation progress, telemetry, task status, dashboard tokens."""

SQL = """
-- AUTOINCREMENT: an id is never given twice, so a page cursor stays valid after pruning.
CREATE TABLE incidents (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    incident_id TEXT    NOT NULL UNIQUE,
    ts_ns       INTEGER NOT NULL,                   -- event time
    stored_ns   INTEGER NOT NULL,                   -- wall time at which it could first be read here
    severity    INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 5),
    detector    TEXT    NOT NULL,
    source      TEXT    NOT NULL CHECK (source IN ('sensor', 'correlation')),
    status      TEXT    NOT NULL DEFAULT 'open',
    title       TEXT    NOT NULL,
    summary     TEXT    NOT NULL,
    fields      BLOB    NOT NULL                    -- IncidentFields as JSON
) STRICT;
CREATE INDEX incidents_ts       ON incidents (ts_ns);
CREATE INDEX incidents_severity ON incidents (severity, ts_ns);
CREATE INDEX incidents_detector ON incidents (detector, ts_ns);

CREATE TABLE incident_entities (
    value    TEXT    NOT NULL,
    type     TEXT    NOT NULL,
    incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    PRIMARY KEY (value, type, incident)
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_entities_incident ON incident_entities (incident);

CREATE TABLE incident_members (
    chain  INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    step   INTEGER NOT NULL,
    member INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    PRIMARY KEY (chain, step, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_members_member ON incident_members (member);

-- One row: how far findings.jsonl is read. `signature` names the file by its first bytes.
CREATE TABLE cursors (
    name       TEXT    PRIMARY KEY,
    file       TEXT    NOT NULL,
    device     INTEGER NOT NULL,
    inode      INTEGER NOT NULL,
    offset     INTEGER NOT NULL,
    signature  TEXT    NOT NULL,
    signed     INTEGER NOT NULL,                    -- bytes that the signature covers
    skipping   INTEGER NOT NULL,                    -- 1: `offset` lies inside a line that is too long
    updated_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE bad_lines (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    ts_ns  INTEGER NOT NULL,                        -- when it was met
    file   TEXT    NOT NULL,
    offset INTEGER NOT NULL,
    reason TEXT    NOT NULL
) STRICT;

CREATE TABLE telemetry (
    ts_ns INTEGER PRIMARY KEY,                      -- a line that is read again is stored once
    line  BLOB    NOT NULL                          -- Telemetry as JSON
) STRICT;

-- Correlation progress. `done_steps` counts from 1; a finished chain keeps `incident` until it expires
-- so that what follows joins it rather than making a second story.
CREATE TABLE chains (
    id         INTEGER PRIMARY KEY,
    rule       TEXT    NOT NULL,
    done_steps INTEGER NOT NULL,
    last_ns    INTEGER NOT NULL,                    -- event time of the latest step
    expires_ns INTEGER NOT NULL,                    -- event time
    touched_ns INTEGER NOT NULL,                    -- wall time, for pruning only
    incident   INTEGER REFERENCES incidents (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX chains_rule ON chains (rule, touched_ns);
CREATE INDEX chains_incident ON chains (incident);

CREATE TABLE chain_keys (
    rule  TEXT    NOT NULL,
    key   TEXT    NOT NULL,
    chain INTEGER NOT NULL REFERENCES chains (id) ON DELETE CASCADE,
    PRIMARY KEY (rule, key, chain)
) STRICT, WITHOUT ROWID;
CREATE INDEX chain_keys_chain ON chain_keys (chain);

CREATE TABLE chain_members (
    chain    INTEGER NOT NULL REFERENCES chains (id) ON DELETE CASCADE,
    step     INTEGER NOT NULL,
    incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    PRIMARY KEY (chain, step, incident)
) STRICT, WITHOUT ROWID;
CREATE INDEX chain_members_incident ON chain_members (incident);

-- A later step that arrived before the one it follows (two log sources are never in lockstep).
CREATE TABLE chain_waiting (
    rule       TEXT    NOT NULL,
    step       INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    incident   INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    ts_ns      INTEGER NOT NULL,
    touched_ns INTEGER NOT NULL,
    PRIMARY KEY (rule, step, key, incident)
) STRICT, WITHOUT ROWID;
CREATE INDEX chain_waiting_incident ON chain_waiting (incident);
CREATE INDEX chain_waiting_touched ON chain_waiting (touched_ns);

CREATE TABLE tasks (
    name       TEXT    PRIMARY KEY,
    cadence_s  REAL    NOT NULL,
    budget_ms  INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('waiting', 'running', 'hung')),
    runs       INTEGER NOT NULL,
    overruns   INTEGER NOT NULL,
    failures   INTEGER NOT NULL,
    last_ns    INTEGER,
    last_ms    REAL,
    last_error TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE dashboard_tokens (
    sha256     TEXT    PRIMARY KEY,
    created_ns INTEGER NOT NULL,
    expires_ns INTEGER
) STRICT, WITHOUT ROWID;
"""
