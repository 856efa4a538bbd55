"""What is free, read from files as Linux has them; these are made up."""

from pathlib import Path

import pytest
import torch

from dropnet_core.basics import free_memory
from dropnet_core.basics.free_memory import free_bytes, left_to_process

CPU = torch.device("cpu")
AVAILABLE = 8_000_000 * 1024


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The root of a machine with 8 GB free and no control group."""
    written(tmp_path / "proc", meminfo="MemTotal:       24684084 kB\nMemAvailable:    8000000 kB\n")
    monkeypatch.setattr(free_memory, "ROOT", tmp_path)
    return tmp_path


def written(folder: Path, **files: str) -> None:
    """Files with these names and contents."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)


def version_2(folder: Path, limit: object, used: int, cached: int = 0) -> None:
    stat = f"anon 5\nfile {cached}\nactive_file {cached // 4}\ninactive_file {cached - cached // 4}\n"
    written(folder, **{"memory.max": f"{limit}\n", "memory.current": f"{used}\n", "memory.stat": stat})


def version_1(folder: Path, limit: int, used: int, cached: int = 0) -> None:
    stat = f"active_file 9\ninactive_file 9\ntotal_active_file 0\ntotal_inactive_file {cached}\n"
    names = {"memory.limit_in_bytes": f"{limit}\n", "memory.usage_in_bytes": f"{used}\n", "memory.stat": stat}
    written(folder, **names)


def test_without_a_control_group_the_system_decides(root):
    assert free_bytes(CPU) == AVAILABLE
    written(root / "proc/self", cgroup="")
    assert free_bytes(CPU) == AVAILABLE


def test_a_group_of_version_2_and_those_above_it_limit(root):
    written(root / "proc/self", cgroup="0::/user.slice/job\n")
    top = root / "sys/fs/cgroup"
    version_2(top / "user.slice/job", "max", 500)
    version_2(top / "user.slice", 3_000_000, 1_000_000)
    assert free_bytes(CPU) == 2_000_000
    version_2(top / "user.slice/job", 1_500_000, 600_000, cached=400_000)
    assert free_bytes(CPU) == 1_300_000  # cached files make room
    version_2(top / "user.slice/job", 1_500_000, 1_600_000)
    assert free_bytes(CPU) == 0


def test_a_container_whose_group_is_its_top(root):
    """Its path is that of the machine around it, or looks beyond the top."""
    version_2(root / "sys/fs/cgroup", 700_000, 100_000)
    for path in ("/docker/0123abcd", "/", "/../other"):
        written(root / "proc/self", cgroup=f"0::{path}\n")
        assert free_bytes(CPU) == 600_000


def test_a_group_of_version_1_beside_others(root):
    written(root / "proc/self", cgroup="9:name=systemd:/\n5:cpu,memory:/batch/job\n4:cpuset:/x\n0::/\n")
    version_1(root / "sys/fs/cgroup/memory/batch/job", 2_000_000, 900_000, cached=300_000)
    version_1(root / "sys/fs/cgroup/memory", 9223372036854771712, 5_000_000)  # as without a limit
    version_2(root / "sys/fs/cgroup/cpuset/x", 1, 0)  # not the memory's
    assert free_bytes(CPU) == 1_400_000


def test_a_wider_limit_than_what_is_free_does_not_matter(root):
    written(root / "proc/self", cgroup="0::/\n")
    version_2(root / "sys/fs/cgroup", 10 * AVAILABLE, 0)
    assert free_bytes(CPU) == AVAILABLE


def test_a_system_that_does_not_tell(root):
    (root / "proc/meminfo").write_text("MemTotal: 5 kB\n")
    assert free_bytes(CPU) is None
    (root / "proc/meminfo").unlink()
    assert free_bytes(CPU) is None


def test_this_machine_tells_something_sensible():
    free = free_bytes(CPU)
    assert free is None or 1e6 < free < 1e14


def test_a_bound_on_this_process(root, monkeypatch):
    written(root / "proc/self", statm="100 50 20 1 0 30 0\n")
    bound = [free_memory.resource.RLIM_INFINITY]
    monkeypatch.setattr(free_memory.resource, "getrlimit", lambda kind: (bound[0], 10**12))
    assert left_to_process() is None
    page = free_memory.resource.getpagesize()
    bound[0] = 1000 * page
    assert left_to_process() == 900 * page
    bound[0] = 99 * page
    assert left_to_process() == 0
    (root / "proc/self/statm").unlink()
    assert left_to_process() is None
