"""What this project's speed is worth, measured side by side: `python -m benchmarks`."""
