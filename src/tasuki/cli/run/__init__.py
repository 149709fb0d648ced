"""The command group `tasuki run`."""
