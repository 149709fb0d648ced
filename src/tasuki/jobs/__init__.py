"""Jobs: executions elsewhere, observed."""
