"""The projection's tables.

After a change, raise `SCHEMA`: every store is then rebuilt from the journals.
"""

__all__ = ["SCHEMA", "TABLES"]

SCHEMA = 12

TABLES = """
CREATE TABLE writer (
    id TEXT PRIMARY KEY, project TEXT NOT NULL, run TEXT NOT NULL,
    "offset" INTEGER NOT NULL, crc INTEGER NOT NULL,  -- the position up to which it is projected
    clock INTEGER NOT NULL, records INTEGER NOT NULL, sealed INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
    key INTEGER PRIMARY KEY, project TEXT NOT NULL, id TEXT NOT NULL,
    created INTEGER, updated INTEGER, points INTEGER, tail_records INTEGER, lost INTEGER,  -- before what may overflow the page
    name TEXT, group_name TEXT, notes TEXT, tags TEXT, config TEXT,
    UNIQUE (project, id)
);
CREATE INDEX run_created ON run (project, coalesce(created, 9223372036854775807), id);
CREATE TABLE run_field (
    run INTEGER NOT NULL, field TEXT NOT NULL, value TEXT, clock INTEGER NOT NULL, writer TEXT NOT NULL,
    PRIMARY KEY (run, field)
) WITHOUT ROWID;
CREATE TABLE run_tag (
    run INTEGER NOT NULL, tag TEXT NOT NULL, present INTEGER NOT NULL, clock INTEGER NOT NULL, writer TEXT NOT NULL,
    PRIMARY KEY (run, tag)
) WITHOUT ROWID;
CREATE TABLE run_attempt (
    run INTEGER NOT NULL, attempt TEXT NOT NULL, clock INTEGER, writer TEXT, environment TEXT,
    status TEXT, reason TEXT, status_clock INTEGER, status_writer TEXT,
    PRIMARY KEY (run, attempt)
) WITHOUT ROWID;
CREATE TABLE attempt_writer (
    run INTEGER NOT NULL, attempt TEXT NOT NULL, writer TEXT NOT NULL,
    PRIMARY KEY (run, attempt, writer)
) WITHOUT ROWID;
CREATE TABLE run_stop (  -- the first request for an attempt
    run INTEGER NOT NULL, attempt TEXT NOT NULL, reason TEXT, asked_by TEXT, clock INTEGER NOT NULL, writer TEXT NOT NULL,
    PRIMARY KEY (run, attempt)
) WITHOUT ROWID;
CREATE TABLE run_progress (  -- the latest of an attempt
    run INTEGER NOT NULL, attempt TEXT NOT NULL, done INTEGER NOT NULL, total INTEGER, rate REAL, clock INTEGER NOT NULL,
    writer TEXT NOT NULL, PRIMARY KEY (run, attempt)
) WITHOUT ROWID;
CREATE TABLE run_text (
    run INTEGER NOT NULL, attempt TEXT NOT NULL, name TEXT NOT NULL, clock INTEGER NOT NULL, writer TEXT NOT NULL,
    "offset" INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE INDEX run_text_place ON run_text (run, clock, writer, "offset");
CREATE TABLE tombstone (project TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (project, run)) WITHOUT ROWID;

CREATE TABLE alert (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,  -- no number comes again: who goes on behind one misses none that came later
    run INTEGER NOT NULL, writer TEXT NOT NULL, "offset" INTEGER NOT NULL, clock INTEGER NOT NULL, time INTEGER NOT NULL,
    level TEXT NOT NULL, title TEXT NOT NULL, text TEXT, reason TEXT, metric TEXT, value REAL, step INTEGER, data TEXT,
    UNIQUE (writer, "offset")
);
CREATE INDEX alert_run ON alert (run, clock, writer);

CREATE TABLE note (  -- every one recorded; the first of an event_id stands, equal ones are the same, others conflict
    project TEXT NOT NULL, event_id TEXT NOT NULL, clock INTEGER NOT NULL, writer TEXT NOT NULL, "offset" INTEGER NOT NULL,
    digest TEXT NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, time INTEGER NOT NULL, session INTEGER, category TEXT,
    text TEXT NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (project, event_id, clock, writer, "offset")
) WITHOUT ROWID;
CREATE INDEX note_place ON note (project, clock, writer, "offset");
CREATE INDEX note_writer ON note (writer, "offset");

CREATE TABLE job (  -- what the records of a job amount to; a deleted one has no row
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, account TEXT NOT NULL, status TEXT NOT NULL, raw_status TEXT,
    attempt INTEGER NOT NULL, external_id TEXT, user_id TEXT, config_name TEXT, hardware_type TEXT,
    created INTEGER NOT NULL, updated INTEGER NOT NULL, started INTEGER, ended INTEGER,
    cost_usd REAL, cost_is_final INTEGER NOT NULL,
    error_message TEXT, output_url TEXT, discovered INTEGER NOT NULL, metadata TEXT NOT NULL, earlier_cost_usd REAL NOT NULL,
    active INTEGER NOT NULL, state BLOB NOT NULL  -- all of it, as it is read
);
CREATE INDEX job_created ON job (created, id);
CREATE INDEX job_active ON job (provider) WHERE active;
CREATE TABLE job_record (
    job TEXT NOT NULL, clock INTEGER NOT NULL, writer TEXT NOT NULL, "offset" INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (job, clock, writer, "offset")
) WITHOUT ROWID;
CREATE INDEX job_record_writer ON job_record (writer);
CREATE TABLE job_event (  -- each status that a job came to have
    job TEXT NOT NULL, n INTEGER NOT NULL, attempt INTEGER NOT NULL, status TEXT NOT NULL, raw_status TEXT, time INTEGER NOT NULL,
    source TEXT NOT NULL, PRIMARY KEY (job, n)
) WITHOUT ROWID;
CREATE TABLE job_external (  -- the names of a job's attempts at its provider, also of deleted ones: they are not found again
    provider TEXT NOT NULL, account TEXT NOT NULL, external_id TEXT NOT NULL, job TEXT NOT NULL, attempt INTEGER NOT NULL,
    PRIMARY KEY (provider, account, external_id, job)
) WITHOUT ROWID;
CREATE INDEX job_external_job ON job_external (job);
CREATE TABLE job_provider (  -- whether a provider answers
    provider TEXT NOT NULL, account TEXT NOT NULL, degraded INTEGER NOT NULL, detail TEXT NOT NULL, since INTEGER NOT NULL,
    clock INTEGER NOT NULL, writer TEXT NOT NULL, PRIMARY KEY (provider, account)
) WITHOUT ROWID;
CREATE TABLE run_job (  -- the job that a run says it is made by
    run INTEGER NOT NULL, job TEXT NOT NULL, clock INTEGER NOT NULL, writer TEXT NOT NULL, PRIMARY KEY (run, job)
) WITHOUT ROWID;
CREATE INDEX run_job_job ON run_job (job);
CREATE TABLE file (  -- every record of one: those of a path together say what is known of it; a file in no run has an empty one
    project TEXT NOT NULL, run TEXT NOT NULL, clock INTEGER NOT NULL, writer TEXT NOT NULL, "offset" INTEGER NOT NULL,
    time INTEGER NOT NULL, path TEXT, key TEXT, step INTEGER, form TEXT, caption TEXT, sha256 TEXT, size INTEGER, media_type TEXT,
    content TEXT,
    PRIMARY KEY (writer, "offset")
);
CREATE INDEX file_place ON file (project, run, clock, writer, "offset");
CREATE INDEX file_content ON file (project, run, sha256);
CREATE INDEX file_alone ON file (project, clock) WHERE run = '';

CREATE TABLE hole (
    writer TEXT NOT NULL, "offset" INTEGER NOT NULL, saved_as TEXT NOT NULL, place INTEGER NOT NULL,  -- of the record that says so
    PRIMARY KEY (saved_as, place)
) WITHOUT ROWID;
CREATE TABLE rejected (writer TEXT NOT NULL, "offset" INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (writer, "offset"))
    WITHOUT ROWID;
CREATE TABLE unknown (writer TEXT NOT NULL, "offset" INTEGER NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (writer, "offset"))
    WITHOUT ROWID;

CREATE TABLE project (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);  -- those that have a settled run
CREATE TABLE metric (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE tail (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, records INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX tail_run ON tail (run);
CREATE TABLE block (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, records INTEGER NOT NULL,
    last_step INTEGER NOT NULL, last_clock INTEGER NOT NULL, last_writer TEXT NOT NULL, axis BLOB NOT NULL
);
CREATE INDEX block_run ON block (run, last_step, last_clock, last_writer);
CREATE TABLE chunk (  -- with rowids: a key is looked up in the index, without reading whole rows to compare them
    block INTEGER NOT NULL, metric INTEGER NOT NULL, points INTEGER NOT NULL,
    outline BLOB, data BLOB NOT NULL,  -- the outline first: it is read without the data
    PRIMARY KEY (block, metric)
);
CREATE TABLE summary (
    run INTEGER NOT NULL, metric INTEGER NOT NULL, n INTEGER NOT NULL,
    first REAL, first_step INTEGER NOT NULL, first_clock INTEGER NOT NULL, first_writer TEXT NOT NULL,
    last REAL, last_step INTEGER NOT NULL, last_clock INTEGER NOT NULL, last_writer TEXT NOT NULL,
    min REAL, min_step INTEGER, min_clock INTEGER, min_writer TEXT,
    max REAL, max_step INTEGER, max_clock INTEGER, max_writer TEXT,
    settled INTEGER NOT NULL DEFAULT 0,  -- nothing has come since a stream of the run has ended: only such rows are in order
    project INTEGER, born INTEGER,  -- whose runs a settled row is in order among; of equals the first created
    PRIMARY KEY (run, metric)
) WITHOUT ROWID;
CREATE INDEX summary_last ON summary (project, metric, last, born) WHERE settled;
CREATE INDEX summary_min ON summary (project, metric, min, born) WHERE settled;
CREATE INDEX summary_max ON summary (project, metric, max, born) WHERE settled;
CREATE INDEX summary_live ON summary (metric) WHERE NOT settled;
CREATE TABLE settled (run INTEGER PRIMARY KEY, data BLOB NOT NULL);  -- all summaries of a run that is settled, in one piece

-- What changed, for those who watch: only the latest are kept, and a rebuilt store has others.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, run TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL
);
"""
