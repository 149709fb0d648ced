"""The command group `tasuki install`: set an agent up to record with tasuki."""
