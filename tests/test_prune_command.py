"""python -m dropnet_core prune"""

from pathlib import Path

import pytest
import torch
from networks_to_prune import images

from dropnet_core import data as data_room
from dropnet_core.data import DataSet
from dropnet_core.pages.command_line import main
from dropnet_core.pages.prune_command import network_of
from dropnet_core.pruning.saving import load_pruned

FILE = """
from torch import nn

class Digits(nn.Sequential):
    def __init__(self, width=12):
        super().__init__(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 3))

class WithArguments(nn.Module):
    def __init__(self, width):
        super().__init__()

def number():
    return 3
"""


@pytest.fixture
def file(tmp_path: Path, tiny: DataSet) -> str:
    data_room.register("tiny_to_prune", lambda: tiny, replace=True)
    (tmp_path / "nets.py").write_text(FILE)
    return str(tmp_path / "nets.py")


def test_a_network_of_a_file_becomes_a_smaller_one(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.safetensors"
    words = ["prune", f"{file}:Digits", "--data", "tiny_to_prune", "--out", str(out), "--folder", str(tmp_path / "run")]
    words += ["--epochs", "6", "--learning-rate", "0.005", "--kappa", "0.5", "--p", "0.4", "--exclude", "3"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "Returned: " in printed and printed.endswith(f"written to {out}\n")
    small = load_pruned(network_of(f"{file}:Digits"), out)
    assert small(images(5, 1, 8, 8)).shape == (5, 3)
    assert small[1].out_features < 12 and small[3].out_features == 8  # type: ignore[index]
    assert (tmp_path / "run" / "cycle000.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["FILE:Digit"], "unknown class or function of nets.py 'Digit'; did you mean 'Digits'?"),
        (["FILE:WithArguments"], "WithArguments() of nets.py fails: TypeError"),
        (["FILE:number"], "number() of nets.py gives a int, not a torch.nn.Module"),
        (["nothing.py:Digits"], "a network reads FILE.py:NAME, such as my_networks.py:LeNet, and the file must exist"),
        (["FILE"], "a network reads FILE.py:NAME"),
        (["FILE:Digits", "--data", "mnist5"], "unknown data set 'mnist5'; did you mean 'mnist5k'"),
        (["FILE:Digits", "--kappa", "2"], "kappa lies above 0 and at most at 1, not 2.0"),
        (["FILE:Digits", "--metric", "oracle"], "the metric 'oracle' needs loss_without"),
        (["FILE:Digits", "--out", "small.pt"], "--out must end in .safetensors or .onnx, not 'small.pt'"),
        (["FILE:Digits", "--out", "nowhere/small.onnx"], "there is no folder nowhere to write to"),
        (["FILE:Digits", "--kapa", "1"], "unrecognized arguments: --kapa 1"),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = [word.replace("FILE", file) for word in words]
    for option, value in (("--data", "tiny_to_prune"), ("--out", str(Path(file).parent / "small.safetensors"))):
        if option not in given:
            given += [option, value]
    assert main(["prune", *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_a_file_that_cannot_be_imported_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_the_kind")
    words = ["prune", f"{tmp_path}/broken.py:Net", "--data", "mnist5k", "--out", str(tmp_path / "small.onnx")]
    assert main(words) == 2
    assert "broken.py cannot be imported: ModuleNotFoundError" in capsys.readouterr().err


def test_seeds_decide_the_first_weights(file: str) -> None:
    torch.manual_seed(0)
    assert not torch.equal(*(network_of(f"{file}:Digits")[1].weight for _ in range(2)))  # type: ignore[index]
