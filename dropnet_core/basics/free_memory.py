"""How much memory is free: on a GPU, on this machine, or as far as a control group of Linux lets this process."""

import resource
from collections.abc import Iterator
from pathlib import Path

import torch

ROOT = Path("/")


def free_bytes(device: torch.device) -> int | None:
    """The memory that is free on a device, None where the system does not tell."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for what comes
        return torch.cuda.mem_get_info(device)[0] + kept
    known = [free for free in (available(ROOT), *left_by_groups(ROOT)) if free is not None]
    return min(known, default=None)


def left_to_process() -> int | None:
    """What `ulimit -v`, by which some batch systems bound each process, leaves this one; None without such a bound."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return None
    try:
        pages = int((ROOT / "proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError):
        return None
    return max(0, most - pages * resource.getpagesize())


def available(root: Path) -> int | None:
    """What Linux could give to new processes without swapping; None elsewhere."""
    try:
        table = dict(line.split(":") for line in (root / "proc/meminfo").read_text("ascii").splitlines())
        return int(table["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return None


def left_by_groups(root: Path) -> Iterator[int]:
    """What each control group that this process is in leaves of its limit, as a container or a batch system sets one.

    A group's groups above it limit it too. Inside a container their paths may be those of the machine around it: what
    is not there is passed over, and the container's own group stands at the top.
    """
    for place, (limit, used, files) in groups(root):
        try:
            most = int((place / limit).read_text("ascii"))
            held = int((place / used).read_text("ascii"))
            table = dict(line.split() for line in (place / "memory.stat").read_text("ascii").splitlines())
        except (OSError, ValueError):  # no such group, no limit ("max"), or one that cannot be read
            continue
        # Cached files count as used, but make room for whoever needs it; MemAvailable counts them as free, too.
        cached = sum(int(table.get(name, 0)) for name in files)
        yield max(0, most - held + cached)


VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file"))
VERSION_2 = ("memory.max", "memory.current", ("active_file", "inactive_file"))


def groups(root: Path) -> Iterator[tuple[Path, tuple[str, str, tuple[str, str]]]]:
    """The folder of each group, and the names in it: of the limit, of what is used, and of the cached files in that."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        number, kinds, path = line.split(":", 2)  # "4:memory:/batch/job" in version 1, "0::/batch/job" in version 2
        if kinds and "memory" not in kinds.split(","):
            continue
        top, names = (root / "sys/fs/cgroup/memory", VERSION_1) if kinds else (root / "sys/fs/cgroup", VERSION_2)
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts) + 1):
            yield top.joinpath(*parts[:depth]), names


def size_in_words(count: int) -> str:
    """Such as "1.5 GB", from a number of bytes."""
    if count >= 1e12:
        return f"{count / 1e12:.1f} TB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
