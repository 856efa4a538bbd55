"""The authors' way: `model.fit` of Keras, with masks as layers. Measured where Keras 3 is installed, else left out.

Keras is no dependency of the project: `pip install keras` and one of its backends, named by `KERAS_BACKEND`. The
tests that need it are left out where it is missing.
"""

import importlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from dropnet_core.data import DataSet, Split
from dropnet_core.runs import Job


def load_keras() -> Any:
    """Keras, which shall see no GPU, as the other ways use none. Raises ImportError without it or its backend."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    return importlib.import_module("keras")


def why_no_keras() -> str:
    """Why this way cannot be measured here; empty if it can. Runs in a process of a crew."""
    try:
        load_keras()
    except ImportError as error:
        return str(error)
    return ""


def keras_weights(job: Job) -> list[np.ndarray]:
    """A job's first weights as Keras orders them: kernel and bias of each layer, channels and units last."""
    made, weights = [], job.first_weights()
    for i, (channels, height, width) in enumerate(job.network.inputs()):
        kernel = weights[f"{i}.weight"].numpy()
        if kernel.ndim == 4:
            kernel = kernel.transpose(2, 3, 1, 0)
        else:  # what is flattened are maps, whose channels Keras counts last
            kernel = kernel.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, len(kernel))
        made += [kernel, weights[f"{i}.bias"].numpy()]
    return made


def keras_models(job: Job) -> tuple[Any, Any]:
    """A job's network as one writes it down in Keras, with its first weights; and a second model, which shows what
    is behind the masks of the first."""
    keras, network = load_keras(), job.network
    layers = keras.layers
    base: Any = layers.Layer

    class Masked(base):
        """Multiplies activations by a constant 0/1 mask."""

        def __init__(self, mask: np.ndarray) -> None:
            super().__init__()
            self.mask = mask.astype("float32")

        def call(self, value: Any) -> Any:
            return value * keras.ops.convert_to_tensor(self.mask)

    masks = dict(zip(network.masked_layers, job.mask.layers, strict=True))
    last, behind = "channels_last", []
    images = value = keras.Input((*network.shape[1:], network.shape[0]))
    for i, layer in enumerate(network.layers):
        if layer.kind == "conv":
            value = layers.Conv2D(layer.units, 3, padding="same", activation="relu", data_format=last)(value)
        else:
            value = layers.Dense(layer.units, activation="relu")(layers.Flatten(data_format=last)(value))
        if i in masks:
            value = Masked(masks[i])(value)
            behind.append(value)
        if layer.kind == "conv":
            value = layers.MaxPooling2D(2, data_format=last)(value)
    logits = layers.Dense(network.classes)(layers.Flatten(data_format=last)(value))
    model = keras.Model(images, logits)
    model.set_weights(keras_weights(job))
    return model, keras.Model(images, behind)


def arrays(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, H, W, C) between 0 and 1, and labels."""
    return split.images.permute(0, 2, 3, 1).numpy().astype("float32") / 255, split.labels.numpy()


def keras_way(jobs: Sequence[Job], data: DataSet) -> None:
    """One network after another, with as many threads as the backend takes by itself. The test images are passed
    through once, behind the last epoch."""
    keras = load_keras()
    train, validation, test = map(arrays, data.parts.values())
    for job in jobs:
        recipe, (model, behind) = job.recipe, keras_models(job)
        model.compile(
            optimizer=keras.optimizers.SGD(recipe.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        stop = keras.callbacks.EarlyStopping("val_loss", patience=recipe.patience)
        model.fit(
            *train, batch_size=recipe.batch_size, epochs=recipe.max_epochs, shuffle=False,
            validation_data=validation, validation_batch_size=1000, callbacks=[stop], verbose=0,
        )  # fmt: skip
        model.evaluate(*test, batch_size=1000, verbose=0)
        values = behind.predict(train[0], batch_size=1000, verbose=0)
        for value in values if isinstance(values, list) else [values]:
            np.abs(value).mean(axis=tuple(range(value.ndim - 1)))
        keras.utils.clear_session()  # what it compiled would stay in memory
