"""Data sets: splits, checksums, names."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from dropnet_core.basics.errors import InputError
from dropnet_core.data import DATA_SETS, DataSet, Split, load, register, stratified_rows
from dropnet_core.data.cifar import CIFAR10_FILES, read_batch
from dropnet_core.data.glyphs import glyphs
from dropnet_core.data.make_mnist5k import first_of_each_class
from dropnet_core.data.mnist import MNIST5K_SHA256, embedded_arrays, official_arrays
from dropnet_core.data.sources import locate, read_whole
from dropnet_core.data.splits import rows_digest, with_official_test


def small_split(n: int = 6, value: int = 0, classes: int = 2) -> Split:
    return Split(torch.full((n, 1, 2, 2), value, dtype=torch.uint8), torch.arange(n) % classes)


def small(name: str = "own", /, **changed: Split) -> DataSet:
    splits = {"train": small_split(6), "validation": small_split(4), "test": small_split(5)} | changed
    return DataSet.of(name, **splits, classes=2)


@pytest.fixture
def own_name():
    yield "own"
    DATA_SETS._entries.pop("own", None)


def test_a_data_set_knows_its_shape_and_chance():
    data = small()
    assert data.shape == (1, 2, 2)
    assert data.chance == 3 / 5
    moved = data.to("cpu")
    assert moved.sha256 == data.sha256 and torch.equal(moved.test.labels, data.test.labels)


def test_the_checksum_depends_on_pixels_labels_order_and_shape_but_not_on_the_name():
    data = small()
    assert small("other").sha256 == data.sha256 and len(data.sha256) == 64
    brighter = small_split(5)
    brighter.images[4, 0, 1, 1] = 1
    flipped = Split(small_split(5).images, small_split(5).labels.flip(0).roll(1))
    reshaped = {part: Split(s.images.reshape(-1, 1, 1, 4), s.labels) for part, s in data.parts.items()}
    sums = {data.sha256, small(test=brighter).sha256, small(test=flipped).sha256, small(**reshaped).sha256}
    swapped = small(train=data.validation, validation=data.train)
    assert len(sums | {swapped.sha256}) == 5
    assert small(test=Split(data.test.images, data.test.labels.clone())).sha256 == data.sha256


def test_the_first_classes_of_a_data_set():
    data, few = load("mnist5k"), load("mnist5k:3")
    assert (few.name, few.classes, few.shape) == ("mnist5k:3", 3, data.shape)
    for part, split in few.parts.items():
        rows = data.parts[part].labels < 3
        assert torch.equal(split.labels, data.parts[part].labels[rows])
        assert torch.equal(split.images, data.parts[part].images[rows])
    assert few.sha256 != data.sha256 == load("mnist5k:10").sha256
    assert load("glyphs:2", size=16).classes == 2


def test_a_pinned_checksum_holds_the_definition_fast():
    assert small().sha256 == "44a841d7021bfdf8855980915b94b36530ecc8f6c127b864e3baf26098edc6dd"


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), "uint8"),
        (torch.zeros(2, 2, 2, dtype=torch.uint8), torch.tensor([0, 1]), "uint8"),
        (torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 1]), "int64"),
        (torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0.0, 1.0]), "int64"),
        (torch.zeros(0, 1, 2, 2, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64), "at least one"),
    ],
)
def test_a_split_refuses_tensors_that_do_not_fit(images, labels, words):
    with pytest.raises(InputError, match=words):
        Split(images, labels)


def test_a_data_set_refuses_splits_that_do_not_fit():
    with pytest.raises(InputError, match="one shape"):
        small(test=Split(torch.zeros(2, 3, 2, 2, dtype=torch.uint8), torch.tensor([0, 1])))
    with pytest.raises(InputError, match="validation labels run from 0 to 2"):
        small(validation=small_split(4, classes=3))
    with pytest.raises(InputError, match="at least two"):
        DataSet.of("one", small_split(), small_split(), small_split(), classes=1)


def test_the_split_is_the_one_of_the_authors_code():
    even, uneven = np.arange(1000) % 10, np.repeat([2, 0, 1], [700, 200, 100])
    assert [rows_digest(rows) for rows in stratified_rows(even)] == ["7be8aa25d2dcbb54", "d55ff8b057d680ed"]
    assert [rows_digest(rows) for rows in stratified_rows(uneven)] == ["6747e16e0f4b8d2a", "9ff4311cb7de47e9"]
    kept, held_out = stratified_rows(uneven)
    assert sorted([*kept, *held_out]) == list(range(1000))
    assert np.bincount(uneven[held_out]).tolist() == [20, 10, 70]


@pytest.mark.parametrize("labels", [[0, 1], [0] * 50 + [1], [0] * 500 + [1] * 2, [0, 1, 2] * 3])
def test_classes_too_small_to_split_are_refused(labels):
    with pytest.raises(InputError, match=r"too few images .* at least 12 of each class"):
        stratified_rows(np.array(labels))


def test_a_split_that_is_not_the_known_one_is_refused():
    images, labels = np.zeros((200, 1, 2, 2), np.uint8), np.arange(200) % 10
    with pytest.raises(InputError, match="scikit-learn splits differently"):
        with_official_test("mnist", images, labels, images, labels, known="0" * 64)


def test_mnist5k_is_embedded_whole_and_in_the_order_of_the_full_set():
    data = load("mnist5k")
    assert data.sha256 == MNIST5K_SHA256 and data.name == "mnist5k"
    assert data.shape == (1, 28, 28) and data.classes == 10 and data.chance == 0.1
    counts = [torch.bincount(split.labels).tolist() for split in data.parts.values()]
    assert counts == [[500] * 10, [100] * 10, [200] * 10]
    # The first labels of the full set's training order: no class has used up its 500 there.
    assert data.train.labels[:10].tolist() == [2, 1, 5, 1, 8, 0, 8, 7, 1, 1]
    rows = embedded_arrays()
    assert len({*rows["train_rows"], *rows["validation_rows"]}) == 6000
    assert (np.diff(rows["test_rows"]) > 0).all()


def at_hand(*place: str) -> bool:
    return os.path.isdir(os.path.join(os.environ.get("DROPNET_DATA", ""), *place))


@pytest.mark.skipif(not at_hand("MNIST", "raw"), reason="needs all of MNIST in DROPNET_DATA")
def test_all_of_mnist():
    """The split itself; another test pins the function on made-up labels."""
    digits = official_arrays()
    train, validation = stratified_rows(digits.labels)
    assert (rows_digest(train), rows_digest(validation)) == ("9a8c2aaa6e6aad2f", "83d333505386f7f4")
    data, arrays = load("mnist"), embedded_arrays()
    assert [len(split) for split in data.parts.values()] == [54_000, 6_000, 10_000]
    chosen = train[first_of_each_class(digits.labels[train], 500)]
    assert (arrays["train_rows"] == chosen).all()
    assert (arrays["train_images"] == digits.images[chosen]).all()
    assert (arrays["test_images"] == digits.test_images[arrays["test_rows"]]).all()


@pytest.mark.skipif(not at_hand("cifar-10-batches-py"), reason="needs all of CIFAR-10 in DROPNET_DATA")
def test_all_of_cifar10():
    """The split and what it must look like; `load` checks every pixel and label by its checksum."""
    data = load("cifar10")
    folder, files = locate(CIFAR10_FILES), list(CIFAR10_FILES.files)[:5]
    labels = np.concatenate([read_batch(read_whole(CIFAR10_FILES, folder, file))[1] for file in files])
    train, validation = stratified_rows(labels)
    assert (rows_digest(train), rows_digest(validation)) == ("455d3cd240d06c15", "fc7d0b5bb1260a3e")
    assert data.shape == (3, 32, 32)
    assert data.train.labels[:10].tolist() == [1, 1, 6, 2, 8, 6, 1, 2, 6, 7]
    assert torch.bincount(data.validation.labels).tolist() == [500] * 10


def test_the_first_of_each_class_keep_their_order():
    labels = np.array([3, 1, 3, 3, 1, 2, 2, 1])
    assert first_of_each_class(labels, 2).tolist() == [0, 1, 2, 4, 5, 6]


def test_glyphs_are_the_same_each_time_and_others_for_another_seed():
    data = load("glyphs")
    assert data.sha256 == glyphs().sha256 != glyphs(seed=1).sha256
    assert data.shape == (3, 32, 32) and data.classes == 10
    assert [torch.bincount(split.labels).unique().tolist() for split in data.parts.values()] == [
        [200],
        [40],
        [40],
    ]
    assert not torch.equal(data.train.labels, data.train.labels.sort().values)
    assert len(torch.unique(data.train.images.flatten(1), dim=0)) == 2000


def test_glyphs_of_one_class_look_alike():
    """Images resemble the mean of their own class more often than chance would have it."""
    data = load("glyphs", size=64)
    assert data.shape == (3, 64, 64)
    train, test = (split.images.float().mean(1).flatten(1) for split in (data.train, data.test))
    train, test = ((x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True) for x in (train, test))
    means = torch.stack([train[data.train.labels == c].mean(0) for c in range(10)])
    nearest = (test @ means.T).argmax(1)
    assert (nearest == data.test.labels).float().mean() > 0.5


def test_a_user_adds_a_data_set(own_name):
    seen = {}

    def loader(size: int = 2) -> DataSet:
        seen["size"] = size
        return small()

    register(own_name, loader)
    assert load(own_name).sha256 == small().sha256 and seen == {"size": 2}
    load(own_name, size=4)
    assert seen == {"size": 4}
    with pytest.raises(InputError, match="exists already"):
        register(own_name, loader)
    register(own_name, loader, replace=True)
    with pytest.raises(InputError, match="cannot hold ':'"):
        register("own:set", loader)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mnst5k", {}, "unknown data set 'mnst5k'; did you mean 'mnist5k'"),
        ("imagefoldr:somewhere", {}, "did you mean 'imagefolder'"),
        ("mnist5k", {"size": 16}, "takes no size"),
        ("mnist5k", {"colour": True}, "takes no colour"),
        ("mnist5k:here", {}, "takes no path"),
        ("mnist5k:1", {}, "'mnist5k:1': the data set has 10 classes; keep 2 to all"),
        ("mnist5k:11", {}, "the data set has 10 classes"),
        ("imagefolder", {}, "needs a path: write imagefolder:PATH"),
        ("glyphs", {"size": 0}, "size must be a whole number"),
        ("glyphs", {"size": 32.0}, "size must be a whole number"),
        ("glyphs", {"size": 8}, "at least 16"),
        ("glyphs", {"size": 257}, "at most 256"),
        ("glyphs", {"size": 4097}, "at most 4,096, not 4097"),
        ("imagefolder:nowhere", {"size": 4097}, "at most 4,096, not 4097"),
    ],
)
def test_bad_names_and_options_are_refused(name, options, words):
    with pytest.raises(InputError, match=words):
        load(name, **options)


def test_importing_the_package_stays_light():
    code = "import sys, dropnet_core.data; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "dropnet_core.data" in modules
    assert not modules & {"torchvision", "matplotlib", "sklearn"}


def test_images_that_do_not_fit_into_the_memory_are_refused(own_name):
    def loader(size: int = 2) -> DataSet:
        images = torch.from_numpy(np.empty((2**30, 3, size, size), np.uint8))
        split = Split(images, images[:, 0, 0, 0])
        return DataSet.of(own_name, split, split, split, classes=2)

    register(own_name, loader)
    with pytest.raises(InputError, match="the images of .* do not fit into the memory; give a smaller size"):
        load(own_name, size=4096)
