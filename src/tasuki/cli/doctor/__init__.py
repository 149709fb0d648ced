"""The command `tasuki doctor` and its checks."""
