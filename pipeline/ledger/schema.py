"""The ledger's tables and public views, as numbered migrations that are never edited later.

Inside: money is whole micro-USD, times are whole microseconds since 1970 UTC, digests and keys are 32-byte BLOBs.
The views turn all three into what people read: decimal USD, ISO 8601 and lower-case hexadecimal.
Rows are kept narrow and indexes few: 1,000,000 assets are the measure (see bench/ledger.py).
"""

import re
from typing import Final

from sqlite_utils import Database, Migrations

from pipeline.domain.step import KEY_VERSION

APPLICATION_ID: Final = 0x70_69_70_65
"""``pipe``, in the file's header: tells our files from other people's databases."""

MIGRATIONS: Final = Migrations("pipeline")


_SHOWN: Final = (
    (re.compile(r"\bHEX\(([^)]+)\)"), r"nullif(lower(hex(\1)), '')"),
    (re.compile(r"\bUSD\(([^)]+)\)"), r"round(\1 / 1000000.0, 6)"),
    (
        re.compile(r"\bISO\(([^)]+)\)"),
        r"strftime('%Y-%m-%dT%H:%M:%S', \1 / 1000000, 'unixepoch') || printf('.%06dZ', \1 % 1000000)",
    ),
)


def _shown(view: str) -> str:
    for pattern, sql in _SHOWN:
        view = pattern.sub(sql, view)
    return view


# What wrote, and in which order: the highest epoch is the only one that may write (fencing).
# An epoch without closed_at ended by a kill or a power cut.
_TABLES: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE epochs (
        epoch INTEGER PRIMARY KEY, host TEXT NOT NULL, boot_id TEXT NOT NULL, opened_at INTEGER NOT NULL,
        closed_at INTEGER)""",
    # The sums repeat what the attempts say, kept in the same transaction: a run of a million attempts is one row.
    """CREATE TABLE runs (
        run INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, manifest TEXT NOT NULL, space TEXT NOT NULL,
        epoch INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, exit INTEGER,
        requests INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0, images INTEGER NOT NULL DEFAULT 0,
        spent INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX runs_by_manifest ON runs (manifest)",
    # The same sums by calendar month (UTC) of the attempt's start.
    """CREATE TABLE spending (
        month TEXT NOT NULL, manifest TEXT NOT NULL, spent INTEGER NOT NULL, unknown INTEGER NOT NULL,
        PRIMARY KEY (month, manifest)) WITHOUT ROWID""",
    """CREATE TABLE keys (
        step_key BLOB NOT NULL UNIQUE CHECK (length(step_key) = 32), key_version INTEGER NOT NULL,
        parts TEXT NOT NULL)""",
    # Which keys were made from a photo or a picture: what is to be recalled with it.
    """CREATE TABLE key_inputs (
        digest BLOB NOT NULL, step_key BLOB NOT NULL, PRIMARY KEY (digest, step_key)) WITHOUT ROWID""",
    # The attempt's name and the picture's facts are repeated here: a look-up of thousands of keys, spread all over
    # the file, then reads one page a key instead of three.
    """CREATE TABLE slots (
        space TEXT NOT NULL, step_key BLOB NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, image BLOB,
        attempt_id TEXT NOT NULL, run INTEGER NOT NULL, usd INTEGER NOT NULL, buys INTEGER NOT NULL,
        updated_at INTEGER NOT NULL, warnings TEXT, bytes INTEGER, format TEXT, width INTEGER, height INTEGER,
        has_alpha INTEGER, transparent REAL,
        PRIMARY KEY (space, step_key)) WITHOUT ROWID""",
    # While an attempt for a slot is open, its row here lets the database itself refuse a second purchase.
    """CREATE TABLE claims (
        space TEXT NOT NULL, step_key BLOB NOT NULL, attempt INTEGER NOT NULL,
        PRIMARY KEY (space, step_key)) WITHOUT ROWID""",
    # What whole nights of attempts have in common is written once.
    """CREATE TABLE routes (
        route INTEGER PRIMARY KEY, provider TEXT NOT NULL, endpoint TEXT NOT NULL, protocol TEXT NOT NULL,
        model TEXT NOT NULL, key_fingerprint TEXT NOT NULL, boot_id TEXT NOT NULL,
        UNIQUE (endpoint, provider, protocol, model, key_fingerprint, boot_id))""",
    # outcome is NULL while the attempt is `sent`. decision: what a person said of an unknown outcome.
    """CREATE TABLE attempts (
        attempt INTEGER PRIMARY KEY, attempt_id TEXT NOT NULL UNIQUE, run INTEGER NOT NULL, epoch INTEGER NOT NULL,
        route INTEGER NOT NULL, space TEXT NOT NULL, manifest TEXT NOT NULL, started_at INTEGER NOT NULL,
        outcome TEXT CHECK (outcome IN ('done', 'refused', 'failed', 'unknown')), ended_at INTEGER,
        cost INTEGER NOT NULL, cost_low INTEGER NOT NULL, cost_high INTEGER NOT NULL, estimated INTEGER NOT NULL,
        http_status INTEGER, error_code TEXT, request_id TEXT, remote_id TEXT, message TEXT, reason TEXT,
        seconds REAL, culprit TEXT, stage TEXT, categories TEXT, usage TEXT, resolved TEXT, notes TEXT,
        request_digest BLOB NOT NULL, recovered INTEGER,
        decision TEXT CHECK (decision IN ('billed', 'not_billed', 'rebuy')), decided_at INTEGER, decision_note TEXT,
        CHECK (decision IS NULL OR outcome = 'unknown'))""",
    "CREATE INDEX attempts_by_run ON attempts (run)",
    "CREATE INDEX attempts_open ON attempts (epoch) WHERE outcome IS NULL",
    "CREATE INDEX attempts_unsettled ON attempts (manifest) WHERE outcome = 'unknown' AND decision IS NULL",
    # cost: this slot's part of the attempt's cost; the parts add up to it exactly.
    """CREATE TABLE attempt_slots (
        attempt INTEGER NOT NULL, position INTEGER NOT NULL, step_key BLOB NOT NULL, asset TEXT NOT NULL,
        cost INTEGER NOT NULL,
        PRIMARY KEY (attempt, position)) WITHOUT ROWID""",
    "CREATE INDEX attempt_slots_by_asset ON attempt_slots (asset)",
    # slot NULL: a surplus picture.
    """CREATE TABLE attempt_images (
        attempt INTEGER NOT NULL, position INTEGER NOT NULL, image BLOB NOT NULL, slot INTEGER, reason TEXT NOT NULL,
        revised_prompt TEXT, warnings TEXT,
        PRIMARY KEY (attempt, position)) WITHOUT ROWID""",
    """CREATE TABLE images (
        sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32), bytes INTEGER NOT NULL, format TEXT NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, has_alpha INTEGER NOT NULL, transparent REAL,
        created_at INTEGER NOT NULL, attempt INTEGER, step_key BLOB) WITHOUT ROWID""",
    # made_key: the key of the last picture, where the present key has none yet (for `why`).
    """CREATE TABLE assets (
        manifest TEXT NOT NULL, asset TEXT NOT NULL, space TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        usd INTEGER NOT NULL, updated_at INTEGER NOT NULL, run INTEGER, step_key BLOB, image BLOB, previous BLOB,
        made_key BLOB, shot TEXT NOT NULL, axes TEXT NOT NULL, step_id TEXT NOT NULL, depth INTEGER NOT NULL,
        candidate INTEGER NOT NULL, parent TEXT, model_alias TEXT NOT NULL, path TEXT NOT NULL, warnings TEXT,
        PRIMARY KEY (manifest, asset, space)) WITHOUT ROWID""",
    # Everyone who shows a key's picture: what a decision or a recalled photo touches.
    "CREATE INDEX assets_by_key ON assets (step_key)",
    # How many assets stand alike, kept by triggers: status is asked of a million assets and must not read them.
    """CREATE TABLE tallies (
        manifest TEXT NOT NULL, space TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        assets INTEGER NOT NULL, usd INTEGER NOT NULL,
        PRIMARY KEY (manifest, space, state, reason)) WITHOUT ROWID""",
    """CREATE TRIGGER assets_inserted AFTER INSERT ON assets BEGIN
        INSERT INTO tallies VALUES (new.manifest, new.space, new.state, new.reason, 1, new.usd)
        ON CONFLICT DO UPDATE SET assets = assets + 1, usd = usd + excluded.usd;
        END""",
    """CREATE TRIGGER assets_deleted AFTER DELETE ON assets BEGIN
        UPDATE tallies SET assets = assets - 1, usd = usd - old.usd WHERE manifest = old.manifest
        AND space = old.space AND state = old.state AND reason = old.reason;
        END""",
    """CREATE TRIGGER assets_updated AFTER UPDATE OF space, state, reason, usd ON assets
        WHEN (old.space, old.state, old.reason, old.usd) <> (new.space, new.state, new.reason, new.usd) BEGIN
        UPDATE tallies SET assets = assets - 1, usd = usd - old.usd WHERE manifest = old.manifest
        AND space = old.space AND state = old.state AND reason = old.reason;
        INSERT INTO tallies VALUES (new.manifest, new.space, new.state, new.reason, 1, new.usd)
        ON CONFLICT DO UPDATE SET assets = assets + 1, usd = usd + excluded.usd;
        END""",
    """CREATE TABLE placements (
        path TEXT PRIMARY KEY, image BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        space TEXT NOT NULL, asset TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE blessings (
        blessing INTEGER PRIMARY KEY, space TEXT NOT NULL, step_key BLOB NOT NULL, old_key BLOB NOT NULL,
        image BLOB NOT NULL, manifest TEXT NOT NULL, asset TEXT NOT NULL, at INTEGER NOT NULL)""",
    """CREATE TABLE feeds (
        feed INTEGER PRIMARY KEY, manifest TEXT NOT NULL, source TEXT NOT NULL, run_id TEXT NOT NULL,
        at INTEGER NOT NULL, UNIQUE (manifest, source))""",
    """CREATE TABLE feed_rows (
        feed INTEGER NOT NULL, row_key TEXT NOT NULL, digest BLOB NOT NULL,
        PRIMARY KEY (feed, row_key)) WITHOUT ROWID""",
    """CREATE TABLE endpoints (
        endpoint TEXT PRIMARY KEY, space TEXT NOT NULL, learned_at INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE limits (
        provider TEXT NOT NULL, key_fingerprint TEXT NOT NULL, learned TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (provider, key_fingerprint)) WITHOUT ROWID""",
    """CREATE TABLE inputs (
        digest BLOB NOT NULL, source TEXT NOT NULL, notes TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (digest, source)) WITHOUT ROWID""",
)

# The public interface. An asset that was asked for in several spaces (a rehearsal) shows as it was left last.
# An attempt shows the outcome a person gave it: billed or not, what was unknown is then `failed`.
_VIEWS: Final = (
    """CREATE VIEW v_assets AS SELECT
        a.manifest AS manifest, a.asset AS asset, HEX(a.step_key) AS step_key, a.state AS state,
        a.reason AS reason, HEX(a.image) AS sha256, a.path AS path, i.width AS width, i.height AS height,
        USD(a.usd) AS usd, ISO(a.updated_at) AS updated_at
        FROM assets a LEFT JOIN images i ON i.sha256 = a.image
        WHERE NOT EXISTS (SELECT 1 FROM assets o WHERE o.manifest = a.manifest AND o.asset = a.asset
            AND (o.updated_at, o.space) > (a.updated_at, a.space))""",
    """CREATE VIEW v_attempts AS SELECT
        a.attempt_id AS attempt_id, r.run_id AS run_id, HEX(s.step_key) AS step_key, s.asset AS asset,
        t.provider AS provider, t.model AS model, ISO(a.started_at) AS started_at,
        ISO(a.ended_at) AS ended_at,
        CASE WHEN a.outcome IS NULL THEN 'sent' WHEN a.decision IS NOT NULL THEN 'failed' ELSE a.outcome END
        AS outcome,
        a.http_status AS http_status, a.error_code AS error_code, a.request_id AS request_id,
        USD(a.cost) AS usd, a.estimated AS usd_is_estimate, a.message AS message
        FROM attempts a JOIN runs r ON r.run = a.run JOIN routes t ON t.route = a.route
        JOIN attempt_slots s ON s.attempt = a.attempt AND s.position = 0""",
    """CREATE VIEW v_attempt_slots AS SELECT
        a.attempt_id AS attempt_id, s.position AS position, HEX(s.step_key) AS step_key, s.asset AS asset,
        HEX(i.image) AS sha256, USD(s.cost) AS usd
        FROM attempt_slots s JOIN attempts a ON a.attempt = s.attempt
        LEFT JOIN attempt_images i ON i.attempt = s.attempt AND i.slot = s.position""",
    """CREATE VIEW v_runs AS SELECT
        run_id AS run_id, manifest AS manifest, ISO(started_at) AS started_at, ISO(ended_at) AS ended_at,
        exit AS exit, requests AS requests, images AS images, USD(spent) AS usd FROM runs""",
    """CREATE VIEW v_images AS SELECT
        HEX(sha256) AS sha256, bytes AS bytes, 'image/' || format AS media_type, width AS width,
        height AS height, has_alpha AS has_alpha, ISO(created_at) AS created_at,
        HEX(step_key) AS step_key FROM images""",
)


@MIGRATIONS(name="0001_first")
def _first(db: Database) -> None:
    for statement in (*_TABLES, *map(_shown, _VIEWS)):
        db.conn.execute(statement)
    db.conn.execute("INSERT INTO meta VALUES ('key_version', ?)", (str(KEY_VERSION),))
    db.conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.conn.execute("PRAGMA user_version = 1")


NAMES: Final = ("0001_first",)
"""Every migration this program knows, in order."""

VERSION: Final = len(NAMES)
"""The schema this program reads and writes; the file's ``user_version``."""
