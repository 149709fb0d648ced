"""Facts recorded with a run: git checkout, environment, machine, and system metrics."""
