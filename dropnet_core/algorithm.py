"""Algorithm 1 of the paper, for one run.

A generator: it yields a Job, is sent the job's Outcome, and appends what came of it to the list of cycles it was
given. It knows no store, no device, no engine and no other run.
"""

from collections.abc import Generator
from dataclasses import replace

from dropnet_core.basics.streams import stream
from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.networks.plain import Network
from dropnet_core.runs import Cycle, Job, Run
from dropnet_core.training import Outcome

Path = Generator[Job, Outcome, None]

REINIT_SEED_OFFSET = 20  # the authors' code draws the new weights of seed s with seed s + 20


def iterative_pruning(run: Run, network: Network, cycles: list[Cycle]) -> Path:
    """Algorithm 1: train, drop the units with the lowest scores, rewind the others, repeat."""
    mask, needs = Mask.full(network.widths), metrics[run.metric].needs
    while True:
        # Steps 1 to 3: rewind to the first weights, apply the mask, train until early stopping.
        outcome = yield Job(run.recipe, network, run.seed, run.seed, mask, needs)
        cycles.append(Cycle(mask, outcome))
        # Until a' <= kappa a; the paper's figures use a fraction of the units remaining instead.
        if run.stop(cycles) or not cycles[-1].can_shrink:
            return
        # Step 4: drop the units with the lowest scores.
        mask = run.drop(len(cycles), mask, outcome)


def control(run: Run, network: Network, cycles: list[Cycle]) -> Path:
    """A run that follows the rewound one and, in place of each of its networks, records another."""
    rewound = iterative_pruning(run, network, [])
    job = next(rewound)
    while True:
        outcome = yield job
        other = CONTROLS[run.initial](run, job)
        cycles.append(Cycle(other.mask, (yield other)))
        try:
            job = rewound.send(outcome)
        except StopIteration:
            return


def reinitialised(run: Run, job: Job) -> Job:
    """The same mask, other first weights (paper, section 6)."""
    recipe = replace(run.recipe, initial_range="small" if run.initial == "small_reinit" else "full")
    return replace(job, recipe=recipe, weights=run.seed + REINIT_SEED_OFFSET, needs=())


def redrawn(run: Run, job: Job) -> Job:
    """The same first weights, as many units in each layer, but units drawn at random: the allocation without the score.

    Each layer has one random order for all cycles, of which a mask keeps the first: a dropped unit never comes back.
    """
    mask = Mask(
        stream(run.seed, "redraw", layer).permutation(len(units)) < units.sum()
        for layer, units in enumerate(job.mask.layers)
    )
    return replace(job, mask=mask, needs=())


CONTROLS = {"reinit": reinitialised, "small_reinit": reinitialised, "redraw": redrawn}


def path(run: Run, network: Network, cycles: list[Cycle]) -> Path:
    """The generator of a run's jobs, which fills `cycles`."""
    return (iterative_pruning if run.initial == "rewind" else control)(run, network, cycles)
