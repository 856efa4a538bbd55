"""Mapped images on their way to another process."""

from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch

from dropnet_core.basics.errors import InputError
from dropnet_core.data.dataset import DataSet
from dropnet_core.data.decoded import EncodedSplit, MappedSplit, decode_once, file_identity, reopen_split


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept"


def decode(folder, value=0, stamp="stamp"):
    """Three splits of five images, decoded into the folder or found there."""
    images = np.arange(5 * 12, dtype=np.uint8).reshape(5, 3, 2, 2) + np.uint8(value)
    splits = ((part, EncodedSplit(np.arange(5) % 2, list(images))) for part in ("train", "validation", "test"))
    return decode_once(folder, stamp, name="small", shape=(3, 2, 2), classes=2, splits=splits)


def sent(data: DataSet) -> DataSet:
    """What another process gets."""
    received: DataSet = ForkingPickler.loads(ForkingPickler.dumps(data))
    return received


@pytest.mark.parametrize("when", ["decoded just now", "found"])
def test_another_process_maps_the_images_itself(folder, when):
    data = decode(folder)
    if when == "found":
        data = decode(folder)
    received = sent(data.to("cpu"))
    assert not data.train.images.is_shared() and not received.train.images.is_shared()
    for part, split in received.parts.items():
        assert isinstance(split, MappedSplit) and split.file == folder / f"{part}_images.npy"
        assert torch.equal(split.images, data.parts[part].images)
        assert torch.equal(split.labels, data.parts[part].labels)
    received.train.images[0] = 99  # changes nobody else's
    assert torch.equal(decode(folder).train.images, data.train.images)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_images_whose_file_is_another_by_now_are_copied(folder, how):
    data = decode(folder)
    expected = data.train.images.clone()
    if how == "replaced":
        assert not torch.equal(decode(folder, value=7, stamp="other").train.images, expected)
    else:
        (folder / "train_images.npy").unlink()
    received = sent(data)
    assert not isinstance(received.train, MappedSplit) and torch.equal(received.train.images, expected)


def test_a_file_that_is_replaced_on_the_way_is_refused(folder):
    split = decode(folder).train
    assert isinstance(split, MappedSplit) and split.mark == file_identity(split.file)
    decode(folder, value=7, stamp="other")
    with pytest.raises(InputError, match="was replaced while a worker process started; start again"):
        reopen_split(split.file, split.labels.numpy(), split.mark)


def test_kept_labels_that_declare_petabytes_are_decoded_again(folder):
    expected = decode(folder).train.labels
    with (folder / "train_labels.npy").open("wb") as stream:
        header = {"descr": "<i8", "fortran_order": False, "shape": (10**15,)}
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.warns(UserWarning, match="are damaged .*Unable to allocate.* and are decoded again"):
        assert torch.equal(decode(folder).train.labels, expected)
