"""The command group `tasuki job`."""
