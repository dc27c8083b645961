# SPDX-License-Identifier: Apache-2.0
"""Correlation remembers findings by their keys instead of half-finished chains."""

SQL = """
DROP TABLE chain_waiting;
DROP TABLE chain_members;
DROP TABLE chain_keys;
DROP TABLE chains;

-- A finding that a rule can use, under each of its join keys.
CREATE TABLE trail (
    key      TEXT    NOT NULL,
    detector TEXT    NOT NULL,
    ts_ns    INTEGER NOT NULL,                      -- event time
    incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    severity INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,                      -- event time after which no rule needs it
    kept_ns  INTEGER NOT NULL,                      -- the same on this machine's clock
    PRIMARY KEY (key, detector, ts_ns, incident)
) STRICT, WITHOUT ROWID;
CREATE INDEX trail_incident ON trail (incident);
CREATE INDEX trail_until ON trail (until_ns);

-- A chain that is complete unless something follows.
CREATE TABLE awaited (
    rule     TEXT    NOT NULL,
    incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    due_ns   INTEGER NOT NULL,                      -- event time
    clock_ns INTEGER NOT NULL,                      -- the same on this machine's clock
    PRIMARY KEY (rule, incident)
) STRICT, WITHOUT ROWID;
CREATE INDEX awaited_due ON awaited (due_ns);
CREATE INDEX awaited_incident ON awaited (incident);
"""
