"""Networks by name: their description, their first weights, an ordinary module."""
