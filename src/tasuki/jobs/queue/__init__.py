"""Jobs in a PBS or Slurm queue: submit, sync, and observe them."""
