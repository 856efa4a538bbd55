"""Outcomes that tests put into stores."""

import hashlib
import math

import numpy as np

from dropnet_core.running.store import Store
from dropnet_core.training import History, Outcome

KEYS = [hashlib.sha256(bytes([number])).hexdigest()[:32] for number in range(40)]


def outcome(loss: float = 0.1 + 0.2) -> Outcome:
    """One with this loss in its test, and numbers that no short decimal gives."""
    history = History([loss, math.nan], [1 / 3, 0.5], [math.inf, 1e-300], [0.25, 0.75])
    statistics = {
        "mean_of_abs": [np.array([0.1, 1 / 3, 0.0]), np.array([])],
        "zeros": [np.ones(3), np.zeros(0)],
    }
    return Outcome(history, loss, 0.5, 0.625, statistics, seconds=1.5, provenance={"engine": "reference"})


def found(store: Store, key: str) -> Outcome:
    """What the store must hold under this key."""
    outcome = store.get(key)
    assert outcome is not None
    return outcome
