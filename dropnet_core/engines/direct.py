"""A convolution by PyTorch's libraries: the best way for large maps, for those that are scored, and on GPUs."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.engines.pooled import Seen, from_taps, seen
from dropnet_core.engines.relu import through_relu
from dropnet_core.engines.windows import Batch


class Direct:
    """A convolution with pool and ReLU (see `pooled`)."""

    def __init__(self, taps: Tensor, bias: Tensor, count: int, height: int, width: int, first: bool = False) -> None:
        """`first` says that nothing comes before, so that nobody asks for the slope of the input."""
        self.bias, self.first, self.weight = bias, first, from_taps(taps)
        # For float64, and for one unit and one image, PyTorch's own code is called, which does not take every layout.
        fast = torch.channels_last if taps.dtype == torch.float32 and len(bias) > 1 else torch.contiguous_format
        self.kernel = self.weight.contiguous(memory_format=fast)
        self.input = self.inner = taps.new_zeros(count, height, width, taps.shape[1])
        self.images = self.input.permute(0, 3, 1, 2)
        pooled = taps.new_empty(count, height // 2, width // 2, len(bias))
        self.slope = pooled.permute(0, 3, 1, 2)

    def read(self, batch: Batch) -> None:
        self.inner.copy_(batch.images.permute(0, 2, 3, 1)).div_(255)

    def forward(self, value: Tensor) -> None:
        self.kernel.copy_(self.weight)
        self.maps = F.conv2d(self.images, self.kernel, self.bias, padding=1)
        self.value, self.winners = torch.ops.aten.max_pool2d_with_indices(self.maps, [2, 2])
        value.copy_(self.value.clamp_(min=0).permute(0, 2, 3, 1))

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        slope = torch.ops.aten.max_pool2d_with_indices_backward(
            through_relu(slope.permute(0, 3, 1, 2), self.value, self.slope),
            self.maps, [2, 2], [2, 2], [0, 0], [1, 1], False, self.winners,
        )  # fmt: skip
        before, kernel, bias = torch.ops.aten.convolution_backward(
            slope, self.images, self.kernel, [len(self.bias)],
            [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [not self.first, True, True],
        )  # fmt: skip
        self.weight.add_(kernel, alpha=scale)
        self.bias.add_(bias, alpha=scale)
        return self.inner if self.first else before.permute(0, 2, 3, 1)

    def seen(self) -> Seen:
        return seen(self.maps.clamp_(min=0).permute(0, 2, 3, 1).flatten(1, 2))
