"""The server: receives journals, projects them, answers, and tells those who watch."""
