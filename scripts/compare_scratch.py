"""The same training twice, every part from scratch and every part torch's: same seed, same order, step by step.

python scripts/compare_scratch.py optimizer=momentum epochs=12

Layers, loss and optimizer are ours in one run and torch's in the other. It prints the largest relative difference of the
losses of the first steps, and both final accuracies; beside it how far torch is from itself when it sums in another
order, with one thread: training multiplies roundings, and no implementation can be closer than that. Arguments are those
of `ajuste-fino train`; the default trains the CNN of backbone=cnn on the digits.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from ajuste_fino.classifier import Classifier
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.train import train

STEPS = 50


def run(overrides: list[str], out: Path) -> tuple[list[float], dict[str, Any]]:
    """The loss of every step, and the metrics of the run."""
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
    for impl, threads in (("scratch", None), ("torch", None), ("torch", 1)):
        torch.set_num_threads(threads or torch.get_num_threads())
        with tempfile.TemporaryDirectory() as folder:
            results[impl, threads] = run([*given, *(f"{key}={impl}" for key in keys)], Path(folder) / "run")
    (mine, metrics), (theirs, reference), (single, _) = results.values()
    for what, losses in (("scratch", mine), ("torch with one thread", single)):
        gaps = [abs(a - b) / abs(b) for a, b in zip(losses[:STEPS], theirs[:STEPS], strict=True)]
        print(f"{what} beside torch, {len(gaps)} steps: losses differ by {max(gaps):.1e} relative at most")
    for name in ("val/accuracy", "test/accuracy"):
        print(f"{name}: scratch {metrics[name]:.4f}, torch {reference[name]:.4f}")


if __name__ == "__main__":
    main()
