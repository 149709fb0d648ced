-- 0.43.0; user_version 2
BEGIN TRANSACTION;
CREATE TABLE alerts (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT NOT NULL,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        title TEXT NOT NULL,
                        text TEXT,
                        level TEXT NOT NULL DEFAULT 'warn',
                        step INTEGER,
                        alert_id TEXT
                    );
INSERT INTO "alerts" VALUES(1,'46dba1ee1c374cb289426a4853c6f7f0','2026-11-24T23:26:26.672484+00:00','first','first alert','with text','error',2,'caa8babfb7934907a5e6538056d4e37b');
INSERT INTO "alerts" VALUES(2,'46dba1ee1c374cb289426a4853c6f7f0','2026-11-24T23:26:26.672511+00:00','first','second alert',NULL,'warn',2,'ada532b7274e49fba2ea5b30d3e3fec8');
INSERT INTO "alerts" VALUES(3,'911cd90c8de5461ca201df232daca725','2026-11-24T23:26:26.895395+00:00','second','first alert','with text','error',2,'c713b6c31410453b95bf7459d175667b');
INSERT INTO "alerts" VALUES(4,'911cd90c8de5461ca201df232daca725','2026-11-24T23:26:26.895416+00:00','second','second alert',NULL,'warn',2,'02592d87531140ccb98048a330377eca');
CREATE TABLE artifact_aliases (
                        artifact_id INTEGER NOT NULL REFERENCES artifacts(id),
                        alias TEXT NOT NULL,
                        artifact_version_id INTEGER NOT NULL REFERENCES artifact_versions(id),
                        PRIMARY KEY (artifact_id, alias)
                    );
CREATE TABLE artifact_versions (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        artifact_id INTEGER NOT NULL REFERENCES artifacts(id),
                        version INTEGER NOT NULL,
                        manifest_digest TEXT NOT NULL,
                        manifest TEXT NOT NULL,
                        metadata TEXT,
                        size_bytes INTEGER NOT NULL,
                        producer_run_id TEXT,
                        producer_run_name TEXT,
                        created_at TEXT NOT NULL,
                        UNIQUE(artifact_id, version),
                        UNIQUE(artifact_id, manifest_digest)
                    );
CREATE TABLE artifacts (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        name TEXT NOT NULL UNIQUE,
                        type TEXT NOT NULL,
                        description TEXT,
                        created_at TEXT NOT NULL
                    );
CREATE TABLE configs (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        config TEXT NOT NULL,
                        created_at TEXT NOT NULL,
                        UNIQUE(run_id)
                    );
INSERT INTO "configs" VALUES(1,'46dba1ee1c374cb289426a4853c6f7f0','first',X'7B226C72223A302E312C226C6179657273223A5B312C325D2C226C6F6E67223A7B226E616D65223A226669727374227D2C225F557365726E616D65223A6E756C6C2C225F43726561746564223A22323032362D31312D32345432333A32363A32362E3636313633352B30303A3030222C225F47726F7570223A6E756C6C7D','2026-11-24T23:26:26.742194+00:00');
INSERT INTO "configs" VALUES(2,'911cd90c8de5461ca201df232daca725','second',X'7B226C72223A302E312C226C6179657273223A5B312C325D2C226C6F6E67223A7B226E616D65223A227365636F6E64227D2C225F557365726E616D65223A6E756C6C2C225F43726561746564223A22323032362D31312D32345432333A32363A32362E3839313938332B30303A3030222C225F47726F7570223A6E756C6C7D','2026-11-24T23:26:26.919780+00:00');
CREATE TABLE external_run_artifact_links (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT,
                        run_name TEXT,
                        source_project TEXT NOT NULL,
                        source_version_id INTEGER NOT NULL,
                        source_artifact TEXT NOT NULL,
                        source_type TEXT NOT NULL,
                        source_version INTEGER NOT NULL,
                        source_size_bytes INTEGER NOT NULL,
                        direction TEXT NOT NULL CHECK(direction IN ('input', 'output')),
                        created_at TEXT NOT NULL
                    );
CREATE TABLE metrics (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT NOT NULL,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        step INTEGER NOT NULL,
                        metrics TEXT NOT NULL
                    , log_id TEXT, space_id TEXT);
INSERT INTO "metrics" VALUES(1,'46dba1ee1c374cb289426a4853c6f7f0','2026-11-24T23:26:26.679174+00:00','first',0,X'7B226C6F7373223A312E302C226F6464223A224E614E222C2277686F6C65223A302C2264656570223A7B226572223A322E357D7D','5fbd0e787cef4f16acd7726190b14ebb',NULL);
INSERT INTO "metrics" VALUES(2,'46dba1ee1c374cb289426a4853c6f7f0','2026-11-24T23:26:26.679174+00:00','first',1,X'7B226C6F7373223A302E352C226F6464223A224E614E222C2277686F6C65223A312C2264656570223A7B226572223A322E357D7D','f7a7bcab77614ab788a841196b34b7f0',NULL);
INSERT INTO "metrics" VALUES(3,'46dba1ee1c374cb289426a4853c6f7f0','2026-11-24T23:26:26.679174+00:00','first',2,X'7B226C6F7373223A302E333333333333333333333333333333332C226F6464223A224E614E222C2277686F6C65223A322C2264656570223A7B226572223A322E357D7D','c8511b94f74d4bd98a62677ff3b5489a',NULL);
INSERT INTO "metrics" VALUES(4,'911cd90c8de5461ca201df232daca725','2026-11-24T23:26:26.895468+00:00','second',0,X'7B226C6F7373223A312E302C226F6464223A224E614E222C2277686F6C65223A302C2264656570223A7B226572223A322E357D7D','b45ee26e75d34be7ad2f693eb76a5b71',NULL);
INSERT INTO "metrics" VALUES(5,'911cd90c8de5461ca201df232daca725','2026-11-24T23:26:26.895468+00:00','second',1,X'7B226C6F7373223A302E352C226F6464223A224E614E222C2277686F6C65223A312C2264656570223A7B226572223A322E357D7D','4740f2b030ed404cb32fbefaf696ce3e',NULL);
INSERT INTO "metrics" VALUES(6,'911cd90c8de5461ca201df232daca725','2026-11-24T23:26:26.895468+00:00','second',2,X'7B226C6F7373223A302E333333333333333333333333333333332C226F6464223A224E614E222C2277686F6C65223A322C2264656570223A7B226572223A322E357D7D','3308110c432146f286755c2999b012e5',NULL);
CREATE TABLE pending_uploads (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        space_id TEXT NOT NULL,
                        run_id TEXT,
                        run_name TEXT,
                        step INTEGER,
                        file_path TEXT NOT NULL,
                        relative_path TEXT,
                        created_at TEXT NOT NULL
                    , kind TEXT NOT NULL DEFAULT 'media', digest TEXT);
CREATE TABLE project_metadata (
                        key TEXT PRIMARY KEY,
                        value TEXT NOT NULL
                    );
CREATE TABLE run_artifact_links (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT,
                        run_name TEXT,
                        run_project TEXT,
                        artifact_version_id INTEGER NOT NULL REFERENCES artifact_versions(id),
                        direction TEXT NOT NULL CHECK(direction IN ('input', 'output')),
                        created_at TEXT NOT NULL
                    );
CREATE TABLE system_metrics (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT NOT NULL,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        metrics TEXT NOT NULL
                    , log_id TEXT, space_id TEXT);
INSERT INTO "system_metrics" VALUES(1,'46dba1ee1c374cb289426a4853c6f7f0','2026-11-24T23:26:26.672456+00:00','first',X'7B22677075223A302E352C2274656D7065726174757265223A36307D','e816dd95beda4fa6a5cb1994d45a2140',NULL);
INSERT INTO "system_metrics" VALUES(2,'911cd90c8de5461ca201df232daca725','2026-11-24T23:26:26.895372+00:00','second',X'7B22677075223A302E352C2274656D7065726174757265223A36307D','f5f455567d2c4a63b350a055c8332460',NULL);
CREATE TABLE traces (
                        id TEXT PRIMARY KEY,
                        run_id TEXT NOT NULL,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        step INTEGER NOT NULL,
                        key TEXT NOT NULL,
                        trace_index INTEGER,
                        messages TEXT NOT NULL,
                        metadata TEXT NOT NULL,
                        search_text TEXT NOT NULL,
                        log_id TEXT,
                        space_id TEXT,
                        spans TEXT NOT NULL DEFAULT '[]'
                    );
CREATE INDEX idx_run_artifact_links_run
                    ON run_artifact_links(run_id, run_name)
                    ;
CREATE INDEX idx_run_artifact_links_name
                    ON run_artifact_links(run_name, run_id)
                    ;
CREATE INDEX idx_run_artifact_links_version
                    ON run_artifact_links(artifact_version_id)
                    ;
CREATE INDEX idx_run_artifact_links_project_run
                    ON run_artifact_links(run_project, run_id, run_name);
CREATE INDEX idx_external_artifact_links_run
                    ON external_run_artifact_links(run_id, run_name);
CREATE UNIQUE INDEX idx_external_artifact_links_unique
                    ON external_run_artifact_links(
                        COALESCE(run_id, ''), COALESCE(run_name, ''),
                        source_project, source_version_id, direction
                    );
CREATE INDEX idx_pending_uploads_kind
                    ON pending_uploads(kind)
                    ;
CREATE INDEX idx_metrics_run_step
                    ON metrics(run_id, step)
                    ;
CREATE INDEX idx_metrics_run_timestamp
                    ON metrics(run_id, timestamp)
                    ;
CREATE INDEX idx_configs_run_name
                    ON configs(run_name)
                    ;
CREATE INDEX idx_system_metrics_run_timestamp
                    ON system_metrics(run_id, timestamp)
                    ;
CREATE INDEX idx_traces_run_step
                    ON traces(run_id, step)
                    ;
CREATE INDEX idx_traces_run_timestamp
                    ON traces(run_id, timestamp)
                    ;
CREATE INDEX idx_traces_search
                    ON traces(search_text)
                    ;
CREATE INDEX idx_alerts_run
                    ON alerts(run_id)
                    ;
CREATE INDEX idx_alerts_timestamp
                    ON alerts(timestamp)
                    ;
CREATE UNIQUE INDEX idx_alerts_alert_id
                    ON alerts(alert_id) WHERE alert_id IS NOT NULL
                    ;
CREATE UNIQUE INDEX idx_metrics_log_id
                        ON metrics(log_id) WHERE log_id IS NOT NULL;
CREATE INDEX idx_metrics_pending
                        ON metrics(space_id) WHERE space_id IS NOT NULL;
CREATE UNIQUE INDEX idx_system_metrics_log_id
                        ON system_metrics(log_id) WHERE log_id IS NOT NULL;
CREATE INDEX idx_system_metrics_pending
                        ON system_metrics(space_id) WHERE space_id IS NOT NULL;
CREATE INDEX idx_metrics_run_record
                        ON metrics(run_id, run_name, timestamp);
CREATE UNIQUE INDEX idx_run_artifact_links_unique
                    ON run_artifact_links(
                        COALESCE(run_project, ''), COALESCE(run_id, ''),
                        COALESCE(run_name, ''), artifact_version_id, direction
                    );
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('metrics',6);
INSERT INTO "sqlite_sequence" VALUES('configs',2);
INSERT INTO "sqlite_sequence" VALUES('system_metrics',2);
INSERT INTO "sqlite_sequence" VALUES('alerts',4);
COMMIT;
