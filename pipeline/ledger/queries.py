"""The ledger's SQL, one constant each; the comment above says who reads or writes it and what must not change."""

from typing import Final

# --- the fence: read first in every write transaction ---
LATEST_EPOCH: Final = "SELECT max(epoch) FROM epochs"
OPEN_EPOCH: Final = "INSERT INTO epochs (host, boot_id, opened_at) VALUES (?, ?, ?)"
CLOSE_EPOCH: Final = "UPDATE epochs SET closed_at = ? WHERE epoch = ? AND epoch = (SELECT max(epoch) FROM epochs)"
# opening: did the last writer end orderly?
LAST_EPOCH: Final = "SELECT closed_at FROM epochs ORDER BY epoch DESC LIMIT 1"
META: Final = "SELECT value FROM meta WHERE name = ?"
SET_META: Final = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
DROP_META: Final = "DELETE FROM meta WHERE name = ?"

# --- runs ---
BEGIN_RUN: Final = (
    "INSERT INTO runs (run_id, manifest, space, epoch, started_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
END_RUN: Final = "UPDATE runs SET ended_at = ?, exit = ? WHERE run_id = ?"
RUN: Final = "SELECT run FROM runs WHERE run_id = ?"
# status, money of a run; columns as rows.run_of wants them
RUNS: Final = (
    "SELECT run_id, manifest, space, started_at, ended_at, exit, requests, retries, images, spent, unknown FROM runs "
)
# every change of an attempt's money goes through these two, so that the sums stay exact
COUNT_RUN: Final = (
    "UPDATE runs SET requests = requests + ?, retries = retries + ?, images = images + ?, spent = spent + ?, "
    "unknown = unknown + ? WHERE run = ?"
)
COUNT_MONTH: Final = (
    "INSERT INTO spending VALUES (strftime('%Y-%m', ? / 1000000, 'unixepoch'), ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "spent = spent + excluded.spent, unknown = unknown + excluded.unknown"
)
MONEY_OF_RUN: Final = "SELECT spent, unknown FROM runs WHERE run_id = ?"
MONEY_SINCE: Final = (
    "SELECT coalesce(sum(spent), 0), coalesce(sum(unknown), 0) FROM spending "
    "WHERE month >= :month AND (:manifest IS NULL OR manifest = :manifest)"
)
# the budget of an asset: what its attempts counted, over all runs; `sent` counts at its worst, as unknown does
MONEY_OF_ASSETS: Final = """
    SELECT n.value, sum(s.cost * (a.outcome IS NOT NULL AND (a.outcome <> 'unknown' OR a.decision IS NOT NULL))),
        sum(s.cost * (a.outcome IS NULL OR (a.outcome = 'unknown' AND a.decision IS NULL)))
    FROM json_each(?) n CROSS JOIN attempt_slots s ON s.asset = n.value
    JOIN attempts a ON a.attempt = s.attempt WHERE a.manifest = ? GROUP BY n.value"""

# --- opening an attempt ---
ADD_KEY: Final = "INSERT INTO keys VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
ADD_KEY_INPUT: Final = "INSERT INTO key_inputs VALUES (?, ?) ON CONFLICT DO NOTHING"
ADD_ROUTE: Final = (
    "INSERT INTO routes (provider, endpoint, protocol, model, key_fingerprint, boot_id) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
ROUTE: Final = (
    "SELECT route FROM routes WHERE provider = ? AND endpoint = ? AND protocol = ? AND model = ? "
    "AND key_fingerprint = ? AND boot_id = ?"
)
ADD_ATTEMPT: Final = (
    "INSERT INTO attempts (attempt_id, run, epoch, route, space, manifest, started_at, cost, cost_low, cost_high, "
    "estimated, notes, request_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)"
)
ADD_ATTEMPT_SLOT: Final = "INSERT INTO attempt_slots VALUES (?, ?, ?, ?, ?)"
# 0 rows changed: another attempt for it is open
CLAIM: Final = "INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
SLOT_STANDING: Final = "SELECT state, buys FROM slots WHERE space = ? AND step_key = ?"
# whether this run has asked for this asset's key before (a repeat)
TRIED_BEFORE: Final = """
    SELECT EXISTS (SELECT 1 FROM attempt_slots s JOIN attempts a ON a.attempt = s.attempt
    WHERE s.asset = ? AND s.step_key = ? AND a.run = ? AND a.attempt <> ?)"""

# --- settling and reconciling ---
ATTEMPT: Final = (
    "SELECT attempt, run, manifest, started_at, outcome, decision, cost, cost_high, space FROM attempts "
    "WHERE attempt_id = ?"
)
ATTEMPT_SLOTS: Final = "SELECT position, step_key, asset FROM attempt_slots WHERE attempt = ? ORDER BY position"
ATTEMPT_IMAGES: Final = "SELECT image, slot FROM attempt_images WHERE attempt = ? ORDER BY position"
SETTLE: Final = """
    UPDATE attempts SET outcome = ?, space = ?, ended_at = ?, cost = ?, cost_high = ?, estimated = ?, http_status = ?,
    error_code = ?, request_id = ?, remote_id = ?, message = ?, reason = ?, seconds = ?, culprit = ?, stage = ?,
    categories = ?, usage = ?, resolved = ?, recovered = ? WHERE attempt = ? AND outcome IS NULL"""
SHARE_COST: Final = "UPDATE attempt_slots SET cost = ? WHERE attempt = ? AND position = ?"
# as many rows as requests in flight: no index
DROP_CLAIMS: Final = "DELETE FROM claims WHERE attempt = ?"
ADD_IMAGE: Final = (
    "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET transparent = coalesce(excluded.transparent, transparent)"
)
ADD_ATTEMPT_IMAGE: Final = "INSERT INTO attempt_images VALUES (?, ?, ?, ?, ?, ?, ?)"
# A picture once there is only replaced by another that is done: an attempt that brought none takes nothing away.
PUT_SLOT: Final = """
    INSERT INTO slots (space, step_key, state, reason, attempt_id, run, usd, buys, updated_at, warnings,
    image, bytes, format, width, height, has_alpha, transparent)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    state = excluded.state, reason = excluded.reason, image = excluded.image, attempt_id = excluded.attempt_id,
    run = excluded.run, usd = excluded.usd, buys = buys + excluded.buys, updated_at = excluded.updated_at,
    warnings = excluded.warnings, bytes = excluded.bytes, format = excluded.format, width = excluded.width,
    height = excluded.height, has_alpha = excluded.has_alpha, transparent = excluded.transparent
    WHERE state <> 'done' OR excluded.state = 'done'"""
DECIDE: Final = """
    UPDATE attempts SET decision = ?, decided_at = ?, decision_note = ?, cost = ?
    WHERE attempt = ? AND outcome = 'unknown' AND decision IS NULL"""
# is there another unsettled attempt for this key?
STILL_UNKNOWN: Final = """
    SELECT EXISTS (SELECT 1 FROM attempts a JOIN attempt_slots s ON s.attempt = a.attempt
    WHERE a.outcome = 'unknown' AND a.decision IS NULL AND a.attempt <> ? AND a.space = ? AND s.step_key = ?)"""
DECIDE_SLOT: Final = """
    UPDATE slots SET state = ?, reason = ?, buys = max(0, CASE WHEN ? THEN 0 ELSE buys + ? END), updated_at = ?
    WHERE space = ? AND step_key = ? AND state = 'unknown'"""
LOWER_BUYS: Final = "UPDATE slots SET buys = max(0, buys - 1) WHERE space = ? AND step_key = ?"
DECIDE_ASSETS: Final = (
    "UPDATE assets SET state = ?, reason = ?, updated_at = ? WHERE state = 'unknown' AND step_key = ? AND space = ?"
)

# --- reading attempts ---
# recover; then each one's slots with their parts
OPEN_ATTEMPTS: Final = """
    SELECT a.attempt, a.attempt_id, r.run_id, a.space, a.manifest, t.provider, t.endpoint, t.protocol, t.model,
    t.key_fingerprint, t.boot_id, a.cost_low, a.cost_high, a.request_digest, a.started_at, a.notes
    FROM attempts a JOIN runs r ON r.run = a.run JOIN routes t ON t.route = a.route
    WHERE a.outcome IS NULL AND a.epoch < ? ORDER BY a.attempt"""
INTENT: Final = OPEN_ATTEMPTS.replace("a.outcome IS NULL AND a.epoch < ?", "a.attempt_id = ?")
INTENT_SLOTS: Final = """
    SELECT s.step_key, k.parts, s.asset FROM attempt_slots s JOIN keys k ON k.step_key = s.step_key
    WHERE s.attempt = ? ORDER BY s.position"""
# columns as rows.attempt_of wants them; a WHERE clause follows
ATTEMPTS: Final = """
    SELECT a.attempt_id, r.run_id, a.space, a.manifest, t.provider, t.endpoint, t.model, a.started_at, a.ended_at,
    a.outcome, a.decision, a.http_status, a.error_code, a.request_id, a.cost, a.cost_high, a.estimated, a.message,
    a.seconds, a.culprit, t.boot_id,
    (SELECT json_group_array(hex(step_key)) FROM
        (SELECT step_key FROM attempt_slots s WHERE s.attempt = a.attempt ORDER BY position)),
    (SELECT json_group_array(asset) FROM
        (SELECT asset FROM attempt_slots s WHERE s.attempt = a.attempt ORDER BY position)),
    (SELECT revised_prompt FROM attempt_images i WHERE i.attempt = a.attempt ORDER BY position LIMIT 1), a.attempt
    FROM attempts a JOIN runs r ON r.run = a.run JOIN routes t ON t.route = a.route """
# reconcile, status, doctor, the exit of a run
UNSETTLED: Final = f"""{ATTEMPTS}
    WHERE a.outcome = 'unknown' AND a.decision IS NULL AND (:manifest IS NULL OR a.manifest = :manifest)
    ORDER BY a.attempt"""
# one of the conditions that may follow: as v_attempts shows it
STANDS_AS: Final = (
    "CASE WHEN a.outcome IS NULL THEN 'sent' WHEN a.decision IS NOT NULL THEN 'failed' ELSE a.outcome END = ?"
)
# a day's quota: pictures that one host made, or perhaps made, for one key
MADE_SINCE: Final = """
    SELECT count(*) FROM runs r JOIN attempts a ON a.run = r.run JOIN routes t ON t.route = a.route
    JOIN attempt_slots s ON s.attempt = a.attempt
    WHERE (r.ended_at IS NULL OR r.ended_at >= :since) AND a.started_at >= :since
    AND (a.outcome IS NULL OR a.outcome IN ('done', 'unknown')) AND coalesce(a.decision, '') != 'not_billed'
    AND t.endpoint = :endpoint AND (:fingerprint IS NULL OR t.key_fingerprint = :fingerprint)"""
# time left and plan: the latest answers of one model at one provider
LATENCIES: Final = """
    SELECT a.seconds FROM (SELECT * FROM attempts ORDER BY attempt DESC LIMIT 5000) a
    JOIN routes t ON t.route = a.route
    WHERE a.outcome = 'done' AND t.provider = ? AND t.model = ? ORDER BY a.attempt DESC LIMIT ?"""
