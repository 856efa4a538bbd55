"""The arithmetic, the rows and the ways of the benchmarks. Nothing here measures time."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from readme_tables import ratios

from benchmarks import keras_way, rows, speed, steps, ways
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.agreement import agreement_jobs, agreement_rows
from benchmarks.costs import TrainingTime, schedule_seconds, training_seconds_along
from benchmarks.machine import Peak
from benchmarks.memory import peak_so_far
from benchmarks.models import MODELS, PaperModel, digits
from benchmarks.processes import Crew
from benchmarks.profile import profile, timed
from benchmarks.rows import Row
from benchmarks.speed import OTHER_WAYS, Bench, TrainingTimes, schedules
from benchmarks.ways import Seconds
from dropnet_core.basics.errors import InputError
from dropnet_core.compaction import shrink
from dropnet_core.engines.kernels.engine import kernel_model
from dropnet_core.engines.kernels.groups import image_groups
from dropnet_core.engines.kernels.lit import pixel_lists
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import PlainNetwork
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.unit_statistics import measure


def test_a_cost_is_that_of_the_whole_data_and_of_one_network():
    cost = TrainingTime.of(one=5.0, three=9.0, networks=4, scale=10.0, at_once=2)
    assert cost == TrainingTime(epoch=2.0 * 10 / 4 / 2, around=3.0 * 10 / 4 / 2)
    assert cost.training(4) == 4 * 2.5 + 3.75
    noisy = TrainingTime.of(one=5.0, three=4.0, networks=1, scale=1.0, at_once=1)
    assert noisy == TrainingTime(epoch=0.25, around=4.75)
    compiled = TrainingTime.of(one=5.0, three=9.0, networks=2, scale=10.0, at_once=1, compiles=True)
    assert compiled == TrainingTime(epoch=10.0, around=1.5)


def test_cycles_between_two_measured_ones_lie_on_a_line():
    costs = {4: TrainingTime(1.0, 2.0), 0: TrainingTime(3.0, 0.0)}
    np.testing.assert_allclose(training_seconds_along(costs, 5, epochs=10), [30, 25.5, 21, 16.5, 12])


def test_the_unpruned_network_is_trained_once_for_all_metrics():
    assert schedule_seconds([10.0, 5.0, 1.0], metrics=6) == 10 + 6 * 6


def test_the_schedules_of_the_models_end_at_the_papers_fractions():
    units = {name: [mask.units_per_layer for mask in model.masks] for name, model in MODELS.items()}
    assert units["model1"][:4] == [(40, 40), (32, 32), (26, 26), (21, 21)] and units["model1"][-1] == (2, 2)
    assert units["model2"][0] == (64, 32) and sum(units["model2"][-1]) <= 0.05 * 96 < sum(units["model2"][-2])
    assert units["model3"][1] == (52, 52, 103, 103)
    model = MODELS["model2"]
    assert model.measured_cycles[0] == 0 and model.measured_cycles[-1] == len(model.masks) - 1
    assert model.roughly().measured_cycles == [0, len(model.masks) - 1]


def lit(count: int, height: int, width: int, *places: tuple[int, int, int]) -> np.ndarray:
    """Images (count, 1, height, width), bytes, black but for places (image, row, column)."""
    images = np.zeros((count, 1, height, width), np.uint8)
    for image, row, column in places:
        images[image, 0, row, column] = 9
    return images


def test_products_and_traffic_of_a_dense_network_counted_by_hand():
    network = describe("fc5-fc3", (1, 6, 4), 10)
    layout = pixel_lists(lit(64, 6, 4, (0, 0, 0), (0, 1, 1), (40, 0, 0)), np.zeros(64, np.int64), 32)
    assert steps.multiplications(network, layout) == 2 * 3 * 5 + 3 * 64 * (5 * 3 + 3 * 10)
    parameters = 24 * 5 + 5 + 5 * 3 + 3 + 3 * 10 + 10
    by_image = 2 * 4 * (2 + 1)  # two lists, filled up to four entries, each an index and a value
    by_batch = 3 * (2 + 2 * (2 + 1))  # three pixels, each with a list filled up to two entries
    assert steps.traffic(network, layout) == by_image + by_batch + 4 * (2 * 3 * parameters + 4 * 64 * (5 + 3 + 10))


def test_products_and_traffic_of_a_convolutional_network_counted_by_hand():
    network = describe("conv5-conv3-dense4", (1, 12, 10), 10)
    layout = image_groups(lit(64, 12, 10, (0, 0, 0), (40, 5, 5)), np.zeros(64, np.int64), 32)
    live = 1 + 2 * 2  # window i reaches from pixel 2i - 1 to 2i + 2: 0 lies in the first, 5 in the third and fourth
    first, second = 2 * 36 * 5 * live * 32, 3 * 16 * 5 * 3 * (3 * 2) * 64
    dense = 3 * 64 * (3 * (3 * 2) * 4 + 4 * 10)
    assert steps.multiplications(network, layout) == first + second + dense
    parameters = 9 * 5 + 5 + 9 * 5 * 3 + 3 + 18 * 4 + 4 + 4 * 10 + 10
    values = 5 * (6 * 5) + 3 * (3 * 2) + 4 + 10
    assert steps.traffic(network, layout) == 64 * 12 * 10 + 4 * (2 * 3 * parameters + 4 * 64 * values)


@pytest.mark.parametrize("name", ["model1", "model2"])
def test_a_step_is_one_of_32_images_of_the_network_that_a_cycle_leaves(name):
    model, split = MODELS[name], digits(640).train
    small = shrink(model.network, model.masks[9])
    weights = {key: torch.zeros(shape) for key, shape in small.weight_shapes().items()}
    _, lay_out = kernel_model(small, weights, 32)
    layout = lay_out(split.images.numpy(), split.labels.numpy(), 32)
    found = steps.measure_step(model, 9)
    assert found.flops == 2 * steps.multiplications(small, layout) / 20
    assert found.moved == steps.traffic(small, layout) / 20
    assert found.seconds > 0


def test_steps_are_measured_down_to_a_tenth_of_the_units():
    for model in MODELS.values():
        left = [model.masks[cycle].fraction_remaining for cycle in steps.step_cycles(model)]
        assert left[0] == 1 and left[-1] <= 0.1 < left[-2]


def test_shares_are_those_of_the_limits_of_the_same_round(monkeypatch):
    peaks = iter([Peak(100.0, 50.0), Peak(200.0, 50.0)])
    taken = iter([1.0, 2.0, 4.0] * 2)

    class OneProcess:
        def __init__(self, count):
            assert count == 1

        def do(self, task, *arguments):
            return [next(peaks)] if task is steps.one_core else [steps.StepCost(next(taken), 40.0, 10.0)]

        def close(self):
            pass

    monkeypatch.setattr(steps, "Crew", OneProcess)
    model = PaperModel(title="Short", name="fc40-fc30", stop=0.05, images=32, more=1, together=1, every=1)
    found = list(steps.steps([model], rounds=2, every=8))
    shares = [(row.at, row.low, row.high) for row in found if row.quantity == "share of peak arithmetic"]
    assert shares == [("40-30", 0.2, 0.4), ("8-7", 0.1, 0.2), ("4-3", 0.05, 0.1)]
    whole = {row.quantity: row for row in found if row.at in ("40-30", "")}
    assert (whole["training step"].value, whole["training step"].unit) == (1000, "ms")
    assert whole["share of memory bandwidth"].value == 0.2
    assert whole["matrix product, one core"].high == pytest.approx(2e-7)


def test_digits_repeat_and_keep_mnists_proportions():
    data = digits(5400)
    assert [len(split) for split in data.parts.values()] == [5400, 600, 1000]
    assert torch.equal(data.train.images[:400], data.train.images[5000:])


@pytest.mark.parametrize("name", ["fc7-fc5", "conv4-conv3", "conv3-dense6"])
def test_the_usual_network_computes_what_the_definition_does(tiny, name):
    network = describe(name, tiny.shape, tiny.classes)
    mask = Mask(np.arange(width) % 3 > 0 for width in network.widths)
    job = Job(Recipe(), network, 0, 0, mask)
    images = tiny.train.images[:8] / 255
    expected = MaskedNetwork(network, job.first_weights(), mask)(images)
    model = ways.usual_model(job)
    torch.testing.assert_close(model(images), expected)
    sums = ways.scores(model, [(images, tiny.train.labels[:8])])  # type: ignore[arg-type]  # a list is enough
    truth = measure(MaskedNetwork(network, job.first_weights(), mask), [images])["mean_of_abs"]
    for total, mean in zip(sums, truth, strict=True):
        np.testing.assert_allclose(total.numpy() / 8, mean, atol=1e-6)


@pytest.mark.parametrize("way", ["usual", "usual-1", "reference", "kernels"])
def test_each_way_trains_all_jobs_for_the_epochs_it_is_told(tiny, way, monkeypatch):
    seen = []

    def counted(found, data):
        seen.extend(found)
        return original(found, data)

    original = ways.WAYS[way]
    monkeypatch.setitem(ways.WAYS, way, counted)
    network = describe("fc4", tiny.shape, tiny.classes)
    wanted = [Job(Recipe(), network, seed, seed, Mask.full(network.widths)) for seed in (0, 1)]
    assert min(ways.seconds(way, wanted, tiny, epochs=2)) > 0
    assert [(job.seed, job.recipe.max_epochs, job.recipe.patience) for job in seen] == [(0, 2, 2), (1, 2, 2)]


def test_one_thread_is_one_thread_while_it_lasts(tiny, monkeypatch):
    seen = []
    monkeypatch.setattr(ways, "usual", lambda jobs, data: seen.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    ways.WAYS["usual-1"]([], tiny)
    assert seen == [1] and torch.get_num_threads() == 2


def test_keras_is_given_the_weights_of_the_job_in_its_own_order(tiny16):
    """Keras's convolution and dense layer, channels last, written out: it need not be installed."""
    network = describe("conv4-conv3-fc5", tiny16.shape, tiny16.classes)
    job = Job(Recipe(), network, 0, 0, Mask.full(network.widths))
    images = tiny16.train.images[:4] / 255
    expected = PlainNetwork(network, job.first_weights())(images).detach().numpy()
    value, _ = keras_way.arrays(tiny16.train)
    np.testing.assert_array_equal(value[:4], images.permute(0, 2, 3, 1).numpy())
    value, kept = value[:4], keras_way.keras_weights(job)
    for kernel, bias in zip(kept[::2], kept[1::2], strict=True):
        if kernel.ndim == 4:
            n, height, width, _ = value.shape
            wide = np.pad(value, ((0, 0), (1, 1), (1, 1), (0, 0)))
            taps = [(y, x) for y in range(3) for x in range(3)]
            value = sum(wide[:, y : y + height, x : x + width] @ kernel[y, x] for y, x in taps) + bias
            value = np.maximum(value, 0).reshape(n, height // 2, 2, width // 2, 2, -1).max(axis=(2, 4))
        else:
            value = value.reshape(len(value), -1) @ kernel + bias
            value = np.maximum(value, 0) if kernel is not kept[-2] else value
    np.testing.assert_allclose(value, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["fc5", "conv4-conv3-fc5"])
def test_keras_gives_the_same_outputs_and_values_as_the_definition(tiny16, name):
    pytest.importorskip("keras", reason="needs Keras, which is no dependency")
    network = describe(name, tiny16.shape, tiny16.classes)
    mask = Mask(np.arange(width) < width - 1 for width in network.widths)
    job = Job(Recipe(), network, 0, 0, mask)
    images = tiny16.train.images[:4] / 255
    masked = MaskedNetwork(network, job.first_weights(), mask)
    model, behind = keras_way.keras_models(job)
    value = keras_way.arrays(tiny16.train)[0][:4]
    np.testing.assert_allclose(model.predict(value, verbose=0), masked(images).detach().numpy(), atol=1e-5)
    values = behind.predict(value, verbose=0)
    scores = [np.abs(v).mean(axis=tuple(range(v.ndim - 1))) for v in (values if isinstance(values, list) else [values])]
    for score, expected in zip(scores, measure(masked, [images])["mean_of_abs"], strict=True):
        np.testing.assert_allclose(score, expected, atol=1e-5)


def test_keras_is_left_out_where_it_is_missing_and_a_line_says_so(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setitem(sys.modules, "keras", None)
    assert "keras" in keras_way.why_no_keras()
    bench = Bench()
    monkeypatch.setattr(bench.alone["keras"], "do", lambda task: [task()])
    assert bench.others() == OTHER_WAYS
    assert capsys.readouterr().out.startswith("keras: left out (")
    monkeypatch.setitem(sys.modules, "keras", sys)
    assert bench.others() == (*OTHER_WAYS, "keras")
    assert not capsys.readouterr().out
    bench.close()


def test_the_engine_is_compared_with_each_other_way_by_both_clocks(monkeypatch):
    bench, epoch = Bench(), {"usual": 8.0, "usual-1": 4.0, "reference": 2.0, "keras": 16.0, "kernels": 1.0}

    def cost(way, *rest, **named):
        return TrainingTimes(TrainingTime(epoch[way], 0.0), TrainingTime(epoch[way] ** 2, 0.0))

    monkeypatch.setattr(bench, "cost", cost)
    made = list(schedules(bench, MODELS["model1"].roughly(), 2, (*OTHER_WAYS, "keras")))
    trainings = 1 + 6 * (len(MODELS["model1"].masks) - 1)
    for clock, power in (("", 1), (", processor time", 2)):
        ratios = {row.way: row.value for row in made if row.quantity == f"times faster{clock}"}
        assert ratios == {f"kernels/{way}": epoch[way] ** power for way in (*OTHER_WAYS, "keras")}
        hours = {row.way: row.value for row in made if row.quantity == f"one seed, six metrics{clock}"}
        assert hours == {way: pytest.approx(s**power * 15 * trainings / 3600, rel=1e-3) for way, s in epoch.items()}
    bench.close()


def test_a_measurement_has_as_many_images_and_networks_as_suit_the_way(monkeypatch):
    """Keras's compiling counts once, and so do two threads that share out the work of two cores."""
    bench, given = Bench(), []

    def do(task, way, model, cycle, networks, images, epochs):
        given.append((way, networks, images))
        return [Seconds(3.0 + epochs, 6.0 + 2 * epochs)]  # three to compile, one an epoch

    monkeypatch.setattr(bench, "alone", {"keras": SimpleNamespace(do=do, count=1)})
    monkeypatch.setattr(bench, "crew", SimpleNamespace(do=do, count=1, close=lambda: None))
    monkeypatch.setattr(speed, "cores", lambda: 2)
    kept, scaled, ours = (bench.cost(way, MODELS["model2"], 0) for way in ("keras", "reference", "kernels"))
    assert given[::2] == given[1::2] == [("keras", 1, 2560), ("reference", 1, 640), ("kernels", 2, 2560)]
    whole = 54_000 / 640
    assert (kept.wall.around, scaled.wall.around) == pytest.approx((3, 3 * whole))
    assert (kept.wall.epoch, scaled.wall.epoch, ours.wall.epoch) == pytest.approx((whole / 4, whole, whole / 4 / 2))
    assert kept.processor == kept.wall


def row(part: str, value: float) -> Row:
    return Row.of(part, "Model 1", "times faster", "kernels/usual", values=[value, value + 1, value + 5], unit="times")


def test_a_row_is_the_median_with_its_spread():
    made = row("schedule", 40.0)
    assert (made.value, made.low, made.high, made.rounds) == (41, 40, 45, 3)


def test_a_part_that_is_measured_again_replaces_its_rows_only(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LIBRARIES", ("numpy", "no-such-library"))
    first = rows.benchmark_table([row("schedule", 1.0), row("steps", 2.0)])
    file = tmp_path / "speed.csv"
    first.to_csv(file, index=False)
    assert rows.read_benchmarks(file)["libraries"].iloc[0].startswith(f"torch {torch.__version__}, numpy 2")
    again = rows.merge_benchmarks(
        rows.read_benchmarks(file), rows.benchmark_table([row("steps", 7.0), row("memory", 3.0)])
    )
    assert again["part"].tolist() == ["schedule", "steps", "memory"]
    assert again["value"].tolist() == [2, 8, 4]
    assert rows.merge_benchmarks(rows.read_benchmarks(tmp_path / "none.csv"), first).equals(first)
    text = rows.as_text(again)
    assert "times faster" in text and "7 to 12" in text


def test_what_another_processor_took_stays(monkeypatch):
    tables = []
    for hardware, value in (("Pear 1", 1.0), ("Apple 2", 10.0), ("Pear 1", 100.0)):
        monkeypatch.setattr(rows, "processor", lambda hardware=hardware: hardware)
        tables.append(rows.benchmark_table([row("schedule", value), row("steps", value)]))
    both = rows.merge_benchmarks(rows.merge_benchmarks(tables[0], tables[1]), tables[2][tables[2]["part"] == "steps"])
    found = both.set_index(["hardware", "part"])["value"].to_dict()
    assert found == {
        ("Pear 1", "schedule"): 2,
        ("Pear 1", "steps"): 101,
        ("Apple 2", "schedule"): 11,
        ("Apple 2", "steps"): 11,
    }
    assert len(both) == 4


def test_the_summary_has_a_line_for_each_processor_and_network(monkeypatch):
    tables = []
    for hardware, times in (("Pear 1", 1.0), ("Apple 2", 2.0)):
        monkeypatch.setattr(rows, "processor", lambda hardware=hardware: hardware)
        monkeypatch.setattr(rows, "cores", lambda: 2)
        quantities = [
            ("one seed, six metrics", "kernels", 0.01234),
            ("one seed, six metrics", "usual", 99.0),
            ("times faster", "kernels/usual", 1234.0),
            ("times faster", "kernels/usual-1", 9.876),
            ("times faster, processor time", "kernels/usual", 77.0),
        ]
        made = [
            Row.of("schedule", model, quantity, way, values=[times * value], unit="")
            for model in ("Model 1", "Model 2")
            for quantity, way, value in quantities
        ]
        tables.append(rows.benchmark_table(made))
    assert ratios(rows.merge_benchmarks(tables[0], tables[1]))[2:] == [
        "| Apple 2, 2 cores | Model 1 | 0.0247 | 2468 | 19.8 | – |",
        "| Apple 2, 2 cores | Model 2 | 0.0247 | 2468 | 19.8 | – |",
        "| Pear 1, 2 cores | Model 1 | 0.0123 | 1234 | 9.88 | – |",
        "| Pear 1, 2 cores | Model 2 | 0.0123 | 1234 | 9.88 | – |",
    ]
    assert len(ratios(rows.benchmark_table([row("deep", 1.0)]))) == 2


def test_a_place_that_is_a_number_stays_as_it_was_written(tmp_path):
    file = tmp_path / "speed.csv"
    rows.benchmark_table(
        [Row.of("deep", "VGG19", "times faster", "compact/reference", at=at, values=[1.0], unit="times") for at in "14"]
    ).to_csv(file, index=False)
    assert rows.read_benchmarks(file)["at"].tolist() == ["1", "4"]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "speed.csv").write_text(content)
    with pytest.raises(InputError, match="remove it and measure again"):
        rows.read_benchmarks(tmp_path / "speed.csv")


def test_the_command_keeps_what_it_measures_unless_it_is_quick(tmp_path, monkeypatch, capsys):
    file = tmp_path / "new" / "speed.csv"
    monkeypatch.setitem(BENCHMARKS, "schedule", lambda quick: iter([row("schedule", 3.0)]))
    main(["schedule", "--quick", "--out", str(file)])
    assert not file.exists() and "3 to 8" in capsys.readouterr().out
    main(["schedule", "--out", str(file)])
    assert pd.read_csv(file)["value"].tolist() == [4]
    assert "follow with: make refresh" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["schedlue"])


def test_the_two_tests_of_agreement():
    slow = np.linspace(0.8, 0.9, 40)
    same = {
        r.quantity: r for r in agreement_rows("fc", "test accuracy", "a/b", slow=slow, fast=slow.copy(), unit="of 1")
    }
    assert same["p value of test accuracy"].value == 1 and same["seeds with equal test accuracy"].value == 1
    shifted = {
        r.quantity: r for r in agreement_rows("fc", "test accuracy", "a/b", slow=slow, fast=slow + 0.05, unit="of 1")
    }
    mean = shifted["mean difference of test accuracy"]
    assert mean.value == pytest.approx(0.05) and mean.low > 0.04 and shifted["p value of test accuracy"].value < 0.01
    masks = [job.mask.units_per_layer for job in agreement_jobs("fc20-fc20", range(2))]
    assert masks == [(20, 20), (10, 10)]


def test_a_watched_function_adds_up_its_time_and_hands_on_what_it_does():
    spent = {"training": 0.0}
    assert timed(lambda a, b: a + b, spent, "training")(1, b=2) == 3
    assert spent["training"] > 0
    with pytest.raises(ZeroDivisionError):
        timed(lambda: 1 / 0, spent, "training")()


def test_the_profile_sees_the_engine_at_work():
    found = {row.way: row.value for row in profile(0.01, epochs=1) if row.quantity == "share of the time"}
    assert sum(found.values()) == pytest.approx(1, abs=1e-3)
    assert min(found.values()) > 0 and list(found)[:3] == ["training", "evaluation", "scoring"]


def test_a_process_counts_its_own_memory_alone() -> None:
    """getrusage would say at least what this process, which starts the other, holds."""
    held = np.ones(40_000_000)  # 320 MB
    crew = Crew(1)
    (small,) = crew.do(peak_so_far)
    crew.close()
    assert held.nbytes / 1e6 < peak_so_far()
    assert small < peak_so_far() - 150
