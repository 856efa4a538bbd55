"""Trains jobs in this package's kernels, one network after another: only what is left of it is computed."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dropnet_core.compaction import compact, expand
from dropnet_core.data import DataSet
from dropnet_core.engines.emptied import Emptied
from dropnet_core.engines.kernels import map_layout, rows
from dropnet_core.engines.kernels.groups import image_groups
from dropnet_core.engines.kernels.lit import pixel_lists
from dropnet_core.engines.kernels.maps import Maps
from dropnet_core.engines.kernels.model import Model
from dropnet_core.engines.kernels.presentation import LayOut, Presentation, labels_only
from dropnet_core.engines.kernels.rows import Rows
from dropnet_core.engines.passes import further_statistics_of, widened
from dropnet_core.networks.plain import Network
from dropnet_core.prunable import Weights
from dropnet_core.runs import Job
from dropnet_core.training import History, Outcome, until_stopped
from dropnet_core.unit_statistics import Statistics

TrainingResult = tuple[History, tuple[float, float], float]


def kernel_model(network: Network, weights: Weights, size: int) -> tuple[Model, LayOut]:
    """A network with these weights for batches of `size`, and how the images are laid out for it."""
    count = len(network.layers) + 1
    own = [(weights[f"{i}.weight"].numpy(), weights[f"{i}.bias"].numpy()) for i in range(count)]
    return (Rows(own, size), pixel_lists) if network.all_dense else (Maps(network.shape, own), image_groups)


def bytes_of_model(network: Network, size: int) -> int:
    """Bytes of a network's numbers, for batches of `size`."""
    shapes = network.weight_shapes()
    own = [shapes[f"{i}.weight"] for i in range(len(network.layers) + 1)]
    *_, end = rows.row_plan(own, size) if network.all_dense else map_layout.map_plan(network.shape, own)
    return int(end) * np.dtype(np.float32).itemsize


class Trainer:
    """Trains jobs on one data set."""

    def __init__(self, data: DataSet) -> None:
        self.images = Presentation(data)
        self.emptied = Emptied(self.train_bias, self.statistics_of_emptied)

    def size(self, job: Job[Network]) -> int:
        """Images of a job's batch: no more than there are."""
        return min(job.recipe.batch_size, len(self.images.data.train))

    def outcome(self, job: Job[Network]) -> Outcome:
        """What training the job's network gives."""
        if Emptied.applies(job):
            return self.emptied.outcome(job)
        network, weights = compact(job.network, job.mask, job.first_weights())
        model, lay_out = kernel_model(network, weights, self.size(job))
        history, test, best = self.train(job, model, lay_out)
        layout = self.images.part("train", lay_out, self.size(job))
        statistics = widened(job.mask, in_masked_layers(job.network, model.statistics(layout)))
        if "loss_without" in job.needs:
            statistics["loss_without"] = loss_without(job, model, layout)
        if others := needed_of_pytorch(job):
            full = expand(job.network, job.mask, job.first_weights(), model.trained(network.weight_shapes()))
            statistics |= further_statistics_of(job, others, full, self.images.data)
        return Outcome(history, *test, best, statistics)

    def train(self, job: Job[Network], model: Model, lay_out: LayOut) -> TrainingResult:
        """Train a model in place until early stopping. Returns what `until_stopped` does."""
        size, images = self.size(job), self.images
        return until_stopped(
            lambda order, maps: model.epoch(images.epoch(order, maps, lay_out, size), job.recipe.learning_rate),
            lambda part: model.evaluate(images.part(part, lay_out, size)),
            images.data,
            job.recipe,
            job.seed,
        )

    def train_bias(self, job: Job[Network]) -> tuple[Outcome, Tensor]:
        """The training of a network whose output is cut off from the images, and the bias that it learns."""
        classes = job.network.classes
        model = Rows([(np.zeros((classes, 0), np.float32), np.zeros(classes, np.float32))], self.size(job))
        history, test, best = self.train(job, model, labels_only)
        return Outcome(history, *test, best, {}), torch.from_numpy(model.bias(0).copy())

    def statistics_of_emptied(self, job: Job[Network], weights: Weights) -> Statistics:
        """The statistics of an emptied network, of which only the layers before the empty one see anything."""
        network, small = compact(job.network, job.mask, weights)
        empty = next(i for i, layer in enumerate(network.layers) if not layer.units)
        silent = {"mean_of_abs": 0.0, "abs_of_mean": 0.0, "zeros": 1.0, "zero_maps": 1.0}
        found = [{name: np.full(layer.units, value) for name, value in silent.items()} for layer in network.layers]
        if empty:
            before = replace(network, layers=network.layers[:empty])
            output = len(before.layers)
            small[f"{output}.weight"] = torch.zeros(before.weight_shapes()[f"{output}.weight"])
            small[f"{output}.bias"] = torch.zeros(network.classes)
            model, lay_out = kernel_model(before, small, self.size(job))
            found[:empty] = model.statistics(self.images.part("train", lay_out, self.size(job)))
        statistics = widened(job.mask, in_masked_layers(job.network, found))
        if "loss_without" in job.needs:  # nothing changes it: the bias alone answers
            bias = weights[f"{len(network.layers)}.bias"].numpy()
            model = Rows([(np.zeros((len(bias), 0), np.float32), bias)], self.size(job))
            loss = model.evaluate(self.images.part("train", labels_only, self.size(job)))[0]
            statistics["loss_without"] = [np.where(kept, loss, 0.0) for kept in job.mask.layers]
        return statistics | further_statistics_of(job, needed_of_pytorch(job), weights, self.images.data)


def needed_of_pytorch(job: Job) -> list[str]:
    """The statistics that a job needs and that no kernel computes."""
    return [need for need in job.needs if need != "loss_without"]


def in_masked_layers(network: Network, layers: list[dict[str, np.ndarray]]) -> Statistics:
    """Statistics by name, of the layers that have a mask, from those by layer."""
    return {name: [layers[i][name] for i in network.masked_layers] for name in layers[0]}


def loss_without(job: Job[Network], model: Model, layout: object) -> list[np.ndarray]:
    """The oracle's statistic (see `dropnet_core.oracle`) of a trained network."""
    losses = [np.zeros(width) for width in job.mask.widths]
    for i, loss, kept in zip(job.network.masked_layers, losses, job.mask.layers, strict=True):
        for own, unit in enumerate(np.flatnonzero(kept)):
            with model.without(i, own):
                loss[unit] = model.evaluate(layout)[0]
    return losses
