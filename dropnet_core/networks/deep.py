"""ResNet18 and VGG19 as the paper prunes them (its section 4 and supplement, in the details its authors' code)."""

import re

from dropnet_core.basics.errors import InputError
from dropnet_core.networks.architecture import Layer

WIDTHS = (64, 128, 256, 512)
MANY_CLASSES = 200  # from here on, VGG19's hidden dense layer is as wide as for Tiny ImageNet
DEEP = re.compile(r"(resnet18|vgg19)(?:/(\d{1,9}))?")


def deep_layers(name: str, classes: int) -> tuple[Layer, ...] | None:
    """The layers of "resnet18", "vgg19", or a narrow one such as "vgg19/8"; None for any other name.

    Raises InputError for a divisor that does not divide all widths.
    """
    match = DEEP.fullmatch(name)
    if not match:
        return None
    divisor = int(match[2] or 1)
    if not divisor or WIDTHS[0] % divisor:
        raise InputError(f"network '{name}': widths can be divided by 2, 4, 8, 16, 32 or 64, not by {divisor}")
    return resnet18(divisor) if match[1] == "resnet18" else vgg19(divisor, classes)


def resnet18(divisor: int = 1) -> tuple[Layer, ...]:
    """20 masked convolutions, all widths divided by `divisor`; no batch norm.

    A block adds its second convolution to what it has read. Where the width grows, at the start of stages 2, 3
    and 4, a third, 3x3 convolution stands on the shortcut, with ReLU and a mask of its own. Nothing follows the
    addition, since neither summand is negative. Images are halved by max-pools, never by strides.
    """
    layers = [Layer("conv", WIDTHS[0] // divisor, pool="max")]
    for width in WIDTHS:
        units = width // divisor
        for block in (1, 2):
            before = len(layers) - 1
            layers += [Layer("conv", units), Layer("conv", units)]
            shortcut = before
            if block == 1 and width > WIDTHS[0]:
                layers.append(Layer("conv", units, inputs=(before,)))
                shortcut = before + 3
            pool = "" if block == 1 else "max" if width < WIDTHS[-1] else "average"
            layers.append(Layer("sum", units, masked=False, pool=pool, inputs=(before + 2, shortcut)))
    return tuple(layers)


def vgg19(divisor: int = 1, classes: int = 10) -> tuple[Layer, ...]:
    """16 masked convolutions in five groups, and a dense layer that is not pruned; all widths divided by `divisor`.

    The last convolution of a group has batch norm behind its ReLU; its mask comes after that, so that a dropped
    filter does not even hand on the norm's shift. Then the map is halved.
    """
    layers = []
    for convolutions, width in zip((2, 2, 4, 4, 4), (*WIDTHS, WIDTHS[-1]), strict=True):
        layers += [Layer("conv", width // divisor)] * (convolutions - 1)
        layers.append(Layer("conv", width // divisor, norm=True, pool="max"))
    hidden = 1024 if classes >= MANY_CLASSES else 256
    return (*layers, Layer("dense", hidden // divisor, masked=False))
