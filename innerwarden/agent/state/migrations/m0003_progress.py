# SPDX-License-Identifier: Apache-2.0
"""Progress of process trees, of attackers, and what this host usually does.

`sizes` counts the rows of the bounded tables, so that a bound costs no count of the whole table.
"""

# ruff: noqa: S608 - the names below
BOUNDED = ("trees", "attackers", "sessions", "fingerprints", "grams", "indicators", "usual")

SQL = """
CREATE TABLE sizes (name TEXT PRIMARY KEY, held INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- A process tree in which something was found. Times are event times, `touched_ns` is wall time.
CREATE TABLE trees (
    id         INTEGER PRIMARY KEY,
    root       TEXT    NOT NULL,                    -- process that the tree is named by
    first_ns   INTEGER NOT NULL,
    last_ns    INTEGER NOT NULL,
    touched_ns INTEGER NOT NULL,
    severity   INTEGER NOT NULL,                    -- worst of its findings
    told       INTEGER NOT NULL DEFAULT 0,          -- tactics that its incident tells
    incident   INTEGER REFERENCES incidents (id) ON DELETE SET NULL
) STRICT;
CREATE INDEX trees_touched ON trees (touched_ns);
CREATE INDEX trees_incident ON trees (incident);

CREATE TABLE tree_processes (
    process TEXT    PRIMARY KEY,                    -- pid and start time
    tree    INTEGER NOT NULL REFERENCES trees (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX tree_processes_tree ON tree_processes (tree);

-- Of each detector the first finding and the latest.
CREATE TABLE tree_findings (
    tree     INTEGER NOT NULL REFERENCES trees (id) ON DELETE CASCADE,
    detector TEXT    NOT NULL,
    latest   INTEGER NOT NULL CHECK (latest IN (0, 1)),
    ts_ns    INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    attack   TEXT    NOT NULL,                      -- technique ids, separated by spaces
    incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    PRIMARY KEY (tree, detector, latest)
) STRICT, WITHOUT ROWID;
CREATE INDEX tree_findings_incident ON tree_findings (incident);

CREATE TABLE tree_patterns (
    tree     INTEGER NOT NULL REFERENCES trees (id) ON DELETE CASCADE,
    pattern  TEXT    NOT NULL,
    incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    PRIMARY KEY (tree, pattern)
) STRICT, WITHOUT ROWID;
CREATE INDEX tree_patterns_incident ON tree_patterns (incident);

-- One row an address that attacked. `rank` falls behind that of others as time goes by.
CREATE TABLE attackers (
    address   TEXT    PRIMARY KEY,
    first_ns  INTEGER NOT NULL,
    last_ns   INTEGER NOT NULL,
    risk      REAL    NOT NULL,                     -- at last_ns
    rank      REAL    NOT NULL,
    campaign  INTEGER,
    profile   BLOB    NOT NULL                      -- model of agent/state/attackers.py as JSON
) STRICT;
CREATE INDEX attackers_rank ON attackers (rank);
CREATE INDEX attackers_campaign ON attackers (campaign) WHERE campaign IS NOT NULL;

-- What an address or a local session did since its last long pause.
CREATE TABLE sessions (
    entity   TEXT    PRIMARY KEY,
    first_ns INTEGER NOT NULL,
    last_ns  INTEGER NOT NULL,
    tokens   TEXT    NOT NULL,                      -- JSON list
    members  TEXT    NOT NULL,                      -- JSON list of incident rows
    matched  INTEGER NOT NULL DEFAULT 0             -- 1: an earlier fingerprint was recognised
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_last ON sessions (last_ns);

CREATE TABLE fingerprints (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    entity   TEXT    NOT NULL,
    hash     TEXT    NOT NULL,                      -- SHA-256 of the ordered tokens
    first_ns INTEGER NOT NULL,
    last_ns  INTEGER NOT NULL,
    tokens   TEXT    NOT NULL,                      -- JSON list
    members  TEXT    NOT NULL                       -- JSON list of incident rows
) STRICT;
CREATE INDEX fingerprints_hash ON fingerprints (hash);
CREATE INDEX fingerprints_entity ON fingerprints (entity);

-- Bands of MinHash: similar fingerprints share at least one almost surely.
CREATE TABLE fingerprint_bands (
    band        INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL REFERENCES fingerprints (id) ON DELETE CASCADE,
    PRIMARY KEY (band, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX fingerprint_bands_fingerprint ON fingerprint_bands (fingerprint);

-- In how many closed sessions three tokens in a row were seen.
CREATE TABLE grams (gram INTEGER PRIMARY KEY, sessions INTEGER NOT NULL, last_ns INTEGER NOT NULL) STRICT;
CREATE INDEX grams_rare ON grams (sessions, last_ns);

CREATE TABLE campaigns (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    first_ns INTEGER NOT NULL,
    last_ns  INTEGER NOT NULL,
    members  INTEGER NOT NULL,
    reason   TEXT    NOT NULL                       -- what tied the first two together
) STRICT;

-- An address that makes room leaves its campaign; an empty one goes.
CREATE TRIGGER campaigns_leave AFTER DELETE ON attackers WHEN OLD.campaign IS NOT NULL BEGIN
    UPDATE campaigns SET members = members - 1 WHERE id = OLD.campaign;
    DELETE FROM campaigns WHERE id = OLD.campaign AND members <= 0;
END;

-- A hash, name or other address that attackers brought along.
CREATE TABLE indicators (
    value   TEXT    NOT NULL,
    address TEXT    NOT NULL REFERENCES attackers (address) ON DELETE CASCADE,
    last_ns INTEGER NOT NULL,
    PRIMARY KEY (value, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX indicators_address ON indicators (address);
CREATE INDEX indicators_last ON indicators (last_ns);

-- What is usual here: lineages, destinations, login hours.
CREATE TABLE usual (
    part     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,                      -- parent program, program or account
    object   TEXT    NOT NULL,                      -- child program, destination or hour of the week
    first_ns INTEGER NOT NULL,
    last_ns  INTEGER NOT NULL,
    seen     INTEGER NOT NULL,
    PRIMARY KEY (part, subject, object)
) STRICT, WITHOUT ROWID;
CREATE INDEX usual_last ON usual (part, last_ns);
CREATE INDEX usual_first ON usual (part, first_ns);

-- Facts that are learned when nothing bad turns up about them in time.
CREATE TABLE usual_waiting (
    incident INTEGER PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE,
    part     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    object   TEXT    NOT NULL,
    ts_ns    INTEGER NOT NULL,
    evidence TEXT    NOT NULL                       -- JSON list of processes and entities that must stay clean
) STRICT;
CREATE INDEX usual_waiting_ts ON usual_waiting (ts_ns);
CREATE INDEX usual_waiting_fact ON usual_waiting (part, subject, object);

-- Full hours of the sensor's own counts, by kind and hour of the day (UTC).
CREATE TABLE usual_rates (
    kind    TEXT    NOT NULL,
    hour    INTEGER NOT NULL CHECK (hour BETWEEN 0 AND 23),
    hours   INTEGER NOT NULL,                       -- how many were learned
    mean    REAL    NOT NULL,
    least   REAL    NOT NULL,
    most    REAL    NOT NULL,
    PRIMARY KEY (kind, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE usual_days (day INTEGER PRIMARY KEY, hours INTEGER NOT NULL, logins INTEGER NOT NULL DEFAULT 0) STRICT;

-- One row: the first hour (in hours since the epoch) that was not looked at yet.
CREATE TABLE usual_place (one INTEGER PRIMARY KEY CHECK (one = 1), hour INTEGER NOT NULL) STRICT;

-- What was unusual; `incident` is NULL while nothing is told yet.
CREATE TABLE unusual (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    ts_ns    INTEGER NOT NULL,
    part     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    object   TEXT    NOT NULL,
    text     TEXT    NOT NULL,
    incident INTEGER REFERENCES incidents (id) ON DELETE SET NULL
) STRICT;
CREATE INDEX unusual_ts ON unusual (ts_ns);
CREATE INDEX unusual_incident ON unusual (incident);
""" + "".join(
    f"""
INSERT INTO sizes VALUES ('{table}', 0);
CREATE TRIGGER {table}_in AFTER INSERT ON {table}
    BEGIN UPDATE sizes SET held = held + 1 WHERE name = '{table}'; END;
CREATE TRIGGER {table}_out AFTER DELETE ON {table}
    BEGIN UPDATE sizes SET held = held - 1 WHERE name = '{table}'; END;
"""
    for table in BOUNDED
)
