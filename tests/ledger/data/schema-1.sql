PRAGMA application_id = 1885958245;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'pipeline','0001_first','2026-11-21 13:07:20.744502+00:00');
CREATE TABLE assets (
        manifest TEXT NOT NULL, asset TEXT NOT NULL, space TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        usd INTEGER NOT NULL, updated_at INTEGER NOT NULL, run INTEGER, step_key BLOB, image BLOB, previous BLOB,
        made_key BLOB, shot TEXT NOT NULL, axes TEXT NOT NULL, step_id TEXT NOT NULL, depth INTEGER NOT NULL,
        candidate INTEGER NOT NULL, parent TEXT, model_alias TEXT NOT NULL, path TEXT NOT NULL, warnings TEXT,
        PRIMARY KEY (manifest, asset, space)) WITHOUT ROWID;
INSERT INTO "assets" VALUES('shop','hero/1','','done','',70001,1795303800123456,1,X'30FBFA2B076E4B8C344B51F32E5B9CC119F18B04003C945EF5CAE8FE304E2E8E',X'7692C3AD3540BB803C020B3AEE66CD8887123234EA0C6E7143C0ADD73FF431ED',NULL,NULL,'hero','[["product","1"]]','',0,1,NULL,'main','hero/1.png',NULL);
CREATE TABLE attempt_images (
        attempt INTEGER NOT NULL, position INTEGER NOT NULL, image BLOB NOT NULL, slot INTEGER, reason TEXT NOT NULL,
        revised_prompt TEXT, warnings TEXT,
        PRIMARY KEY (attempt, position)) WITHOUT ROWID;
INSERT INTO "attempt_images" VALUES(1,0,X'7692C3AD3540BB803C020B3AEE66CD8887123234EA0C6E7143C0ADD73FF431ED',0,'',NULL,NULL);
CREATE TABLE attempt_slots (
        attempt INTEGER NOT NULL, position INTEGER NOT NULL, step_key BLOB NOT NULL, asset TEXT NOT NULL,
        cost INTEGER NOT NULL,
        PRIMARY KEY (attempt, position)) WITHOUT ROWID;
INSERT INTO "attempt_slots" VALUES(1,0,X'30FBFA2B076E4B8C344B51F32E5B9CC119F18B04003C945EF5CAE8FE304E2E8E','hero/1',70001);
INSERT INTO "attempt_slots" VALUES(2,0,X'C25D1B0E93A58C1092D2A335BF4195BA5589FD52597C88CF986BBBEF628B99A7','hero/2',100001);
CREATE TABLE attempts (
        attempt INTEGER PRIMARY KEY, attempt_id TEXT NOT NULL UNIQUE, run INTEGER NOT NULL, epoch INTEGER NOT NULL,
        route INTEGER NOT NULL, space TEXT NOT NULL, manifest TEXT NOT NULL, started_at INTEGER NOT NULL,
        outcome TEXT CHECK (outcome IN ('done', 'refused', 'failed', 'unknown')), ended_at INTEGER,
        cost INTEGER NOT NULL, cost_low INTEGER NOT NULL, cost_high INTEGER NOT NULL, estimated INTEGER NOT NULL,
        http_status INTEGER, error_code TEXT, request_id TEXT, remote_id TEXT, message TEXT, reason TEXT,
        seconds REAL, culprit TEXT, stage TEXT, categories TEXT, usage TEXT, resolved TEXT, notes TEXT,
        request_digest BLOB NOT NULL, recovered INTEGER,
        decision TEXT CHECK (decision IN ('billed', 'not_billed', 'rebuy')), decided_at INTEGER, decision_note TEXT,
        CHECK (decision IS NULL OR outcome = 'unknown'));
INSERT INTO "attempts" VALUES(1,'attempt-1',1,1,1,'','shop',1795303800123456,'done',1795303840123456,70001,40000,100001,1,200,NULL,NULL,NULL,NULL,NULL,40.0,NULL,NULL,NULL,NULL,NULL,'["photo turned upright"]',X'1F58B9145B24D108D7AC38887338B3EA3229833B9C1E418250343F907BFD1047',0,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(2,'attempt-2',1,1,1,'','shop',1795303800123456,NULL,NULL,100001,40000,100001,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'["photo turned upright"]',X'1F58B9145B24D108D7AC38887338B3EA3229833B9C1E418250343F907BFD1047',NULL,NULL,NULL,NULL);
CREATE TABLE blessings (
        blessing INTEGER PRIMARY KEY, space TEXT NOT NULL, step_key BLOB NOT NULL, old_key BLOB NOT NULL,
        image BLOB NOT NULL, manifest TEXT NOT NULL, asset TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE claims (
        space TEXT NOT NULL, step_key BLOB NOT NULL, attempt INTEGER NOT NULL,
        PRIMARY KEY (space, step_key)) WITHOUT ROWID;
INSERT INTO "claims" VALUES('',X'C25D1B0E93A58C1092D2A335BF4195BA5589FD52597C88CF986BBBEF628B99A7',2);
CREATE TABLE endpoints (
        endpoint TEXT PRIMARY KEY, space TEXT NOT NULL, learned_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE epochs (
        epoch INTEGER PRIMARY KEY, host TEXT NOT NULL, boot_id TEXT NOT NULL, opened_at INTEGER NOT NULL,
        closed_at INTEGER);
INSERT INTO "epochs" VALUES(1,'host','boot',1795303801123456,1795303804123456);
CREATE TABLE feed_rows (
        feed INTEGER NOT NULL, row_key TEXT NOT NULL, digest BLOB NOT NULL,
        PRIMARY KEY (feed, row_key)) WITHOUT ROWID;
CREATE TABLE feeds (
        feed INTEGER PRIMARY KEY, manifest TEXT NOT NULL, source TEXT NOT NULL, run_id TEXT NOT NULL,
        at INTEGER NOT NULL, UNIQUE (manifest, source));
INSERT INTO "feeds" VALUES(1,'shop','products','run-1',1795303803123456);
CREATE TABLE images (
        sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32), bytes INTEGER NOT NULL, format TEXT NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, has_alpha INTEGER NOT NULL, transparent REAL,
        created_at INTEGER NOT NULL, attempt INTEGER, step_key BLOB) WITHOUT ROWID;
INSERT INTO "images" VALUES(X'7692C3AD3540BB803C020B3AEE66CD8887123234EA0C6E7143C0ADD73FF431ED',3,'png',1024,768,0,NULL,1795303840123456,1,X'30FBFA2B076E4B8C344B51F32E5B9CC119F18B04003C945EF5CAE8FE304E2E8E');
CREATE TABLE inputs (
        digest BLOB NOT NULL, source TEXT NOT NULL, notes TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (digest, source)) WITHOUT ROWID;
CREATE TABLE key_inputs (
        digest BLOB NOT NULL, step_key BLOB NOT NULL, PRIMARY KEY (digest, step_key)) WITHOUT ROWID;
INSERT INTO "key_inputs" VALUES(X'9B73CE2E5C72E9C8EB35AE3F509EF901B26ED3E9811F0782F3633CCEAB140918',X'C25D1B0E93A58C1092D2A335BF4195BA5589FD52597C88CF986BBBEF628B99A7');
INSERT INTO "key_inputs" VALUES(X'E5A5555D73BC0E1568D65563ABF327BD6C0B9B9DC3336E86E0B17E865E9EE6D2',X'30FBFA2B076E4B8C344B51F32E5B9CC119F18B04003C945EF5CAE8FE304E2E8E');
CREATE TABLE keys (
        step_key BLOB NOT NULL UNIQUE CHECK (length(step_key) = 32), key_version INTEGER NOT NULL,
        parts TEXT NOT NULL);
INSERT INTO "keys" VALUES(X'30FBFA2B076E4B8C344B51F32E5B9CC119F18B04003C945EF5CAE8FE304E2E8E',1,'{"candidate":1,"inputs":[["image","e5a5555d73bc0e1568d65563abf327bd6c0b9b9dc3336e86e0b17e865e9ee6d2"]],"key_version":1,"model":"gpt-image-2","params":{"quality":"high","size":"1024x1024"},"prompt":"a “red” mug, number 1","protocol":"images"}');
INSERT INTO "keys" VALUES(X'C25D1B0E93A58C1092D2A335BF4195BA5589FD52597C88CF986BBBEF628B99A7',1,'{"candidate":1,"inputs":[["image","9b73ce2e5c72e9c8eb35ae3f509ef901b26ed3e9811f0782f3633cceab140918"]],"key_version":1,"model":"gpt-image-2","params":{"quality":"high","size":"1024x1024"},"prompt":"a “red” mug, number 2","protocol":"images"}');
CREATE TABLE limits (
        provider TEXT NOT NULL, key_fingerprint TEXT NOT NULL, learned TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (provider, key_fingerprint)) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('host','host');
INSERT INTO "meta" VALUES('key_version','1');
CREATE TABLE placements (
        path TEXT PRIMARY KEY, image BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        space TEXT NOT NULL, asset TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE routes (
        route INTEGER PRIMARY KEY, provider TEXT NOT NULL, endpoint TEXT NOT NULL, protocol TEXT NOT NULL,
        model TEXT NOT NULL, key_fingerprint TEXT NOT NULL, boot_id TEXT NOT NULL,
        UNIQUE (endpoint, provider, protocol, model, key_fingerprint, boot_id));
INSERT INTO "routes" VALUES(1,'main','https://images.example/v1','images','gpt-image-2','0a1b2c3d','boot');
CREATE TABLE runs (
        run INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, manifest TEXT NOT NULL, space TEXT NOT NULL,
        epoch INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, exit INTEGER,
        requests INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0, images INTEGER NOT NULL DEFAULT 0,
        spent INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0);
INSERT INTO "runs" VALUES(1,'run-1','shop','',1,1795303802123456,NULL,NULL,2,0,1,70001,100001);
CREATE TABLE slots (
        space TEXT NOT NULL, step_key BLOB NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, image BLOB,
        attempt_id TEXT NOT NULL, run INTEGER NOT NULL, usd INTEGER NOT NULL, buys INTEGER NOT NULL,
        updated_at INTEGER NOT NULL, warnings TEXT, bytes INTEGER, format TEXT, width INTEGER, height INTEGER,
        has_alpha INTEGER, transparent REAL,
        PRIMARY KEY (space, step_key)) WITHOUT ROWID;
INSERT INTO "slots" VALUES('',X'30FBFA2B076E4B8C344B51F32E5B9CC119F18B04003C945EF5CAE8FE304E2E8E','done','',X'7692C3AD3540BB803C020B3AEE66CD8887123234EA0C6E7143C0ADD73FF431ED','attempt-1',1,70001,1,1795303840123456,NULL,3,'png',1024,768,0,NULL);
CREATE TABLE spending (
        month TEXT NOT NULL, manifest TEXT NOT NULL, spent INTEGER NOT NULL, unknown INTEGER NOT NULL,
        PRIMARY KEY (month, manifest)) WITHOUT ROWID;
INSERT INTO "spending" VALUES('2026-11','shop',70001,100001);
CREATE TABLE tallies (
        manifest TEXT NOT NULL, space TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        assets INTEGER NOT NULL, usd INTEGER NOT NULL,
        PRIMARY KEY (manifest, space, state, reason)) WITHOUT ROWID;
INSERT INTO "tallies" VALUES('shop','','done','',1,70001);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX runs_by_manifest ON runs (manifest);
CREATE INDEX attempts_by_run ON attempts (run);
CREATE INDEX attempts_open ON attempts (epoch) WHERE outcome IS NULL;
CREATE INDEX attempts_unsettled ON attempts (manifest) WHERE outcome = 'unknown' AND decision IS NULL;
CREATE INDEX attempt_slots_by_asset ON attempt_slots (asset);
CREATE INDEX assets_by_key ON assets (step_key);
CREATE TRIGGER assets_inserted AFTER INSERT ON assets BEGIN
        INSERT INTO tallies VALUES (new.manifest, new.space, new.state, new.reason, 1, new.usd)
        ON CONFLICT DO UPDATE SET assets = assets + 1, usd = usd + excluded.usd;
        END;
CREATE TRIGGER assets_deleted AFTER DELETE ON assets BEGIN
        UPDATE tallies SET assets = assets - 1, usd = usd - old.usd WHERE manifest = old.manifest
        AND space = old.space AND state = old.state AND reason = old.reason;
        END;
CREATE TRIGGER assets_updated AFTER UPDATE OF space, state, reason, usd ON assets
        WHEN (old.space, old.state, old.reason, old.usd) <> (new.space, new.state, new.reason, new.usd) BEGIN
        UPDATE tallies SET assets = assets - 1, usd = usd - old.usd WHERE manifest = old.manifest
        AND space = old.space AND state = old.state AND reason = old.reason;
        INSERT INTO tallies VALUES (new.manifest, new.space, new.state, new.reason, 1, new.usd)
        ON CONFLICT DO UPDATE SET assets = assets + 1, usd = usd + excluded.usd;
        END;
CREATE VIEW v_assets AS SELECT
        a.manifest AS manifest, a.asset AS asset, nullif(lower(hex(a.step_key)), '') AS step_key, a.state AS state,
        a.reason AS reason, nullif(lower(hex(a.image)), '') AS sha256, a.path AS path, i.width AS width, i.height AS height,
        round(a.usd / 1000000.0, 6) AS usd, strftime('%Y-%m-%dT%H:%M:%S', a.updated_at / 1000000, 'unixepoch') || printf('.%06dZ', a.updated_at % 1000000) AS updated_at
        FROM assets a LEFT JOIN images i ON i.sha256 = a.image
        WHERE NOT EXISTS (SELECT 1 FROM assets o WHERE o.manifest = a.manifest AND o.asset = a.asset
            AND (o.updated_at, o.space) > (a.updated_at, a.space));
CREATE VIEW v_attempts AS SELECT
        a.attempt_id AS attempt_id, r.run_id AS run_id, nullif(lower(hex(s.step_key)), '') AS step_key, s.asset AS asset,
        t.provider AS provider, t.model AS model, strftime('%Y-%m-%dT%H:%M:%S', a.started_at / 1000000, 'unixepoch') || printf('.%06dZ', a.started_at % 1000000) AS started_at,
        strftime('%Y-%m-%dT%H:%M:%S', a.ended_at / 1000000, 'unixepoch') || printf('.%06dZ', a.ended_at % 1000000) AS ended_at,
        CASE WHEN a.outcome IS NULL THEN 'sent' WHEN a.decision IS NOT NULL THEN 'failed' ELSE a.outcome END
        AS outcome,
        a.http_status AS http_status, a.error_code AS error_code, a.request_id AS request_id,
        round(a.cost / 1000000.0, 6) AS usd, a.estimated AS usd_is_estimate, a.message AS message
        FROM attempts a JOIN runs r ON r.run = a.run JOIN routes t ON t.route = a.route
        JOIN attempt_slots s ON s.attempt = a.attempt AND s.position = 0;
CREATE VIEW v_attempt_slots AS SELECT
        a.attempt_id AS attempt_id, s.position AS position, nullif(lower(hex(s.step_key)), '') AS step_key, s.asset AS asset,
        nullif(lower(hex(i.image)), '') AS sha256, round(s.cost / 1000000.0, 6) AS usd
        FROM attempt_slots s JOIN attempts a ON a.attempt = s.attempt
        LEFT JOIN attempt_images i ON i.attempt = s.attempt AND i.slot = s.position;
CREATE VIEW v_runs AS SELECT
        run_id AS run_id, manifest AS manifest, strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000000, 'unixepoch') || printf('.%06dZ', started_at % 1000000) AS started_at, strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch') || printf('.%06dZ', ended_at % 1000000) AS ended_at,
        exit AS exit, requests AS requests, images AS images, round(spent / 1000000.0, 6) AS usd FROM runs;
CREATE VIEW v_images AS SELECT
        nullif(lower(hex(sha256)), '') AS sha256, bytes AS bytes, 'image/' || format AS media_type, width AS width,
        height AS height, has_alpha AS has_alpha, strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch') || printf('.%06dZ', created_at % 1000000) AS created_at,
        nullif(lower(hex(step_key)), '') AS step_key FROM images;
COMMIT;
