"""The command group `tasuki hpc`: hosts with a PBS or Slurm queue."""
