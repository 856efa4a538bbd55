"""From records and networks to pictures; nothing here computes a result."""
