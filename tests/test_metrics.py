import numpy as np
import pytest
import torch
from any_weights import any_weights

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.streams import stream
from dropnet_core.engines.passes import statistics_of
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.metrics import LayerStatistics, metrics, register
from dropnet_core.networks.plain import describe, initial_weights
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.selection import drop_lowest
from dropnet_core.training import batches
from dropnet_core.unit_statistics import measure

DRAW = stream(0, "test")


def score(name, **statistics):
    layer = LayerStatistics(**{name: np.array(values) for name, values in {"mean": [1, 1], **statistics}.items()})
    return metrics[name].score(layer, DRAW).tolist()


@pytest.mark.parametrize("name", ["fc5-fc4", "conv4-conv3-dense5"])
@pytest.mark.parametrize("size", [150, 40, 7])
def test_statistics_of_one_pass_equal_those_taken_at_once(tiny, name, size):
    network = describe(name, tiny.shape, tiny.classes)
    mask = Mask(np.arange(width) > 0 for width in network.widths)
    model = MaskedNetwork(network, initial_weights(network, 1), mask).double()
    measured = measure(model, (images for images, _ in batches(tiny.train, size, torch.float64)))
    values = model.activations(next(batches(tiny.train, 150, torch.float64))[0])
    for layer, value in enumerate(values):
        flat = value.detach().reshape(150, value.shape[1], -1).numpy()
        for statistic, expected in {
            "mean_of_abs": np.abs(flat).mean(axis=(0, 2)),
            "abs_of_mean": np.abs(flat.mean(axis=2)).mean(axis=0),
            "zeros": (flat == 0).mean(axis=(0, 2)),
            "zero_maps": (flat == 0).all(axis=2).mean(axis=0),
        }.items():
            np.testing.assert_allclose(measured[statistic][layer], expected, atol=1e-12)
        assert measured["zero_maps"][layer][0] == 1  # the dropped unit
        assert (measured["zeros"][layer] >= measured["zero_maps"][layer]).all()


def test_the_two_scores_of_a_filter_differ_where_values_have_both_signs(tiny):
    class Signed(MaskedNetwork):
        """As if a batch norm stood behind the ReLU: the values have both signs."""

        def masked(self, position, value, before_norm=None):
            return super().masked(position, value - 0.1, before_norm)

    network = describe("conv3", tiny.shape, tiny.classes)
    model = Signed(network, initial_weights(network, 0), Mask.full((3,))).double()
    measured = measure(model, (images for images, _ in batches(tiny.train, 50, torch.float64)))
    assert (measured["mean_of_abs"][0] > measured["abs_of_mean"][0] + 0.01).all()


NORMS = (1, 3, 7, 11, 15)  # layers of VGG19 behind which a batch norm stands


def test_behind_a_batch_norm_means_are_measured_and_before_it_zeros(tiny32):
    network = describe("vgg19/32", tiny32.shape, tiny32.classes)
    weights, mask = any_weights(network), Mask(np.arange(width) > 0 for width in network.widths)
    model = MaskedNetwork(network, weights, mask).double()
    measured = measure(model, (images for images, _ in batches(tiny32.train, 20, torch.float64)))
    values = model.activations(next(batches(tiny32.train, 64, torch.float64))[0])
    for layer in NORMS:
        value = values[layer].detach()[:, 1:].flatten(2)
        mean, variance, gamma, beta = (
            weights[f"{layer}.{part}"][1:, None] for part in ("mean", "variance", "gamma", "beta")
        )
        rectified = (value - beta) / gamma * (variance + 1e-3).sqrt() + mean
        found = {name: layers[layer][1:] for name, layers in measured.items()}
        np.testing.assert_allclose(found["mean_of_abs"], value.abs().mean(dim=(0, 2)), atol=1e-12)
        np.testing.assert_allclose(found["abs_of_mean"], value.mean(dim=2).abs().mean(dim=0), atol=1e-12)
        silent = (rectified.abs() < 1e-9).double()
        np.testing.assert_allclose(found["zeros"], silent.mean(dim=(0, 2)), atol=1e-12)
        assert not found["zero_maps"].any()  # the authors' count finds nothing here
        assert measured["zeros"][layer][0] == measured["zero_maps"][layer][0] == 1  # the dropped unit
    assert any((measured["zeros"][layer][1:] > 0.1).any() for layer in NORMS)
    assert any((measured["mean_of_abs"][layer] > measured["abs_of_mean"][layer] + 0.01).any() for layer in NORMS)
    assert not any((measured["mean_of_abs"][i] > measured["abs_of_mean"][i] + 1e-9).any() for i in (0, 2, 4))


def test_units_are_measured_with_the_moving_statistics(tiny32):
    network = describe("vgg19/32", tiny32.shape, tiny32.classes)
    weights = any_weights(network)
    model = MaskedNetwork(network, weights, Mask.full(network.widths)).double().train()
    images = next(batches(tiny32.train, 64, torch.float64))[0]
    together, apart = measure(model, [images]), measure(model.train(), images.split(16))
    np.testing.assert_allclose(together["mean_of_abs"][15], apart["mean_of_abs"][15], atol=1e-10)
    assert torch.equal(model.trained()["15.mean"], weights["15.mean"])


@pytest.mark.parametrize("name", ["conv4-conv3", "resnet18/32", "vgg19/32"])
def test_statistics_of_the_compacted_network_are_those_of_the_masked_one(tiny32, name):
    tiny, network = tiny32, describe(name, tiny32.shape, tiny32.classes)
    mask = Mask(np.arange(width) % 3 != i % 2 for i, width in enumerate(network.widths))
    job = Job(Recipe(precision="float64"), network, 0, 0, mask)
    weights = any_weights(network)
    masked = MaskedNetwork(network, weights, mask).double()
    wide = measure(masked, (images for images, _ in batches(tiny.train, 50, torch.float64)))
    for name, layers in statistics_of(job, weights, tiny).items():
        for ours, theirs in zip(layers, wide[name], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_the_papers_metrics():
    mean, zeros = [0.1, 0.5], [0.9, 0.2]
    assert score("min", mean=mean) == score("min_layer", mean=mean) == mean
    assert score("max", mean=mean) == score("max_layer", mean=mean) == [-0.1, -0.5]
    assert score("apoz", zeros=zeros) == score("apoz_layer", zeros=zeros) == [-0.9, -0.2]
    assert score("oracle", loss_without=[2.0, 1.0]) == [2.0, 1.0]
    assert score("random", mean=mean) != score("random", mean=mean)


@pytest.mark.parametrize(("reading", "first"), [("mean_of_abs", 1), ("abs_of_mean", 0)])
def test_the_reading_decides_which_statistic_is_scored(reading, first):
    statistics = {
        "mean_of_abs": [np.array([3.0, 1.0])], "abs_of_mean": [np.array([0.0, 1.0])],
        "zeros": [np.array([0.1, 0.8])], "zero_maps": [np.array([0.5, 0.0])],
    }  # fmt: skip
    for metric in ("min", "apoz"):
        assert int(np.argmin(metrics[metric].scores(statistics, reading, DRAW)[0])) == first


def test_random_metrics_draw_fairly_under_either_selection():
    statistics = {"mean_of_abs": [np.zeros(2), np.zeros(2)], "zeros": [np.zeros(2), np.zeros(2)]}
    for selection in ("exact", "authors"):
        left = np.zeros(2)
        for seed in range(400):
            metric, draw = metrics["random"], stream(seed)
            scores = metric.scores(statistics, "mean_of_abs", draw)
            used = metric.selection or selection
            after = drop_lowest(scores, Mask.full((2, 2)), lambda left: 2, metric.scope, used, draw)
            left += after.units_per_layer
        assert left[0] == pytest.approx(400, rel=0.1)


def test_a_metric_of_ones_own_takes_five_lines():
    @register("test_often_on", scope="layer", replace=True)
    def often_on(layer, draw):
        return 1 - layer.zeros

    statistics = {"mean_of_abs": [np.zeros(3)], "zeros": [np.array([0.1, 0.9, 0.5])]}
    scores = metrics["test_often_on"].scores(statistics, "mean_of_abs", DRAW)
    after = drop_lowest(scores, Mask.full((3,)), lambda left: 1, metrics["test_often_on"].scope, "exact", DRAW)
    assert after.layers[0].tolist() == [True, False, True]
    with pytest.raises(InputError, match="exists already"):
        register("test_often_on")(often_on)


@pytest.mark.parametrize(
    ("bad", "message"), [(np.zeros(2), "3 finite numbers"), (np.array([1, np.nan, 2]), "1 others")]
)
def test_a_metric_that_returns_nonsense_is_named(bad, message):
    register("test_nonsense", replace=True)(lambda layer, draw: bad)
    with pytest.raises(InputError, match=f"test_nonsense.*{message}"):
        metrics["test_nonsense"].scores({"mean_of_abs": [np.zeros(3)], "zeros": [np.zeros(3)]}, "mean_of_abs", DRAW)


def test_unknown_names_lead_to_the_nearest_known():
    with pytest.raises(InputError, match="did you mean 'min_layer'"):
        metrics["min_layr"]
    with pytest.raises(InputError, match="did you mean 'layer'"):
        register("x", scope="layers")
