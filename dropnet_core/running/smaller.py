"""The small network itself, for whoever wants to use it: the store keeps what came of a training, not its weights."""

from dataclasses import replace

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.plural import counted
from dropnet_core.basics.precision import storage
from dropnet_core.basics.repeatable import repeatable
from dropnet_core.compaction import compact
from dropnet_core.experiments.experiment import Experiment
from dropnet_core.experiments.settings import seeds_text
from dropnet_core.networks.modules import PlainNetwork
from dropnet_core.running.run import PreparedExperiment
from dropnet_core.running.store import Store
from dropnet_core.training import train


def smaller_network(
    experiment: Experiment, metric: str, seed: int, *, store: Store | None = None, device: str = "auto"
) -> PlainNetwork:
    """The network that the run with this metric and seed returns (paper, Algorithm 1), trained, without any masks.

    It is an ordinary module: images (n, channels, height, width) with pixels between 0 and 1 go in, logits
    (n, classes) come out, on the device that it was trained on. Trainings of the run that the store does not hold are
    done first, then that of the small network once more, so its accuracy is nearly that of the records.

    Raises InputError, before any training, if the experiment has no such run or several, or cannot work.
    """
    runs = [run for run in experiment.runs() if (run.metric, run.seed, run.initial) == (metric, seed, "rewind")]
    if metric not in experiment.metrics:
        raise unknown(f"metric of '{experiment.name}'", metric, experiment.metrics)
    if len(runs) != 1:
        there = f"its seeds are {seeds_text(experiment.seeds)}, its initial is {' '.join(experiment.initial)}"
        remedy = "give it one p, one selection, one stop" if runs else there
        raise InputError(
            f"the experiment '{experiment.name}' has {counted(len(runs), 'run')} of '{metric}' with seed {seed} that "
            f"rewinds; {remedy}"
        )
    prepared = PreparedExperiment.of(
        replace(experiment, metrics=(metric,), seeds=(seed,), initial=("rewind",)), device=device
    )
    board = prepared.board(Store() if store is None else store)
    prepared.train(board)
    ((run, cycles),) = board.cycles.items()
    mask = cycles[run.stop.result(cycles)].mask
    with repeatable():
        model = PlainNetwork(*compact(prepared.network, mask, prepared.network.first_weights(run.seed)))
        model.to(prepared.data.train.labels.device, storage(run.recipe.precision))
        train(model, prepared.data, run.recipe, run.seed)
    return model.eval()
