"""Database drivers: connections, transactions, and retries."""
