"""Records of known truth, for tests of the claims."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

MADE_UP_FRACTIONS = (
    1.0,
    0.8,
    0.65,
    0.525,
    0.425,
    0.35,
    0.2875,
    0.2375,
    0.2,
    0.1625,
    0.1375,
    0.1125,
    0.1,
    0.0875,
    0.075,
    0.05,
)
CHANCE = 0.1135


def records_of_means(
    curves: Mapping[str, Sequence[float] | float],
    experiment: str = "mnist-fc40-fc40",
    seeds: int | Sequence[int] = 15,
    spread: float = 0.01,
    fractions: Sequence[float] = MADE_UP_FRACTIONS,
    key: int = 0,
) -> pd.DataFrame:
    """Records whose curves have these true means: a number, or one for each cycle.

    Every value has its own deviation `spread`, and each seed an offset of 0.01 that all its curves share. The
    draws of all curves are centred, so that the mean over the seeds is the true one.
    """
    draw = np.random.default_rng(key)
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    shared = 0.01 * draw.standard_normal((len(numbers), 1))
    tables = []
    for curve, level in curves.items():
        own = spread * draw.standard_normal((len(numbers), len(fractions)))
        if len(numbers) > 1:
            own -= own.mean(axis=0)
        values = np.broadcast_to(np.asarray(level, dtype=float), len(fractions)) + own + shared - shared.mean()
        tables.append(
            pd.DataFrame(
                {
                    "experiment": experiment,
                    "curve": curve,
                    "seed": np.repeat(numbers, len(fractions)),
                    "cycle": np.tile(np.arange(len(fractions)), len(numbers)),
                    "fraction_remaining": np.tile(fractions, len(numbers)),
                    "units_per_layer": "1+1",
                    "test_accuracy": values.ravel(),
                    "status": np.where(values.ravel() <= CHANCE + 0.005, "collapsed", "ok"),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def falling(high: float, low: float, below: float, fractions: Sequence[float] = MADE_UP_FRACTIONS) -> list[float]:
    """A curve at `high` above a fraction and at `low` from it down."""
    return [low if fraction <= below else high for fraction in fractions]
