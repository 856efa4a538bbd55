"""Algorithm 1 of the paper, for one run.

A generator: it yields the Job that it wants trained, together with the cycles so far, is sent the job's Outcome, and
at its stop returns all cycles. It knows no store, no device, no engine, no other run and no kind of network.
"""

from collections.abc import Generator

from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.prunable import Prunable
from dropnet_core.runs import Cycle, Job, Run, recorded_job
from dropnet_core.selection import drop_lowest
from dropnet_core.training import Outcome
from dropnet_core.unit_statistics import Statistics

Cycles = tuple[Cycle, ...]
Pruning = Generator[tuple[Job, Cycles], Outcome, Cycles]


def iterative_pruning(run: Run, network: Prunable) -> Pruning:
    """Algorithm 1: train, drop the units with the lowest scores, rewind the others, repeat."""
    needs, mask, cycles = metrics[run.metric].needs, Mask.full(network.widths), Cycles()
    while True:
        # Steps 1 to 3: rewind to the first weights, apply the mask, train until early stopping.
        outcome = yield Job(run.recipe, network, run.seed, run.seed, mask, needs), cycles
        cycles += (Cycle(mask, outcome),)
        # Until a' <= kappa a; the paper's figures use a fraction of the units remaining instead.
        if run.stop(cycles) or not cycles[-1].can_shrink:
            return cycles
        # Step 4: drop the units with the lowest scores.
        mask = next_mask(run, mask, outcome.statistics, len(cycles))


def next_mask(run: Run, mask: Mask, statistics: Statistics, cycle: int) -> Mask:
    """Step 4: the mask of a cycle, from the one before it and the statistics of its units."""
    metric, draw = metrics[run.metric], run.draw(cycle)
    scores = metric.scores(statistics, run.score, draw)
    return drop_lowest(scores, mask, run.units_to_drop, metric.scope, metric.selection or run.selection, draw)


def pruning(run: Run, network: Prunable) -> Pruning:
    """The trainings of a run: those of Algorithm 1, and those that its `initial` records in their place.

    A control thus follows the masks of the rewound run. The cycles are what is recorded.
    """
    rewound, cycles = iterative_pruning(run, network), Cycles()
    job, _ = next(rewound)
    while True:
        outcome = yield job, cycles
        recorded = recorded_job(run.initial, job)
        # Rewinding hands back the job itself, whose outcome is there.
        own = outcome if recorded is job else (yield recorded, cycles)
        cycles += (Cycle(recorded.mask, own),)
        try:
            job, _ = rewound.send(outcome)
        except StopIteration:
            return cycles
