"""Algorithm 1 of the paper, for one run.

A generator: it yields a Job, is sent the job's Outcome, and appends what came of it to the list of cycles it was
given. It knows no store, no device, no engine and no other run.
"""

from collections.abc import Generator
from dataclasses import replace

from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.networks import Network
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


def reinitialised(run: Run, network: Network, cycles: list[Cycle]) -> Path:
    """The control of the paper's section 6: the masks of the rewound run, trained from other first weights."""
    recipe = replace(run.recipe, initial_range="small" if run.initial == "small_reinit" else "full")
    rewound = iterative_pruning(run, network, [])
    job = next(rewound)
    while True:
        outcome = yield job
        other = replace(job, recipe=recipe, weights=run.seed + REINIT_SEED_OFFSET, needs=())
        cycles.append(Cycle(job.mask, (yield other)))
        try:
            job = rewound.send(outcome)
        except StopIteration:
            return


def path(run: Run, network: Network, cycles: list[Cycle]) -> Path:
    """The generator of a run's jobs, which fills `cycles`."""
    return (iterative_pruning if run.initial == "rewind" else reinitialised)(run, network, cycles)
