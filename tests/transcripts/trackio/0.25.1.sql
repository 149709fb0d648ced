-- 0.25.1; user_version 0
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
INSERT INTO "alerts" VALUES(1,'3f2ec47d09fe490fb342c034d71015f6','2026-11-24T23:26:23.177279+00:00','first','first alert','with text','error',2,'c44736e75d884ef48fe2b7500a7ab9b7');
INSERT INTO "alerts" VALUES(2,'3f2ec47d09fe490fb342c034d71015f6','2026-11-24T23:26:23.177305+00:00','first','second alert',NULL,'warn',2,'1f07016555464970850576381208c17a');
INSERT INTO "alerts" VALUES(3,'1edbd34d9559402ca0df0b6296dbc991','2026-11-24T23:26:23.316986+00:00','second','first alert','with text','error',2,'8e1879e0f3b948dc98747ca2fbd8556e');
INSERT INTO "alerts" VALUES(4,'1edbd34d9559402ca0df0b6296dbc991','2026-11-24T23:26:23.317009+00:00','second','second alert',NULL,'warn',2,'f3854be177e443f9a1508415841dae85');
CREATE TABLE configs (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        config TEXT NOT NULL,
                        created_at TEXT NOT NULL,
                        UNIQUE(run_id)
                    );
INSERT INTO "configs" VALUES(1,'3f2ec47d09fe490fb342c034d71015f6','first',X'7B226C72223A302E312C226C6179657273223A5B312C325D2C226C6F6E67223A7B226E616D65223A226669727374227D2C225F557365726E616D65223A6E756C6C2C225F43726561746564223A22323032362D31312D32345432333A32363A32332E3137343531342B30303A3030222C225F47726F7570223A6E756C6C7D','2026-11-24T23:26:23.230257+00:00');
INSERT INTO "configs" VALUES(2,'1edbd34d9559402ca0df0b6296dbc991','second',X'7B226C72223A302E312C226C6179657273223A5B312C325D2C226C6F6E67223A7B226E616D65223A227365636F6E64227D2C225F557365726E616D65223A6E756C6C2C225F43726561746564223A22323032362D31312D32345432333A32363A32332E3331313138362B30303A3030222C225F47726F7570223A6E756C6C7D','2026-11-24T23:26:23.318820+00:00');
CREATE TABLE metrics (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT NOT NULL,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        step INTEGER NOT NULL,
                        metrics TEXT NOT NULL
                    , log_id TEXT, space_id TEXT);
INSERT INTO "metrics" VALUES(1,'3f2ec47d09fe490fb342c034d71015f6','2026-11-24T23:26:23.177350+00:00','first',0,X'7B226C6F7373223A312E302C226F6464223A224E614E222C2277686F6C65223A302C2264656570223A7B226572223A322E357D7D','0e0066b8a9d14ec0bc4c21adf9678657',NULL);
INSERT INTO "metrics" VALUES(2,'3f2ec47d09fe490fb342c034d71015f6','2026-11-24T23:26:23.177350+00:00','first',1,X'7B226C6F7373223A302E352C226F6464223A224E614E222C2277686F6C65223A312C2264656570223A7B226572223A322E357D7D','ad2629d272064d348c90a4d01a322b9d',NULL);
INSERT INTO "metrics" VALUES(3,'3f2ec47d09fe490fb342c034d71015f6','2026-11-24T23:26:23.177350+00:00','first',2,X'7B226C6F7373223A302E333333333333333333333333333333332C226F6464223A224E614E222C2277686F6C65223A322C2264656570223A7B226572223A322E357D7D','3d9e272d85484b1eb74efd2ff1a03246',NULL);
INSERT INTO "metrics" VALUES(4,'1edbd34d9559402ca0df0b6296dbc991','2026-11-24T23:26:23.317059+00:00','second',0,X'7B226C6F7373223A312E302C226F6464223A224E614E222C2277686F6C65223A302C2264656570223A7B226572223A322E357D7D','2b9b02c2a4aa4ba3a9ae48b856a9ddc3',NULL);
INSERT INTO "metrics" VALUES(5,'1edbd34d9559402ca0df0b6296dbc991','2026-11-24T23:26:23.317059+00:00','second',1,X'7B226C6F7373223A302E352C226F6464223A224E614E222C2277686F6C65223A312C2264656570223A7B226572223A322E357D7D','2a6f5d95cef74d7cbd0cc41da2236eef',NULL);
INSERT INTO "metrics" VALUES(6,'1edbd34d9559402ca0df0b6296dbc991','2026-11-24T23:26:23.317059+00:00','second',2,X'7B226C6F7373223A302E333333333333333333333333333333332C226F6464223A224E614E222C2277686F6C65223A322C2264656570223A7B226572223A322E357D7D','fcef3cfc792349bca31a555827cb25bd',NULL);
CREATE TABLE pending_uploads (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        space_id TEXT NOT NULL,
                        run_id TEXT,
                        run_name TEXT,
                        step INTEGER,
                        file_path TEXT NOT NULL,
                        relative_path TEXT,
                        created_at TEXT NOT NULL
                    );
CREATE TABLE project_metadata (
                        key TEXT PRIMARY KEY,
                        value TEXT NOT NULL
                    );
CREATE TABLE system_metrics (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_id TEXT NOT NULL,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        metrics TEXT NOT NULL
                    , log_id TEXT, space_id TEXT);
INSERT INTO "system_metrics" VALUES(1,'3f2ec47d09fe490fb342c034d71015f6','2026-11-24T23:26:23.177253+00:00','first',X'7B22677075223A302E352C2274656D7065726174757265223A36307D','0619d5da1743424892f19a091eff3d24',NULL);
INSERT INTO "system_metrics" VALUES(2,'1edbd34d9559402ca0df0b6296dbc991','2026-11-24T23:26:23.316960+00:00','second',X'7B22677075223A302E352C2274656D7065726174757265223A36307D','8e1e173fa05a4ed5a0287521ded31f97',NULL);
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
