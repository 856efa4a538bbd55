"""A reader's own metric and own pictures, in a notebook, without touching the package."""

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image

SOURCE = """
import pandas as pd
from dropnet_core import Experiment, Recipe, run
from dropnet_core.metrics import register

@register("often_on", scope="layer", replace=True)
def often_on(layer, draw):
    return 1 - layer.zeros

experiment = Experiment(
    "mine", "imagefolder:pictures", "conv4-conv3", ["min", "often_on"], [0], "exact", p=0.5, size=12, colour=False,
    recipe=Recipe(max_epochs=2),
)
records = run(experiment)
print(records.groupby("metric")["units_per_layer"].agg(list).to_dict())
"""


def test_own_metric_and_own_image_folder_in_a_notebook(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    for name, brightness in (("dark", 60), ("light", 200)):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for i in range(40):
            pixels = np.clip(generator.normal(brightness, 30, (16, 20)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path / "store.sqlite"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SOURCE)])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    (output,) = notebook.cells[0].outputs
    # layer-wise: 4+3 -> 2+2 -> 1+1 -> 0+0, the last of them at or below a tenth
    assert "'often_on': ['4+3', '2+2', '1+1', '0+0']" in output["text"]
    assert "'min': ['4+3'" in output["text"]
