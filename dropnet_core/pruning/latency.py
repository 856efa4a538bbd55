"""How long networks take for a few images at a time, and whether a smaller one is faster at all."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from dropnet_core.basics.errors import unknown
from dropnet_core.pruning.onnx_file import images_like, opened, to_onnx

SIZES = (1, 8, 64)
RUNTIMES = ("torch", "onnxruntime")
LEAST_SECONDS = 0.2  # that each network is measured for at each number of images
FASTER = 1.05  # less than that is no gain that one could rely on


def latency(
    networks: Mapping[str, nn.Module], example: Tensor, *, images: Sequence[int] = SIZES, runtime: str = "torch"
) -> pd.DataFrame:
    """Milliseconds that each network takes for so many images at once, in evaluation mode.

    networks  by name; the first is what the others are compared with
    example   images (n, ...) on the networks' device
    runtime   "torch", or "onnxruntime" on the CPU, which needs the extra `onnx`

    The networks take turns, so that what else the machine does hits all of them. Columns: images, network,
    milliseconds (the median), times_as_fast as the first network. Raises InputError for an unknown runtime.
    """
    if runtime not in RUNTIMES:
        raise unknown("runtime", runtime, RUNTIMES)
    rows = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        calls = {
            name: call_of(network, example, runtime, Path(folder, f"{i}.onnx"))
            for i, (name, network) in enumerate(networks.items())
        }
        for count in images:
            batch = images_like(example, count)
            medians = turns(calls, batch)
            first = next(iter(medians.values()))
            rows += [
                {"images": count, "network": name, "milliseconds": 1e3 * median, "times_as_fast": first / median}
                for name, median in medians.items()
            ]
    return pd.DataFrame(rows)


def call_of(network: nn.Module, example: Tensor, runtime: str, path: Path) -> Callable[[Tensor], object]:
    """What to call with images."""
    if runtime == "torch":
        return network.eval()
    with torch.inference_mode(False):
        to_onnx(network, example.clone(), path)
    session = opened(path, threads=torch.get_num_threads())
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch.cpu().numpy()})


def turns(calls: Mapping[str, Callable[[Tensor], object]], batch: Tensor) -> dict[str, float]:
    """The median seconds of each call, which take turns; the first two rounds warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    while len(next(iter(seconds.values()))) < 7 or min(map(sum, seconds.values())) < LEAST_SECONDS:
        for name, call in calls.items():
            start = time.perf_counter()
            call(batch)
            if batch.device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(found[2:]) for name, found in seconds.items()}


def advice(table: pd.DataFrame, multiple: int) -> str:
    """What a table of `latency` says about the last of its networks, in words."""
    last = table[table["network"] == table["network"].iloc[-1]]
    slow = last[last["times_as_fast"] < FASTER]
    words = ", ".join(
        f"{row.times_as_fast:.2f} times as fast at {row.images} images" for row in last.itertuples()
    ).replace(" 1 images", " 1 image")
    if slow.empty:
        return f"The smaller network is {words}."
    counts = " and ".join(str(count) for count in slow["images"])
    remedy = "fewer units do not help there"
    if multiple < 8:
        remedy = "layers of odd widths can be slow: try multiple=8, which rounds them up"
    return f"The smaller network is {words}. It is not faster at {counts}; {remedy}."
