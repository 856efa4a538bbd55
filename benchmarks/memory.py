"""Peak memory of a process that trains, a fresh process for each way."""

import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.models import ENGINE, MNIST_IMAGES, PaperModel, digits
from benchmarks.processes import Crew
from benchmarks.rows import Row
from benchmarks.ways import loader, seconds
from dropnet_core.running.forecast import first_images


def peak_memory(way: str, model: PaperModel, images: int) -> float:
    """Runs in a process of its own: megabytes at the peak of one epoch on so many images, with as many in memory as
    MNIST has."""
    whole = digits(MNIST_IMAGES[0])
    held = loader(whole.train, 32) if way == "usual" and images < len(whole.train) else None
    seconds(way, model.jobs(0, 1), first_images(whole, images), 1)
    del held
    return peak_so_far()


def peak_so_far() -> float:
    """The megabytes that this process held at its peak."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; there getrusage begins with what the parent held
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def in_fresh_process(way: str, model: PaperModel, images: int) -> float:
    """What `peak_memory` says there."""
    crew = Crew(1)
    (megabytes,) = crew.do(peak_memory, way, model, images)
    crew.close()
    return megabytes


def memory(models: Sequence[PaperModel], share: float = 1.0) -> Iterator[Row]:
    """Each model in each way at its full width; `share` of the images for a quick look."""
    for model in models:
        images = int(share * MNIST_IMAGES[0]) if model.network.all_dense else 320
        in_fresh_process(ENGINE, model, 32)  # compiles what the measured process then loads
        for way in ("usual", "reference", ENGINE):
            megabytes = in_fresh_process(way, model, images)
            yield Row.of("memory", model.title, "peak of a process", way, values=[megabytes], unit="MB")
