"""The lecture, an experiment a file: a claim, what was measured, a figure, a verdict.

Every experiment is a module with the same names:

- `TITLE`, the claim in one sentence; `FORMULAS`, in TeX; `USES`, the parts of this project that it runs on;
- `measure(**settings) -> Findings`, a plain function; its settings and their defaults are `conf/lecture/NAME.yaml`;
- `draw(findings, lang) -> Slide`; and, where motion says more, `animate(findings, lang)`.
"""

from importlib import import_module
from types import ModuleType

NAMES = (  # in the lecture's order
    "features",
    "growth",
    "depth",
    "relu",
    "backprop",
    "momentum",
    "optimizers",
    "convolution",
    "receptive_field",
    "pooling",
    "bagging",
    "dropout",
    "design",
    "transfer",
)


def experiment(name: str) -> ModuleType:
    """The module of one of `NAMES`."""
    return import_module(f"ajuste_fino.lecture.{name}")
