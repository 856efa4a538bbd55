"""Networks by name: their description, the modules of one, and what Algorithm 1 asks of it."""
