"""Records whose accuracies fall with each cycle, for tests of figures."""

import itertools

import pandas as pd

METRICS = ["min", "max", "random", "min_layer", "max_layer", "random_layer"]

FALLING_FRACTIONS = [1.0, 0.8, 0.65, 0.425, 0.2, 0.1, 0.05]


def falling_records(curves: list[str] = METRICS, seeds: int = 3, experiment: str = "mnist-fc40-fc40") -> pd.DataFrame:
    """Accuracies that fall with each cycle, differently for each curve and seed."""
    rows = []
    for (place, curve), seed, (cycle, fraction) in itertools.product(
        enumerate(curves), range(seeds), enumerate(FALLING_FRACTIONS)
    ):
        accuracy = 0.95 - 0.02 * (place + 1) * cycle + 0.01 * seed
        units = round(80 * fraction)
        rows.append(
            {
                "experiment": experiment, "curve": curve, "seed": seed, "cycle": cycle,
                "units_remaining": units,
                "fraction_remaining": fraction, "units_per_layer": f"{units - units // 3}+{units // 3}",
                "train_accuracy": accuracy + 0.01, "validation_accuracy": accuracy, "test_accuracy": accuracy,
                "epochs": 10 + cycle + seed, "parameters": 400 * units + seed, "macs": 100_000 * units,
                "status": "ok",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
