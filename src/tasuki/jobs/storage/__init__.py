"""Job state in the data folder: journal, logs, requests, and leases."""
