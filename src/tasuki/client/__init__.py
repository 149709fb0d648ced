"""Ask a server: queries, probes, and verification over HTTP."""
