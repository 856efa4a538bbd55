"""Algorithm 1 on networks that nobody has described: what the core asks of a network, and nothing more."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from some_jobs import train_all
from torch import Tensor, nn

from dropnet_core.algorithm import pruning
from dropnet_core.basics.errors import InputError
from dropnet_core.data import DataSet
from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.networks.plain import Network, describe
from dropnet_core.prunable import MaskedModule, Prunable, Weights
from dropnet_core.recipe import Recipe
from dropnet_core.running.scheduler import Board
from dropnet_core.running.store import Store
from dropnet_core.running.workers import train_here
from dropnet_core.runs import Cycle, Job, Run, initials
from dropnet_core.stops import Stop
from dropnet_core.training import train

BUILT_IN = [name for name in metrics if not name.startswith("test_")]


class TwoBranches(MaskedModule):
    """A convolution with tanh beside a dense layer with sigmoid, both masked; a dense layer reads the two."""

    def __init__(self, weights: Weights, mask: Mask) -> None:
        super().__init__()
        self.weights = nn.ParameterDict({name: nn.Parameter(weight.clone()) for name, weight in weights.items()})
        self.put_masks(mask)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.masked(0, nn.functional.conv2d(images, self.weights["filters"], stride=2).tanh())
        nodes = self.masked(1, (images.flatten(1) @ self.weights["nodes"]).sigmoid())
        return torch.cat([maps.mean(dim=(2, 3)), nodes], dim=1) @ self.weights["output"]


@dataclass(frozen=True)
class Branches:
    """Another kind of network, for 8x8 grey images of three classes."""

    filters: int
    nodes: int
    name: str = "branches"

    @property
    def widths(self) -> tuple[int, ...]:
        return self.filters, self.nodes

    @property
    def identity(self) -> tuple[object, ...]:
        return self.name, self.filters, self.nodes

    def first_weights(self, seed: int, small: Mask | None = None) -> Weights:
        draw = torch.Generator().manual_seed(seed)
        left = sum(self.widths) if small is None else small.units_remaining
        shapes = {"filters": (self.filters, 1, 3, 3), "nodes": (64, self.nodes), "output": (sum(self.widths), 3)}
        return {name: torch.randn(shape, generator=draw) / (left + 8) ** 0.5 for name, shape in shapes.items()}

    def masked(self, weights: Weights, mask: Mask) -> TwoBranches:
        return TwoBranches(weights, mask)


BRANCHES: Prunable = Branches(5, 4)


def run_of(metric: str, **changed: object) -> Run:
    settings = {"p": 0.4, "stop": Stop("fraction", 0.3), "recipe": Recipe(max_epochs=2, batch_size=16)} | changed
    return Run("e", "tiny", "branches", metric, 0, "exact", **settings)  # type: ignore[arg-type]


def follow(run: Run, data: DataSet) -> tuple[list[Job], tuple[Cycle, ...]]:
    """All jobs of a run, which are trained, and its cycles."""
    jobs: list[Job] = []
    trainings = pruning(run, BRANCHES)
    job, before = next(trainings)
    while True:
        assert len(before) <= len(jobs)
        jobs.append(job)
        try:
            job, before = trainings.send(train_all("reference", data, [job])[job])
        except StopIteration as stop:
            return jobs, stop.value


@pytest.mark.parametrize("metric", BUILT_IN)
def test_algorithm_1_prunes_a_network_that_has_no_description(tiny, metric):
    assert not isinstance(BRANCHES, Network)
    jobs, cycles = follow(run_of(metric), tiny)
    layer_wise = metrics[metric].scope == "layer"
    assert [c.mask.units_remaining for c in cycles] == ([9, 6, 4, 2] if layer_wise else [9, 6, 4, 3, 2])
    for before, after in zip(cycles, cycles[1:], strict=False):
        assert all((b >= a).all() for b, a in zip(before.mask.layers, after.mask.layers, strict=True))
    assert {job.weights for job in jobs} == {0}
    assert len({str(cycle.outcome.statistics) for cycle in cycles}) == len(cycles)


def test_the_least_active_units_go_as_measured_on_the_trained_module(tiny):
    (first, *_), cycles = follow(run_of("min"), tiny)
    model = BRANCHES.masked(first.first_weights(), first.mask)
    train(model, tiny, first.recipe, first.seed)
    images = tiny.train.images / 255
    activity = [value.abs().flatten(2).mean(2).mean(0) if value.dim() > 2 else value.abs().mean(0)
                for value in model.eval().activations(images)]  # fmt: skip
    lowest = torch.cat(activity).argsort()[:3].tolist()
    assert np.flatnonzero(~np.concatenate(cycles[1].mask.layers)).tolist() == sorted(lowest)


def test_a_dropped_unit_is_silent_and_learns_nothing(tiny):
    mask = Mask([[True, False, True, True, True], [False, True, True, True]])
    model = TwoBranches(BRANCHES.first_weights(3), mask)
    images = tiny.train.images[:20] / 255
    maps, nodes = model.activations(images)
    assert not maps[:, 1].any() and not nodes[:, 0].any() and maps[:, 0].all() and nodes[:, 1].all()
    model(images).square().sum().backward()
    assert not model.weights["filters"].grad[1].any() and model.weights["filters"].grad[0].any()
    assert not model.weights["nodes"].grad[:, 0].any() and not model.weights["output"].grad[1].any()
    with model.without(1, 2):
        assert not model.activations(images)[1][:, 2].any()
    assert torch.equal(model.activations(images)[1], nodes)


@pytest.mark.parametrize("initial", sorted(set(initials) - {"rewind"}))
def test_the_controls_follow_the_masks_of_such_a_network_too(tiny, initial):
    _, rewound = follow(run_of("min"), tiny)
    _, cycles = follow(run_of("min", initial=initial), tiny)
    assert [c.mask.units_per_layer for c in cycles] == [c.mask.units_per_layer for c in rewound]
    last, its = cycles[-1].outcome, rewound[-1].outcome
    assert last.history.train_loss != its.history.train_loss


def test_the_board_keeps_its_outcomes_under_keys_of_its_own(tiny, tmp_path):
    store, run = Store(tmp_path / "store.sqlite"), run_of("min")
    board = Board(store, tiny.sha256)
    board.start([run], BRANCHES)
    train_here(board, tiny, "reference")
    assert board.finished == {run} and len(store) == 5
    again, other = Board(store, tiny.sha256), Board(store, tiny.sha256)
    again.start([run], pickle.loads(pickle.dumps(BRANCHES)))
    assert [c.mask for c in again.cycles[run]] == [c.mask for c in board.cycles[run]] and not again.open_jobs
    other.start([run], Branches(5, 4, "others"))
    assert other.open_jobs == 1


@pytest.mark.parametrize("engine", ["compact", "kernels"])
def test_engines_that_know_networks_by_name_only_say_so(tiny, engine):
    job = Job(Recipe(), BRANCHES, 0, 0, Mask.full(BRANCHES.widths))
    with pytest.raises(InputError, match=rf"'{engine}' trains networks with a name.*Branches.*choose .*'reference'"):
        train_all(engine, tiny, [job])


def test_a_network_by_name_is_one_kind():
    network: Prunable = describe("fc4-fc3", (1, 8, 8), 3)
    assert list(network.identity) == ["fc4-fc3", (1, 8, 8), 3]
