"""trackio: what it writes and sends, as records of ours."""
