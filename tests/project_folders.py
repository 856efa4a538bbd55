"""The project's folders."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "results"
