"""The lecture, an experiment a file: a claim, what was measured, a figure, a verdict.

An experiment NAME has:

- `NAME.py`, without a sentence of any language; its docstring argues the band of each check. It defines
  `FORMULAS`, in TeX; `USES`, the parts of this project that it runs on; `LIMITS`, where settings have any;
  `measure(**settings) -> Findings`, a plain function; `draw(findings, texts) -> Slide`; and, where motion says more,
  `animate(findings, texts)`;
- `texts/NAME.en.toml` and `texts/NAME.es.toml`: `title`, which says what is measured, the `claim`, perhaps a `note`, and under
  keys that are the same in both languages the sentences that checks and figures name. `texts/common.*.toml` has those that
  several share, `texts/table.es.toml` the Spanish of the words in tables;
- `conf/lecture/NAME.yaml`: the settings of `measure`, at which its bands hold;
- `notebooks/NAME.py`: the same experiment, step by step, with settings that take seconds beside those;
- its place in `NAMES` below.
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
