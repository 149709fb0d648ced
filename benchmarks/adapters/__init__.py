"""The same work for each tracker: `record` a run until it can be queried, `read` one metric of it.

A job is `{"do": "record" | "read", "folder": …, "steps": …, "kind": …, "metric": …}`. The answer of `record` has `version`, seconds
of `log` (the calls), `finish`, `query` (until every step is there) and `whole`, and `bytes` by what they are for; that of `read`
has `points`, and `milliseconds` by how it was asked. An adapter runs in its tracker's environment: it imports the standard library,
the tracker, and from here what itself needs no more than that.
"""
