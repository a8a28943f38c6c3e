"""The SQL of the contact sheet, one constant each: the attempts of a few thousand assets and what belongs to them."""

from typing import Final

from pipeline.ledger.queries import ATTEMPTS

# history: every other statement here begins with it. :names is a JSON array, so that thousands of assets are one look.
OF_ASSETS: Final = """
    WITH asked (asset) AS (SELECT value FROM json_each(:names)),
    own (attempt, step_key) AS (SELECT s.attempt, s.step_key FROM asked n
        CROSS JOIN attempt_slots s ON s.asset = n.asset JOIN attempts a ON a.attempt = s.attempt
        WHERE a.manifest = :manifest),
    shown (asset, step_key, attempt) AS (SELECT x.asset, x.step_key, a.attempt FROM asked n
        CROSS JOIN assets x ON x.manifest = :manifest AND x.asset = n.asset
        LEFT JOIN slots s ON s.space = x.space AND s.step_key = x.step_key
        LEFT JOIN attempts a ON a.attempt_id = s.attempt_id),
    theirs (attempt) AS (SELECT attempt FROM own UNION SELECT attempt FROM shown WHERE attempt IS NOT NULL)"""
THEIR_ATTEMPTS: Final = ATTEMPTS + " JOIN theirs h ON h.attempt = a.attempt ORDER BY a.attempt"
THEIR_PICTURES: Final = """
    SELECT a.attempt_id, r.run_id, a.space, s.asset, s.step_key, i.image, coalesce(a.ended_at, a.started_at), s.cost,
    i.revised_prompt FROM theirs t JOIN attempts a ON a.attempt = t.attempt JOIN runs r ON r.run = a.run
    JOIN attempt_slots s ON s.attempt = a.attempt
    JOIN attempt_images i ON i.attempt = s.attempt AND i.slot = s.position
    ORDER BY coalesce(a.ended_at, a.started_at), a.attempt, s.position"""
THEIR_KEYS: Final = """
    SELECT k.step_key, k.parts FROM (SELECT step_key FROM own
        UNION SELECT step_key FROM shown WHERE step_key IS NOT NULL
        UNION SELECT s.step_key FROM shown h JOIN attempt_slots s ON s.attempt = h.attempt) n
    JOIN keys k ON k.step_key = n.step_key"""
THEIR_INPUTS: Final = """
    , asked_keys (step_key) AS (SELECT step_key FROM own UNION SELECT step_key FROM shown WHERE step_key IS NOT NULL)
    SELECT i.digest, i.source FROM inputs i WHERE EXISTS (SELECT 1 FROM key_inputs k
        WHERE k.digest = i.digest AND k.step_key IN (SELECT step_key FROM asked_keys))
    ORDER BY i.digest, i.at DESC, i.source DESC"""
# the overview of an output folder: one asset shows as it was left last, whatever its space
STANDING: Final = """
    SELECT a.state, count(*), max(a.space = ''), max(a.updated_at) FROM assets a WHERE a.manifest = :manifest
    AND NOT EXISTS (SELECT 1 FROM assets o WHERE o.manifest = a.manifest AND o.asset = a.asset
        AND (o.updated_at, o.space) > (a.updated_at, a.space)) GROUP BY a.state"""
MANIFESTS: Final = "SELECT DISTINCT manifest FROM runs UNION SELECT DISTINCT manifest FROM assets ORDER BY 1"
