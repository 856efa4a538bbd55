"""From an experiment to its outcomes: the board of jobs, worker processes, the store, forecast, verification."""
