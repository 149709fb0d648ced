-- 0.4.0; user_version 0
BEGIN TRANSACTION;
CREATE TABLE configs (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        run_name TEXT NOT NULL,
                        config TEXT NOT NULL,
                        created_at TEXT NOT NULL,
                        UNIQUE(run_name)
                    );
INSERT INTO "configs" VALUES(1,'first','{"lr": 0.1, "layers": [1, 2], "long": {"name": "first"}, "_Username": null, "_Created": "2026-11-24T23:25:38.698919+00:00"}','2026-11-24T23:25:39.271949');
INSERT INTO "configs" VALUES(2,'second','{"lr": 0.1, "layers": [1, 2], "long": {"name": "second"}, "_Username": null, "_Created": "2026-11-24T23:25:39.795536+00:00"}','2026-11-24T23:25:40.369461');
CREATE TABLE metrics (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        timestamp TEXT NOT NULL,
                        run_name TEXT NOT NULL,
                        step INTEGER NOT NULL,
                        metrics TEXT NOT NULL
                    );
INSERT INTO "metrics" VALUES(1,'2026-11-24T23:25:39.238028','first',0,'{"loss": 1.0, "odd": "NaN", "whole": 0, "deep": {"er": 2.5}}');
INSERT INTO "metrics" VALUES(2,'2026-11-24T23:25:39.238028','first',1,'{"loss": 0.5, "odd": "NaN", "whole": 1, "deep": {"er": 2.5}}');
INSERT INTO "metrics" VALUES(3,'2026-11-24T23:25:39.238028','first',2,'{"loss": 0.3333333333333333, "odd": "NaN", "whole": 2, "deep": {"er": 2.5}}');
INSERT INTO "metrics" VALUES(4,'2026-11-24T23:25:40.368495','second',0,'{"loss": 1.0, "odd": "NaN", "whole": 0, "deep": {"er": 2.5}}');
INSERT INTO "metrics" VALUES(5,'2026-11-24T23:25:40.368495','second',1,'{"loss": 0.5, "odd": "NaN", "whole": 1, "deep": {"er": 2.5}}');
INSERT INTO "metrics" VALUES(6,'2026-11-24T23:25:40.368495','second',2,'{"loss": 0.3333333333333333, "odd": "NaN", "whole": 2, "deep": {"er": 2.5}}');
CREATE INDEX idx_metrics_run_step
                    ON metrics(run_name, step)
                    ;
CREATE INDEX idx_configs_run_name
                    ON configs(run_name)
                    ;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('metrics',6);
INSERT INTO "sqlite_sequence" VALUES('configs',2);
COMMIT;
