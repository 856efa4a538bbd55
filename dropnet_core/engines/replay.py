"""Steps that a GPU records once and then replays: launching their small kernels one by one takes longer than the
arithmetic."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

STEPS = 8  # of training that are recorded together, and whose losses and right answers are counted together
WARM_UP = 3  # runs before recording, in which libraries choose their algorithms and reserve memory


class Replay:
    """Work on fixed buffers, `times` times a call: recorded as one CUDA graph on a GPU, done as it stands on a CPU.

    work     reads and writes only tensors that stay where they are; what it returns is ignored
    changed  every tensor that it changes and that matters afterwards, the position in the data included; recording
             runs the work, so they are put back behind it
    """

    def __init__(self, work: Callable[[], object], changed: Sequence[Tensor], times: int = 1) -> None:
        self._times, self._graph = times, None
        if changed[0].device.type == "cuda":
            self._graph = self._recorded(work, changed)
        else:  # not kept beside a graph: it may hold its owner, and a ring of the two the memory of the device
            self._work = work

    def _recorded(self, work: Callable[[], object], changed: Sequence[Tensor]) -> torch.cuda.CUDAGraph:
        before = [tensor.clone() for tensor in changed]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(self._times):
                work()
        for tensor, value in zip(changed, before, strict=True):
            tensor.copy_(value)
        return graph

    def __call__(self) -> None:
        if self._graph is not None:
            self._graph.replay()
            return
        for _ in range(self._times):
            self._work()
