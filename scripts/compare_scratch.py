"""The same training twice, every part from scratch and every part torch's: same seed, same order, step by step.

python scripts/compare_scratch.py optimizer=momentum epochs=12

Layers, loss and optimizer are ours in one run and torch's in the other. It prints the largest relative difference of the
losses of the first steps, and both final accuracies. Arguments are those of `ajuste-fino train`; the default trains
the CNN of backbone=cnn on the digits.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torch import Tensor

from ajuste_fino.classifier import Classifier
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.train import train

STEPS = 50


def run(overrides: list[str], out: Path) -> tuple[list[float], dict[str, Any]]:
    """The loss of every step, and the figures of the run."""
    losses: list[float] = []
    step = Classifier.training_step

    def recorded(self: Classifier, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        loss = step(self, batch, index)
        losses.append(loss.item())
        return loss

    with patch.object(Classifier, "training_step", recorded):
        return losses, train(compose("train", overrides), out)


def main() -> None:
    given = sys.argv[1:]
    if not any(one.startswith("backbone=") for one in given):
        given = ["backbone=cnn", "phases=scratch", *given]
    keys = ["head.impl", "optimizer.impl"] + (["backbone.impl"] if "backbone=cnn" in given else [])
    results = {}
    for impl in ("scratch", "torch"):
        with tempfile.TemporaryDirectory() as folder:
            results[impl] = run([*given, *(f"{key}={impl}" for key in keys)], Path(folder) / "run")
    (mine, figures), (theirs, reference) = results.values()
    gaps = [abs(a - b) / abs(b) for a, b in zip(mine[:STEPS], theirs[:STEPS], strict=True)]
    at = gaps.index(max(gaps))
    print(f"largest relative difference of the losses of the first {len(gaps)} steps: {gaps[at]:.1e}, at step {at + 1}")
    for name in ("val/accuracy", "test/accuracy"):
        print(f"{name}: scratch {figures[name]:.4f}, torch {reference[name]:.4f}")


if __name__ == "__main__":
    main()
