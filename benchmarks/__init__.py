"""How fast tasuki is, measured beside a floor or a peer: one file per question, `make bench-quick` or `make bench` to run them."""
