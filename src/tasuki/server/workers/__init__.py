"""Threads and processes behind the routes: commit, project, read, and publish."""
