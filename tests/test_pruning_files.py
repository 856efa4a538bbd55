"""Smaller networks for other runtimes, and how fast they are there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from networks_to_prune import NETWORKS, images
from pruning_tasks import Small, nudge, small_network
from torch import Tensor, nn

from dropnet_core import prune
from dropnet_core.basics.errors import InputError
from dropnet_core.pruning import onnx_file
from dropnet_core.pruning.latency import advice, latency
from dropnet_core.pruning.onnx_file import opened, to_onnx
from dropnet_core.stops import Stop


@pytest.mark.slow
def test_the_onnx_file_computes_the_same_for_any_number_of_images(tmp_path: Path) -> None:
    make, example, _ = NETWORKS["gated"]
    result = prune(make(), nudge, lambda model: 1.0, [example], stop=Stop("cycles", 2), p=0.5)
    assert result.to_onnx(tmp_path / "small.onnx") <= 1e-5
    session = opened(tmp_path / "small.onnx")
    x = images(7, 3, 8, 8)
    (found,) = session.run(None, {"images": x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, result.model(x).numpy(), atol=1e-5)


@pytest.mark.slow
def test_an_onnx_file_that_is_off_or_cannot_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Off(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small_network()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) * (1.0 if torch.compiler.is_exporting() else 1.001)

    path = tmp_path / "off.onnx"
    with pytest.raises(InputError, match="they differ by 1e-03 of the largest output, above 1e-05; it was removed"):
        to_onnx(Off(), images(4, 1, 8, 8), path)
    assert not path.exists()

    class NotExported(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if x.sum() > 0 else x

    with pytest.raises(InputError, match="PyTorch cannot write this network as ONNX: "):
        to_onnx(NotExported(), images(4, 1, 8, 8), path)
    monkeypatch.setattr(onnx_file.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(InputError, match=r"ONNX needs onnxscript; pip install 'dropnet-core\[onnx\]'"):
        to_onnx(small_network(), images(4, 1, 8, 8), path)


@pytest.mark.parametrize("runtime", ["torch", pytest.param("onnxruntime", marks=pytest.mark.slow)])
def test_latency_compares_networks_at_each_number_of_images(runtime: str) -> None:
    table = latency(
        {"whole": small_network(), "smaller": small_network()}, images(4, 1, 8, 8), images=(1, 6), runtime=runtime
    )
    assert list(table.columns) == ["images", "network", "milliseconds", "times_as_fast"]
    assert list(table["images"]) == [1, 1, 6, 6] and list(table["network"]) == ["whole", "smaller"] * 2
    assert (table["milliseconds"] > 0).all() and (table["times_as_fast"][table["network"] == "whole"] == 1).all()


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(InputError, match="unknown runtime 'onnx'; did you mean 'onnxruntime'"):
        latency({"whole": small_network()}, images(4, 1, 8, 8), runtime="onnx")


def test_advice_recommends_rounding_where_a_smaller_network_is_not_faster() -> None:
    def table(*ratios: float) -> pd.DataFrame:
        rows = [
            (count, name, 1.0, ratio if name == "smaller" else 1.0)
            for count, ratio in zip((1, 8, 64), ratios, strict=True)
            for name in ("whole", "smaller")
        ]
        return pd.DataFrame(rows, columns=["images", "network", "milliseconds", "times_as_fast"])

    assert advice(table(2, 1.5, 3), 1) == (
        "The smaller network is 2.00 times as fast at 1 image, 1.50 times as fast at 8 images, 3.00 times as fast at "
        "64 images."
    )
    assert advice(table(0.4, 1.5, 1.01), 1).endswith("It is not faster at 1 and 64; layers of odd widths can be slow: "
                                                     "try multiple=8, which rounds them up.")  # fmt: skip
    assert advice(table(0.4, 1.5, 3), 8).endswith("It is not faster at 1; fewer units do not help there.")
