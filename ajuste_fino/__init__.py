"""Transfer learning for images: freeze a trained CNN, train a new head, prove that it stayed frozen.

>>> from ajuste_fino import fine_tune, load            # doctest: +SKIP
>>> clf = fine_tune("photos", backbone="resnet18")     # doctest: +SKIP
>>> clf.predict("new.jpg").label                       # doctest: +SKIP
"""

import os
import sys
from typing import Any

# Threads that spin while they wait take the cores from whoever else computes; those that sleep at once lose time on a quiet
# machine. OpenMP reads this when torch is imported: spin for some microseconds, then sleep.
if "OMP_WAIT_POLICY" not in os.environ and "torch" not in sys.modules:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.2.0"
__all__ = ["__version__", "fine_tune", "load"]


def __dir__() -> list[str]:
    """`dir(ajuste_fino)` shows what is imported only when it is asked for, too."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """`fine_tune` and `load`, imported when they are asked for: importing the package does not import torch."""
    if name == "fine_tune":
        from ajuste_fino.api import fine_tune

        return fine_tune
    if name == "load":
        from ajuste_fino.predict import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
