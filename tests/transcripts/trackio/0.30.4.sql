-- 0.30.4; user_version 0
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
INSERT INTO "alerts" VALUES(1,'0a30b767e00247768a6d7af8ee8078f5','2026-11-24T23:26:25.747248+00:00','first','first alert','with text','error',2,'146653e596294a02bba9db755f2c3fea');
INSERT INTO "alerts" VALUES(2,'0a30b767e00247768a6d7af8ee8078f5','2026-11-24T23:26:25.747276+00:00','first','second alert',NULL,'warn',2,'ab9885736f9c43ad85579766a70da95a');
INSERT INTO "alerts" VALUES(3,'ddb73b7d7b0e44449164b3f99241aff7','2026-11-24T23:26:25.811612+00:00','second','first alert','with text','error',2,'33995818965d46c9b76ea0e3836991a2');
INSERT INTO "alerts" VALUES(4,'ddb73b7d7b0e44449164b3f99241aff7','2026-11-24T23:26:25.811635+00:00','second','second alert',NULL,'warn',2,'444e2326371c43aa9191db4b0ed303af');
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
INSERT INTO "configs" VALUES(1,'0a30b767e00247768a6d7af8ee8078f5','first',X'7B226C72223A302E312C226C6179657273223A5B312C325D2C226C6F6E67223A7B226E616D65223A226669727374227D2C225F557365726E616D65223A6E756C6C2C225F43726561746564223A22323032362D31312D32345432333A32363A32352E3733313135382B30303A3030222C225F47726F7570223A6E756C6C7D','2026-11-24T23:26:25.801159+00:00');
INSERT INTO "configs" VALUES(2,'ddb73b7d7b0e44449164b3f99241aff7','second',X'7B226C72223A302E312C226C6179657273223A5B312C325D2C226C6F6E67223A7B226E616D65223A227365636F6E64227D2C225F557365726E616D65223A6E756C6C2C225F43726561746564223A22323032362D31312D32345432333A32363A32352E3831303435352B30303A3030222C225F47726F7570223A6E756C6C7D','2026-11-24T23:26:25.813187+00:00');
CREATE TABLE metrics (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT NOT NULL,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        step INTEGER NOT NULL,
                        metrics TEXT NOT NULL
                    , log_id TEXT, space_id TEXT);
INSERT INTO "metrics" VALUES(1,'0a30b767e00247768a6d7af8ee8078f5','2026-11-24T23:26:25.747339+00:00','first',0,X'7B226C6F7373223A312E302C226F6464223A224E614E222C2277686F6C65223A302C2264656570223A7B226572223A322E357D7D','717f8f7a95fa4b36933f75807bf4b2b5',NULL);
INSERT INTO "metrics" VALUES(2,'0a30b767e00247768a6d7af8ee8078f5','2026-11-24T23:26:25.747339+00:00','first',1,X'7B226C6F7373223A302E352C226F6464223A224E614E222C2277686F6C65223A312C2264656570223A7B226572223A322E357D7D','883b49df75c944c4ab34bde5ef3132a5',NULL);
INSERT INTO "metrics" VALUES(3,'0a30b767e00247768a6d7af8ee8078f5','2026-11-24T23:26:25.747339+00:00','first',2,X'7B226C6F7373223A302E333333333333333333333333333333332C226F6464223A224E614E222C2277686F6C65223A322C2264656570223A7B226572223A322E357D7D','1df456ce0adc48a5a4c69b991f089d83',NULL);
INSERT INTO "metrics" VALUES(4,'ddb73b7d7b0e44449164b3f99241aff7','2026-11-24T23:26:25.811676+00:00','second',0,X'7B226C6F7373223A312E302C226F6464223A224E614E222C2277686F6C65223A302C2264656570223A7B226572223A322E357D7D','87172c09c5854e3493963c120607ee09',NULL);
INSERT INTO "metrics" VALUES(5,'ddb73b7d7b0e44449164b3f99241aff7','2026-11-24T23:26:25.811676+00:00','second',1,X'7B226C6F7373223A302E352C226F6464223A224E614E222C2277686F6C65223A312C2264656570223A7B226572223A322E357D7D','64a25773a9a54e8cba7c0f23f3a30f3e',NULL);
INSERT INTO "metrics" VALUES(6,'ddb73b7d7b0e44449164b3f99241aff7','2026-11-24T23:26:25.811676+00:00','second',2,X'7B226C6F7373223A302E333333333333333333333333333333332C226F6464223A224E614E222C2277686F6C65223A322C2264656570223A7B226572223A322E357D7D','578b5d918c324b7f9001df1796ba2c45',NULL);
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
INSERT INTO "system_metrics" VALUES(1,'0a30b767e00247768a6d7af8ee8078f5','2026-11-24T23:26:25.747222+00:00','first',X'7B22677075223A302E352C2274656D7065726174757265223A36307D','55a68003b5bd46d7ab61fe97b808de69',NULL);
INSERT INTO "system_metrics" VALUES(2,'ddb73b7d7b0e44449164b3f99241aff7','2026-11-24T23:26:25.811590+00:00','second',X'7B22677075223A302E352C2274656D7065726174757265223A36307D','94b266b2b89c4959b30af4ba16a2ddbc',NULL);
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
                        space_id TEXT
                    );
CREATE INDEX idx_run_artifact_links_run
                    ON run_artifact_links(run_id, run_name)
                    ;
CREATE INDEX idx_run_artifact_links_version
                    ON run_artifact_links(artifact_version_id)
                    ;
CREATE UNIQUE INDEX idx_run_artifact_links_unique
                    ON run_artifact_links(run_id, artifact_version_id, direction)
                    ;
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('metrics',6);
INSERT INTO "sqlite_sequence" VALUES('configs',2);
INSERT INTO "sqlite_sequence" VALUES('system_metrics',2);
INSERT INTO "sqlite_sequence" VALUES('alerts',4);
COMMIT;
