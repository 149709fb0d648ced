"""Routes of jobs and their providers."""
