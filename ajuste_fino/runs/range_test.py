"""The learning rate range test: train for some steps at a rate that grows by the same factor in each, and watch the loss.

Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ajuste_fino.classifier import Classifier
from ajuste_fino.data.loading import loader
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.order import seed_of_step
from ajuste_fino.runs.console import progress

AVERAGED = 10  # steps: the mean of so many first ones is plain, from then on a loss has this part of it
EXPLODED = 4.0  # times the lowest loss, at which the test ends
BELOW = 10.0  # the suggestion is so many times smaller than the rate of the lowest loss
FELL = 0.97  # share of the loss of the beginning below which the loss has fallen


class Reading(NamedTuple):
    """A step: the head's learning rate, the loss of its batch before the step, and the mean of that loss and earlier ones."""

    lr: float
    loss: float
    smoothed: float


class Verdict(NamedTuple):
    """The rate to take, that of the lowest loss, and what makes it doubtful; None: nothing does."""

    lr: float
    lowest: float
    doubt: str | None


def rates(lowest: float, highest: float, steps: int) -> list[float]:
    """Return so many rates from the lowest to the highest, each larger by the same factor."""
    return [lowest * (highest / lowest) ** (step / (steps - 1)) for step in range(steps)]


def measure(
    classifier: Classifier,
    module: DataModule,
    number: int,
    lrs: Sequence[float],
    device: torch.device,
    trainer: Mapping[str, Any],
) -> list[Reading]:
    """Train a phase for a step at each rate, until the loss explodes; the weights move.

    Args:
        number: of the phase, from 0.
        trainer: `gradient_clip_val` and `accumulate_grad_batches` as Lightning's Trainer has them.
    """
    classifier.trainer = None
    classifier.to(device).on_fit_start()
    classifier.enter(sum(classifier.plan.phases.lengths[:number]))
    classifier.train()
    optimizer, shares = classifier.configure_optimizers(), classifier.plan.shares(number)
    batches, count = _batches(module, number), int(trainer.get("accumulate_grad_batches") or 1)
    found, mean, best = list[Reading](), 0.0, inf
    for step, lr in enumerate(progress(lrs, len(lrs), "Raising the learning rate")):
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            group["lr"] = lr * share
        loss = _step(classifier, optimizer, [next(batches) for _ in range(count)], step, trainer.get("gradient_clip_val"))
        mean += (loss - mean) / min(step + 1, AVERAGED)
        best = min(best, mean if step + 1 >= AVERAGED else inf)  # the mean of a few is chance
        if not (isfinite(loss) and mean <= EXPLODED * best):
            break
        found.append(Reading(lr, loss, mean))
    return found


def _batches(module: DataModule, number: int) -> Iterator[Any]:
    """Yield the batches of a phase, an epoch after the other without end."""
    dataset, order = module.train[number]
    source, epoch = loader(dataset, order, module.workers), 0
    while True:
        order.set_epoch(epoch)
        yield from source
        epoch += 1


def _step(classifier: Classifier, optimizer: Optimizer, batches: Sequence[Any], step: int, clip: float | None) -> float:
    """Make a step of the optimizer; return the mean loss of its batches."""
    optimizer.zero_grad()
    total = 0.0
    for place, batch in enumerate(batches):
        index = step * len(batches) + place
        torch.manual_seed(seed_of_step(classifier.seed, 0, index))
        x, y = (part.to(classifier.device) for part in batch)
        loss: Tensor = classifier.training_step((x, y), index) / len(batches)
        loss.backward()
        total += float(loss.detach())
    if clip is not None:
        nn.utils.clip_grad_norm_([one for group in optimizer.param_groups for one in group["params"]], clip)
    optimizer.step()
    return total


def judge(readings: Sequence[Reading], complete: bool) -> Verdict:
    """Take a tenth of the rate at which the mean loss is lowest: there the loss still falls, with room to the explosion.

    The steepest descent, the other usual choice, is a difference of noisy numbers, which a phase whose loss falls little,
    because its head is trained already, does not bear.

    Args:
        readings: at least `AVERAGED`.
        complete: whether the loss did not explode before the highest rate.
    """
    settled = readings[AVERAGED - 1 :]
    lowest, before = min(settled, key=lambda reading: reading.smoothed), settled[0].smoothed
    doubt = None
    if lowest.smoothed > FELL * before:
        fall = f"from {before:.3g} to {lowest.smoothed:.3g}"
        doubt = f"the loss hardly fell, {fall}: pass more find.steps, or a smaller find.lowest"
    elif complete and lowest is readings[-1]:
        doubt = "the loss still fell at the highest rate: pass a larger find.highest"
    return Verdict(float(f"{lowest.lr / BELOW:.2g}"), lowest.lr, doubt)
