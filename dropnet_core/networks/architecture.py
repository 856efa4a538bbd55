"""A network as plain data: its layers, what each of them reads, and the shapes of all its weights."""

from dataclasses import dataclass

KERNEL = 3  # every convolution of the paper is 3x3, stride 1, zero-padded to the same size


@dataclass(frozen=True)
class Layer:
    """One layer. Each hands on a value, which later layers read:

    dense, conv  ReLU(weight * input + bias), then batch norm, mask and pooling where the layer has them
    sum          the values of several layers added up, channel by channel, then pooling

    kind    "dense", "conv" or "sum"
    units   nodes, filters, or channels of a sum
    masked  whether DropNet may drop its units
    norm    whether batch norm follows the ReLU
    pool    "" for none, "max" for 2x2 of stride 2, "average" for the mean over the whole map
    inputs  indices of the layers it reads, of which a sum has several; empty: the layer before it
    places  of a sum: for each input the channels, in rising order, to which its channels are added; empty: every
            input is as wide as the sum. Only compaction makes others, where the inputs keep different channels
    """

    kind: str
    units: int
    masked: bool = True
    norm: bool = False
    pool: str = ""
    inputs: tuple[int, ...] = ()
    places: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Architecture:
    """Layers in an order in which they can be computed, then a dense output layer that reads the last of them.

    name    as in the table of experiments, for example "fc40-fc40", "conv64-conv32" or "resnet18"
    shape   one image, (channels, height, width)
    """

    name: str
    shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    classes: int

    @property
    def masked_layers(self) -> tuple[int, ...]:
        """Indices of the layers that DropNet may prune, in the order of the masks."""
        return tuple(i for i, layer in enumerate(self.layers) if layer.masked)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of the masked layers."""
        return tuple(self.layers[i].units for i in self.masked_layers)

    @property
    def all_dense(self) -> bool:
        """Whether there is no convolution."""
        return all(layer.kind == "dense" for layer in self.layers)

    @property
    def has_norm(self) -> bool:
        """Whether there is a batch norm."""
        return any(layer.norm for layer in self.layers)

    def sources(self, layer: int) -> tuple[int, ...]:
        """Indices of the layers that this one reads; -1 stands for the images, len(layers) for the output layer."""
        given = self.layers[layer].inputs if layer < len(self.layers) else ()
        return given or (layer - 1,)

    def inputs(self) -> tuple[tuple[int, int, int], ...]:
        """The (channels, height, width) that enters each layer and, last, the output layer; for a sum, the added maps.

        A dense layer of u nodes hands on (u, 1, 1); 2x2 pooling rounds down.
        """
        handed_on = {-1: self.shape}
        entering = []
        for i, layer in enumerate(self.layers):
            channels, height, width = handed_on[self.sources(i)[0]]
            entering.append((layer.units if layer.kind == "sum" else channels, height, width))
            if layer.kind == "dense" or layer.pool == "average":
                height, width = 1, 1
            elif layer.pool == "max":
                height, width = height // 2, width // 2
            handed_on[i] = (layer.units, height, width)
        return (*entering, handed_on[len(self.layers) - 1])

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of everything that training changes, by layer and part.

        weight           dense (out, in), convolution (out, in, 3, 3)
        bias             (out,)
        gamma, beta      (out,), the scale and shift of a batch norm
        mean, variance   (out,), its moving statistics, which are averaged and not learnt
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (channels, height, width) in enumerate(self.inputs()):
            layer = self.layers[i] if i < len(self.layers) else Layer("dense", self.classes)
            if layer.kind == "sum":
                continue
            convolution = layer.kind == "conv"
            field = (channels, KERNEL, KERNEL) if convolution else (channels * height * width,)
            shapes[f"{i}.weight"] = (layer.units, *field)
            for part in ("bias", *NORM_PARTS) if layer.norm else ("bias",):
                shapes[f"{i}.{part}"] = (layer.units,)
        return shapes


MOVING_PARTS = ("mean", "variance")
NORM_PARTS = ("gamma", "beta", *MOVING_PARTS)


def is_moving(name: str) -> bool:
    """Whether a weight of this name, such as "3.mean", is a moving statistic."""
    return name.endswith(MOVING_PARTS)
