# SPDX-License-Identifier: Apache-2.0
"""What triage decided and why, what it folds into, reputation that was fetched, and budgets."""

SQL = """
-- One row a decided incident: the whole reason, also of what the record does not keep.
CREATE TABLE triage (
    incident    INTEGER PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE,
    outcome     TEXT    NOT NULL,
    by          TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    confidence  REAL    NOT NULL,
    folded_into TEXT,                               -- incident_id of the one that was decided
    decided_ns  INTEGER NOT NULL,                   -- wall time
    explanation TEXT    NOT NULL DEFAULT ''         -- of a model; nothing rests on it
) STRICT;

-- The last decision about a detector and a set of entities; later ones fold into it.
CREATE TABLE triage_latest (
    key         BLOB    PRIMARY KEY,                -- SHA-256 of detector and entities
    incident_id TEXT    NOT NULL,
    severity    INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,
    ts_ns       INTEGER NOT NULL,                   -- event time
    decided_ns  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX triage_latest_decided ON triage_latest (decided_ns);

-- Incidents about which a model is still to be asked.
CREATE TABLE triage_questions (
    incident INTEGER PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE
) STRICT;

-- How far a playbook is with an incident.
CREATE TABLE playbook_runs (
    incident    INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    playbook    TEXT    NOT NULL,
    step        INTEGER NOT NULL,                   -- place of the one that was asked for last
    state       TEXT    NOT NULL CHECK (state IN ('running', 'done', 'aborted')),
    PRIMARY KEY (incident, playbook)
) STRICT, WITHOUT ROWID;
CREATE INDEX playbook_runs_running ON playbook_runs (incident) WHERE state = 'running';

CREATE TABLE reputation (
    provider   TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    listed     INTEGER NOT NULL,
    text       TEXT    NOT NULL,
    expires_ns INTEGER NOT NULL,
    PRIMARY KEY (address, provider)
) STRICT, WITHOUT ROWID;
CREATE INDEX reputation_expires ON reputation (expires_ns);

-- Calls to the outside in one period (a day, an hour), so that a restart forgets none.
CREATE TABLE budgets (
    name       TEXT    NOT NULL,
    period     TEXT    NOT NULL,
    used       INTEGER NOT NULL,
    touched_ns INTEGER NOT NULL,
    PRIMARY KEY (name, period)
) STRICT, WITHOUT ROWID;

CREATE INDEX responses_key     ON responses (key, id);
CREATE INDEX responses_incident ON responses (incident);
CREATE INDEX incidents_reviews ON incidents (triaged_ns) WHERE status = 'needs_review';
CREATE INDEX responses_created ON responses (created_ns);
"""
