"""Import trackio: its databases and its client's requests, as records.

Import SQLite readers by module.
"""
