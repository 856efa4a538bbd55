"""From records to verdicts on the paper's claims: tests, decisions, the scorecard."""
