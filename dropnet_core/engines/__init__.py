"""Ways to train a list of jobs; all of them agree with `reference`, which is the definition."""

from dropnet_core.engines import compact, reference, stacked  # noqa: F401 - importing them registers them
from dropnet_core.engines.interface import Engine, Take, engines, fastest

__all__ = ["Engine", "Take", "engines", "fastest"]
