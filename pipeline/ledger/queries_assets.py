"""The SQL of slots, pictures, assets, placements and what is remembered between runs, one constant each."""

from typing import Final

# --- slots: the look-up of planning ---
# One blob of sorted 32-byte keys is cut up inside SQLite: one statement for thousands of keys, and neighbours
# share pages. Columns as rows.slot_of wants them.
SLOTS: Final = """
    WITH RECURSIVE asked (n, step_key) AS (SELECT 1, substr(:keys, 1, 32)
        UNION ALL SELECT n + 1, substr(:keys, n * 32 + 1, 32) FROM asked WHERE n < :count)
    SELECT s.step_key, s.state, s.reason, s.attempt_id, r.run_id, s.usd, s.updated_at, s.warnings,
    s.image, s.bytes, s.format, s.width, s.height, s.has_alpha, s.transparent
    FROM asked CROSS JOIN slots s ON s.space = :space AND s.step_key = asked.step_key
    JOIN runs r ON r.run = s.run"""
KNOWN_KEYS: Final = """
    SELECT step_key, state = 'done' AND image IS NOT NULL FROM slots
    WHERE space = ? AND step_key > ? ORDER BY step_key LIMIT ?"""
PARTS: Final = "SELECT parts FROM keys WHERE step_key = ?"
# why: the parts each asset's present (or last) picture was asked with
PREVIOUS_PARTS: Final = """
    SELECT a.asset, k.parts FROM json_each(?) n
    CROSS JOIN assets a ON a.manifest = ? AND a.asset = n.value AND a.space = ?
    JOIN keys k ON k.step_key = coalesce(a.made_key, a.step_key)"""
SLOT_IMAGE: Final = "SELECT image, usd FROM slots WHERE space = ? AND step_key = ? AND image IS NOT NULL"
BLESS: Final = (
    "INSERT INTO blessings (space, step_key, old_key, image, manifest, asset, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
PUT_BLESSED_SLOT: Final = """
    INSERT INTO slots (space, step_key, state, reason, attempt_id, run, usd, buys, updated_at, warnings,
    image, bytes, format, width, height, has_alpha, transparent)
    SELECT space, :new, 'done', '', attempt_id, run, usd, buys, :now, warnings,
    image, bytes, format, width, height, has_alpha, transparent FROM slots WHERE space = :space AND step_key = :old
    ON CONFLICT DO UPDATE SET state = 'done', reason = '', attempt_id = excluded.attempt_id, run = excluded.run,
    usd = excluded.usd, updated_at = excluded.updated_at, warnings = excluded.warnings, image = excluded.image,
    bytes = excluded.bytes, format = excluded.format, width = excluded.width, height = excluded.height,
    has_alpha = excluded.has_alpha, transparent = excluded.transparent"""
BLESS_ASSET: Final = """
    UPDATE assets SET state = 'done', reason = '', step_key = ?, made_key = NULL, image = ?, usd = ?, updated_at = ?
    WHERE manifest = ? AND asset = ? AND space = ?"""

# --- pictures ---
IMAGE: Final = "SELECT sha256, bytes, format, width, height, has_alpha, transparent FROM images WHERE sha256 = ?"
IMAGES_AFTER: Final = """
    SELECT sha256, bytes, format, width, height, has_alpha, transparent FROM images
    WHERE sha256 > ? ORDER BY sha256 LIMIT ?"""
IMAGE_ORIGIN: Final = """
    SELECT a.attempt_id, i.step_key FROM images i LEFT JOIN attempts a ON a.attempt = i.attempt WHERE i.sha256 = ?"""
# gc: pictures that no slot, asset (present or previous) or blessing refers to
UNREFERENCED: Final = """
    SELECT sha256, bytes, format, width, height, has_alpha, transparent, i.created_at, coalesce(a.space, ''),
    coalesce((SELECT max(s.cost) FROM attempt_slots s WHERE s.attempt = i.attempt), 0)
    FROM images i LEFT JOIN attempts a ON a.attempt = i.attempt
    WHERE sha256 NOT IN (SELECT image FROM slots WHERE image IS NOT NULL)
    AND sha256 NOT IN (SELECT image FROM assets WHERE image IS NOT NULL)
    AND sha256 NOT IN (SELECT previous FROM assets WHERE previous IS NOT NULL) ORDER BY sha256"""
DROP_IMAGE: Final = "DELETE FROM images WHERE sha256 = ?"
# repair: a picture that is gone for good is to be asked again
LOSE_SLOTS: Final = (
    "UPDATE slots SET state = 'planned', reason = 'lost', image = NULL, buys = 0, usd = 0, updated_at = ? "
    "WHERE image = ?"
)
LOSE_ASSETS: Final = (
    "UPDATE assets SET state = 'planned', reason = 'lost', image = NULL, usd = 0, updated_at = ? WHERE image = ? "
    "RETURNING manifest, asset"
)
LOSE_PREVIOUS: Final = "UPDATE assets SET previous = NULL WHERE previous = ?"

# --- assets ---
# columns as assets.asset_of wants them; a WHERE clause follows
ASSETS: Final = """
    SELECT a.manifest, a.space, a.asset, a.shot, a.axes, a.step_id, a.depth, a.candidate, a.parent, a.model_alias,
    a.step_key, a.state, a.reason, a.path, a.usd, a.warnings, r.run_id, a.updated_at, a.previous,
    a.image, i.bytes, i.format, i.width, i.height, i.has_alpha, i.transparent
    FROM assets a LEFT JOIN images i ON i.sha256 = a.image LEFT JOIN runs r ON r.run = a.run """
# columns as assets.listed wants them
LISTED: Final = """
    SELECT a.asset, a.model_alias, a.state, a.reason, a.path, a.usd, a.warnings,
    a.image, i.bytes, i.format, i.width, i.height, i.has_alpha, i.transparent
    FROM assets a LEFT JOIN images i ON i.sha256 = a.image
    WHERE a.manifest = :manifest AND a.space = :space AND a.asset > :after ORDER BY a.asset LIMIT :page"""
# the same asset in another space, left later: what v_assets hides
LATEST_ONLY: Final = (
    " AND NOT EXISTS (SELECT 1 FROM assets o WHERE o.manifest = a.manifest AND o.asset = a.asset "
    "AND (o.updated_at, o.space) > (a.updated_at, a.space)) "
)
ASSET_KEYS: Final = "SELECT asset, step_key FROM assets WHERE manifest = ? AND space = ?"
# A run that changes nothing writes nothing, unless another space was looked at since.
PUT_ASSET: Final = """
    INSERT INTO assets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
    previous = CASE WHEN image IS NULL OR image IS excluded.image THEN coalesce(excluded.previous, previous)
        ELSE image END,
    made_key = CASE WHEN excluded.image IS NOT NULL THEN NULL WHEN image IS NOT NULL THEN step_key ELSE made_key END,
    state = excluded.state, reason = excluded.reason, usd = excluded.usd, updated_at = excluded.updated_at,
    run = excluded.run, step_key = excluded.step_key, image = excluded.image, shot = excluded.shot,
    axes = excluded.axes, step_id = excluded.step_id, depth = excluded.depth, candidate = excluded.candidate,
    parent = excluded.parent, model_alias = excluded.model_alias, path = excluded.path, warnings = excluded.warnings
    WHERE state <> excluded.state OR step_key IS NOT excluded.step_key OR image IS NOT excluded.image
    OR path <> excluded.path OR reason <> excluded.reason OR usd <> excluded.usd
    OR warnings IS NOT excluded.warnings OR axes <> excluded.axes OR model_alias <> excluded.model_alias
    OR shot <> excluded.shot OR step_id <> excluded.step_id OR parent IS NOT excluded.parent
    OR EXISTS (SELECT 1 FROM assets o WHERE o.manifest = assets.manifest AND o.asset = assets.asset
        AND (o.updated_at, o.space) > (assets.updated_at, assets.space))"""
# recall: the keys made from an input, and those a person blessed with a picture made from it
MADE_FROM: Final = """ WHERE a.step_key IN (SELECT step_key FROM key_inputs WHERE digest = :digest UNION
    SELECT b.step_key FROM blessings b JOIN key_inputs k ON k.step_key = b.old_key WHERE k.digest = :digest)
    ORDER BY a.manifest, a.asset"""
DROP_ASSET: Final = "DELETE FROM assets WHERE manifest = ? AND asset = ? AND space = ?"
# status
TALLIES: Final = """
    SELECT manifest, space, state, reason, assets, usd FROM tallies
    WHERE assets > 0 AND (:manifest IS NULL OR manifest = :manifest)"""

# --- placements ---
PLACEMENTS: Final = (
    "SELECT p.path, p.image, p.size, p.mtime_ns, p.space, p.asset FROM json_each(?) n "
    "CROSS JOIN placements p ON p.path = n.value"
)
# In ASCII "/" comes after ".": the extensions of a path, and not what lies in a folder of its name.
PLACEMENTS_NAMED: Final = """
    SELECT p.path, p.image, p.size, p.mtime_ns, p.space, p.asset FROM json_each(:stems) n
    CROSS JOIN placements p ON p.path > n.value || '.' AND p.path < n.value || '/'
    UNION ALL SELECT p.path, p.image, p.size, p.mtime_ns, p.space, p.asset FROM json_each(:stems) n
    CROSS JOIN placements p ON p.path > n.value || '~' AND p.path < n.value || '~~'"""
PLACEMENTS_UNDER: Final = (
    "SELECT path, image, size, mtime_ns, space, asset FROM placements WHERE path > ? AND path >= ? AND path < ? "
    "ORDER BY path LIMIT ?"
)
PUT_PLACEMENT: Final = (
    "INSERT INTO placements VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET image = excluded.image, "
    "size = excluded.size, mtime_ns = excluded.mtime_ns, space = excluded.space, asset = excluded.asset"
)
DROP_PLACEMENT: Final = "DELETE FROM placements WHERE path = ?"

# --- remembered between runs ---
FEED: Final = (
    "SELECT r.row_key, r.digest FROM feed_rows r JOIN feeds f ON f.feed = r.feed WHERE f.manifest = ? AND f.source = ?"
)
PUT_FEED: Final = (
    "INSERT INTO feeds (manifest, source, run_id, at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET run_id = excluded.run_id, at = excluded.at RETURNING feed"
)
KNOWN_FEED: Final = "SELECT feed FROM feeds WHERE manifest = ? AND source = ?"
PUT_FEED_ROW: Final = "INSERT INTO feed_rows VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET digest = excluded.digest"
DROP_FEED_ROW: Final = "DELETE FROM feed_rows WHERE feed = ? AND row_key = ?"
SPACE_OF: Final = "SELECT space FROM endpoints WHERE endpoint = ?"
PUT_ENDPOINT: Final = (
    "INSERT INTO endpoints VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET space = excluded.space, "
    "learned_at = excluded.learned_at"
)
DROP_ENDPOINT: Final = "DELETE FROM endpoints WHERE endpoint = ?"
LIMITS: Final = "SELECT learned, at FROM limits WHERE provider = ? AND key_fingerprint = ?"
ALL_LIMITS: Final = "SELECT provider, key_fingerprint, learned, at FROM limits ORDER BY provider, key_fingerprint"
PUT_LIMITS: Final = (
    "INSERT INTO limits VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET learned = excluded.learned, at = excluded.at"
)
PUT_INPUT: Final = "INSERT INTO inputs VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET notes = excluded.notes"
INPUT: Final = "SELECT source, notes FROM inputs WHERE digest = ? ORDER BY source"

# --- an endpoint turns out to be our own gateway: what it brought moves to the sketch space ---
MOVED: Final = (
    "CREATE TEMP TABLE moved AS SELECT a.attempt, a.attempt_id, a.space, a.manifest FROM attempts a "
    "JOIN routes t ON t.route = a.route WHERE t.endpoint = ? AND a.space <> ?"
)
FORGET_MOVED: Final = "DROP TABLE IF EXISTS temp.moved"
MOVE_SLOTS: Final = """
    INSERT INTO slots (space, step_key, state, reason, attempt_id, run, usd, buys, updated_at, warnings,
    image, bytes, format, width, height, has_alpha, transparent)
    SELECT :space, s.step_key, s.state, s.reason, s.attempt_id, s.run, s.usd, s.buys, s.updated_at, s.warnings,
    s.image, s.bytes, s.format, s.width, s.height, s.has_alpha, s.transparent
    FROM slots s JOIN temp.moved m ON m.attempt_id = s.attempt_id WHERE s.space <> :space
    ON CONFLICT DO UPDATE SET state = excluded.state, reason = excluded.reason, attempt_id = excluded.attempt_id,
    run = excluded.run, usd = excluded.usd, buys = buys + excluded.buys, updated_at = excluded.updated_at,
    warnings = excluded.warnings, image = excluded.image, bytes = excluded.bytes, format = excluded.format,
    width = excluded.width, height = excluded.height, has_alpha = excluded.has_alpha,
    transparent = excluded.transparent WHERE state <> 'done'"""
DROP_MOVED_SLOTS: Final = (
    "DELETE FROM slots WHERE space <> :space AND attempt_id IN (SELECT attempt_id FROM temp.moved)"
)
MOVE_CLAIMS: Final = "UPDATE OR IGNORE claims SET space = :space WHERE attempt IN (SELECT attempt FROM temp.moved)"
MOVE_ASSETS: Final = """
    UPDATE OR REPLACE assets SET space = :space WHERE (manifest, asset, space) IN
    (SELECT m.manifest, s.asset, m.space FROM temp.moved m JOIN attempt_slots s ON s.attempt = m.attempt)"""
MOVE_ATTEMPTS: Final = "UPDATE attempts SET space = :space WHERE attempt IN (SELECT attempt FROM temp.moved)"
