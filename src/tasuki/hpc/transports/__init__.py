"""Ways to run a command and copy files on an HPC host."""
