"""The same bits on every processor: hashes of trained weights and of records, and other processors in other processes.

Numba compiles for the processor that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name. One with fewer instructions than the
one at hand can be had anywhere; AVX-512 only where there is a processor that has it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import kernel_bits
import pytest
from kernel_bits import FEW, RUNS, hashes, of_records, records_of

from dropnet_core.basics.precision import CPU_INFO
from dropnet_core.running.store import Store

GOLDEN = {
    "fc40-fc40": "07ffe5d9eb5fdbfb",
    "fc13-fc9": "5e41ccfadfbf23df",
    "conv13-conv7": "0910b88a5da07c70",
    "conv5-conv1": "98a0dabbf2c76b83",
    "conv17-conv9-conv21-conv11-dense37": "91adc35d03de8490",
    "colour conv6-conv5-fc9": "8e1eaf4a29e6a0dd",
    "colour fc9": "b37e56c09565ec70",
    "records fc8-fc8": "1c38b97d52106c47",
    "records conv4-conv3": "8fd2040e6384d65c",
}
"""What `python tests/kernel_bits.py all` prints. Only a new order of sums may change the first seven."""

PROCESSORS = {
    "AVX-512": ("skylake-avx512", "+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl,+avx2,+fma"),
    "AVX2": ("haswell", "+avx2,+fma"),
    "no FMA": ("x86-64", "+sse2"),
}
"""Numba's names for a processor and its instructions."""

NEEDED = {
    "AVX-512": "avx512f avx512bw avx512cd avx512dq avx512vl avx2 fma bmi1 bmi2 movbe",
    "AVX2": "avx2 fma bmi1 bmi2 movbe f16c abm",
    "no FMA": "sse2",
}
"""The flags of the processor at hand without which it cannot run such code."""

OTHER_BLOCKS = """
import runpy, sys
from dropnet_core.engines.kernels import compiled
assert "dropnet_core.engines.kernels.row_kernels" not in sys.modules  # which cuts its blocks when it is imported
compiled.WIDE = not compiled.WIDE
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """From a processor's name (or "other blocks", on the one at hand) and arguments to what `kernel_bits` prints there.

    Each has a folder of its own for compiled code.
    """
    folder = tmp_path_factory.mktemp("compiled")

    def run(processor: str, *arguments: str) -> str:
        surroundings = os.environ | {"NUMBA_CACHE_DIR": str(folder / processor), "DROPNET_QUIET": "1"}
        if processor in PROCESSORS:
            surroundings |= dict(zip(("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"), PROCESSORS[processor], strict=True))
        root = Path(kernel_bits.__file__).parent.parent
        surroundings["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
        changed = [] if processor in PROCESSORS else ["-c", OTHER_BLOCKS]
        command = [sys.executable, *changed, kernel_bits.__file__, *arguments]
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def needs(processor: str) -> None:
    """Skip a test that needs code for a processor which the one at hand cannot run."""
    flags = CPU_INFO.read_text().split() if CPU_INFO.exists() else []
    missing = [flag for flag in NEEDED[processor].split() if flag not in flags]
    if missing:
        pytest.skip(f"this processor cannot run code for {processor}: it has no {', '.join(missing)}")


def test_trained_weights_and_records_have_their_hashes():
    assert hashes("all") == GOLDEN


@pytest.mark.parametrize("processor", PROCESSORS)
def test_another_processor_gives_the_same_bits(printed, processor):
    needs(processor)
    assert json.loads(printed(processor, "few")) == {name: GOLDEN[name] for name in FEW}


def test_how_numbers_are_cut_into_blocks_has_no_say(printed):
    """As for wider or narrower registers than those at hand."""
    assert json.loads(printed("other blocks", "few")) == {name: GOLDEN[name] for name in FEW}


def test_a_run_begun_on_another_processor_goes_on_here_as_if_uninterrupted(printed, tmp_path):
    needs("no FMA")
    place = tmp_path / "store.sqlite"
    printed("no FMA", "begin", str(place))
    begun = len(Store(place))
    tables = {network: records_of(network, place) for network in RUNS}
    assert 0 < begun < len(Store(place))
    found = {f"records {network}": of_records(table) for network, table in tables.items()}
    assert found == {name: GOLDEN[name] for name in found}
