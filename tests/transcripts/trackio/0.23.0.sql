-- 0.23.0; user_version 0
BEGIN TRANSACTION;
CREATE TABLE alerts (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        title TEXT NOT NULL,
                        text TEXT,
                        level TEXT NOT NULL DEFAULT 'warn',
                        step INTEGER,
                        alert_id TEXT
                    );
INSERT INTO "alerts" VALUES(1,'2026-11-24T23:26:20.694178+00:00','first','first alert','with text','error',2,'10af8b120e6445b3ba2b62c4a20544e7');
INSERT INTO "alerts" VALUES(2,'2026-11-24T23:26:20.694200+00:00','first','second alert',NULL,'warn',2,'8d47d51106894e49b9a170a733954eec');
INSERT INTO "alerts" VALUES(3,'2026-11-24T23:26:20.823259+00:00','second','first alert','with text','error',2,'b302c88167d046eabf397e923a1388ca');
INSERT INTO "alerts" VALUES(4,'2026-11-24T23:26:20.823281+00:00','second','second alert',NULL,'warn',2,'96253e795e6b44ac9b92254453ed6629');
CREATE TABLE configs (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_name TEXT NOT NULL,
                        config TEXT NOT NULL,
                        created_at TEXT NOT NULL,
                        UNIQUE(run_name)
                    );
INSERT INTO "configs" VALUES(1,'first',X'7B226C72223A302E312C226C6179657273223A5B312C325D2C226C6F6E67223A7B226E616D65223A226669727374227D2C225F557365726E616D65223A6E756C6C2C225F43726561746564223A22323032362D31312D32345432333A32363A32302E3639303438342B30303A3030222C225F47726F7570223A6E756C6C7D','2026-11-24T23:26:20.757049+00:00');
INSERT INTO "configs" VALUES(2,'second',X'7B226C72223A302E312C226C6179657273223A5B312C325D2C226C6F6E67223A7B226E616D65223A227365636F6E64227D2C225F557365726E616D65223A6E756C6C2C225F43726561746564223A22323032362D31312D32345432333A32363A32302E3832323135372B30303A3030222C225F47726F7570223A6E756C6C7D','2026-11-24T23:26:20.824558+00:00');
CREATE TABLE metrics (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        step INTEGER NOT NULL,
                        metrics TEXT NOT NULL
                    , log_id TEXT, space_id TEXT);
INSERT INTO "metrics" VALUES(1,'2026-11-24T23:26:20.697981+00:00','first',0,X'7B226C6F7373223A312E302C226F6464223A224E614E222C2277686F6C65223A302C2264656570223A7B226572223A322E357D7D','0e34be7b9e49475ab210a306e0796c16',NULL);
INSERT INTO "metrics" VALUES(2,'2026-11-24T23:26:20.697981+00:00','first',1,X'7B226C6F7373223A302E352C226F6464223A224E614E222C2277686F6C65223A312C2264656570223A7B226572223A322E357D7D','931d724cf7294059bb45f286aa3f3136',NULL);
INSERT INTO "metrics" VALUES(3,'2026-11-24T23:26:20.697981+00:00','first',2,X'7B226C6F7373223A302E333333333333333333333333333333332C226F6464223A224E614E222C2277686F6C65223A322C2264656570223A7B226572223A322E357D7D','2296e6ecff2a43728f4d4eb527a4bed7',NULL);
INSERT INTO "metrics" VALUES(4,'2026-11-24T23:26:20.823322+00:00','second',0,X'7B226C6F7373223A312E302C226F6464223A224E614E222C2277686F6C65223A302C2264656570223A7B226572223A322E357D7D','928a920fab5841ff882613e0b07baca9',NULL);
INSERT INTO "metrics" VALUES(5,'2026-11-24T23:26:20.823322+00:00','second',1,X'7B226C6F7373223A302E352C226F6464223A224E614E222C2277686F6C65223A312C2264656570223A7B226572223A322E357D7D','5a509c5df11041069b490b85fc263e90',NULL);
INSERT INTO "metrics" VALUES(6,'2026-11-24T23:26:20.823322+00:00','second',2,X'7B226C6F7373223A302E333333333333333333333333333333332C226F6464223A224E614E222C2277686F6C65223A322C2264656570223A7B226572223A322E357D7D','3e76dd8efeb549af887477246c7d3b27',NULL);
CREATE TABLE pending_uploads (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        space_id TEXT NOT NULL,
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
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        metrics TEXT NOT NULL
                    , log_id TEXT, space_id TEXT);
INSERT INTO "system_metrics" VALUES(1,'2026-11-24T23:26:20.694152+00:00','first',X'7B22677075223A302E352C2274656D7065726174757265223A36307D','7ac0a709de7b466c9fd5f3e3c65813e2',NULL);
INSERT INTO "system_metrics" VALUES(2,'2026-11-24T23:26:20.823233+00:00','second',X'7B22677075223A302E352C2274656D7065726174757265223A36307D','e89ca4207e894f3a9009c9ba0da3b825',NULL);
CREATE INDEX idx_metrics_run_step
                    ON metrics(run_name, step)
                    ;
CREATE INDEX idx_configs_run_name
                    ON configs(run_name)
                    ;
CREATE INDEX idx_metrics_run_timestamp
                    ON metrics(run_name, timestamp)
                    ;
CREATE INDEX idx_system_metrics_run_timestamp
                    ON system_metrics(run_name, timestamp)
                    ;
CREATE INDEX idx_alerts_run
                    ON alerts(run_name)
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
