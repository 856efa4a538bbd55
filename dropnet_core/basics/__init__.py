"""What every room uses and nothing of the paper: errors, random streams, precision, places, provenance."""
