"""`time=10m`: how many views and epochs the phases can have, said before they begin."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch
from omegaconf import DictConfig
from torch import nn

from ajuste_fino.callbacks.deadline import Deadline
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.errors import UserError
from ajuste_fino.features import CachedFeatures, FeatureSource, LiveFeatures
from ajuste_fino.phases import Phase, Phases
from ajuste_fino.predict import no_progress
from ajuste_fino.runs.console import log
from ajuste_fino.runs.learner import Learner
from ajuste_fino.runs.resume import Resumed
from ajuste_fino.runs.run_folder import save_config
from ajuste_fino.runs.stages import Stage, Stages
from ajuste_fino.threads import flops_of_step, threads_for

UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
SAMPLES, TIMES = 48, 3  # images that are timed, and how often a step is, of which the fastest counts
FEWEST_EPOCHS, FEWEST_VIEWS = 3, 2  # of a phase that trains the backbone; with fewer it is left out
SAFE = 0.85  # share of the time that is planned; the rest is for what takes longer than it did when it was timed
ELSE = 3.0  # seconds for the head's statistics, the metrics and the plots


def seconds(cfg: DictConfig) -> float | None:
    """Return the time that a run may take; None: as long as it does.

    Raises:
        UserError: where it cannot be read, or other heads would take of it.
    """
    given = cfg.get("time")
    for key, many in (("data.folds", cfg.get("data", {}).get("folds")), ("ensemble", cfg.get("ensemble"))):
        if given is not None and many is not None:
            rule = f"cannot be given with {key}, which trains many heads"
            raise UserError("time", rule, got=given, fix="Leave one of them out.")
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(given).strip().lower())
    if given is None:
        return None
    if found is None or found[2] not in UNITS or not float(found[1]):
        raise UserError("time", "must be a time above 0, such as 90s, 10m or 1h", got=given, fix="Pass for example time=10m.")
    return float(found[1]) * UNITS[found[2]]


class Cost(NamedTuple):
    """Seconds of a phase: to compute a view of all images once, and of an epoch."""

    view: float
    epoch: float

    def of(self, phase: Phase) -> float:
        return self.view * (phase.views or 1) + self.epoch * (phase.epochs or 0)


def fitted(phases: Phases, costs: Sequence[Cost], left: float) -> Phases:
    """Return phases that take no longer than what is left: fewer views and epochs of those that train the backbone.

    A phase that would have too few of them is left out, if it is not the only one.
    """
    kept = list(phases)
    while True:
        fixed = sum(cost.of(one) for cost, one in zip(costs, kept, strict=False) if not one.trains_backbone)
        wanted = sum(cost.of(one) for cost, one in zip(costs, kept, strict=False) if one.trains_backbone)
        share = min(1.0, (left - fixed) / wanted) if wanted else 1.0
        short = [_shortened(one, cost, share) for one, cost in zip(kept, costs, strict=False)]
        if len(kept) == 1 or not short[-1].trains_backbone or _enough(short[-1]):
            return Phases(short, phases.lengths[0])
        kept.pop()


def _shortened(phase: Phase, cost: Cost, share: float) -> Phase:
    if not phase.trains_backbone or share >= 1:
        return phase
    views = max(min(phase.views or 1, FEWEST_VIEWS), int((phase.views or 1) * share)) if cost.view else phase.views
    rest = share * cost.of(phase) - cost.view * (views or 1)
    return replace(phase, views=views, epochs=max(1, min(phase.epochs or 1, int(rest / max(cost.epoch, 1e-9)))))


def _enough(phase: Phase) -> bool:
    return (phase.epochs or 0) >= FEWEST_EPOCHS


def in_time(
    learner: Learner, stages: Stages, manifest: Manifest, until: float | None, out: Path, resumed: Resumed | None
) -> Learner:
    """Return a learner of phases that end before `until`, a value of `time.monotonic()`, and of a deadline.

    The phases are written to the run's configuration, and those of a checkpoint stay as they are.
    """
    if until is None:
        return learner
    cfg, size = learner.cfg, learner.batch_size(len(manifest.split("train")))
    costs = [_cost(stage, one, manifest, size, stages) for stage, one in zip(stages.stages, stages.phases, strict=True)]
    test = len(manifest.split("test") or manifest.split("val")) * _of_an_image(stages.whole(), manifest)
    until -= ELSE + (test if stages.phases.trains_backbone else 0)
    if resumed is None:
        left = SAFE * (until - time.monotonic())
        found = fitted(stages.phases, costs, left)
        _say(cfg, stages.phases, found, costs, left)
        cfg.phases.schedule = [asdict(phase) for phase in found]
        stages.follow(found)
        save_config(out, cfg)
    return Learner(cfg, stages.phases, Deadline(until, [cost.epoch for cost in costs]))


def _say(cfg: DictConfig, before: Phases, now: Phases, costs: Sequence[Cost], left: float) -> None:
    """Say what becomes of the phases, where it is not what they were."""
    if list(before) != list(now):
        needed = sum(cost.of(phase) for cost, phase in zip(costs, before, strict=True))
        what = f"time={cfg.time} leaves {max(left, 0):.0f} s for training, which would take about {needed:.0f} s"
        log.info(f"{what}. So there are: {_said(before, now)}.")


def _said(before: Phases, now: Phases) -> str:
    lines = [
        f"{phase.train_from}: {phase.epochs} epochs of {old.epochs}, {phase.views} views of {old.views}"
        for phase, old in zip(now, before, strict=False)
        if phase != old
    ]
    dropped = [f"no phase {phase.train_from}" for phase in before[len(now) :]]
    return "; ".join([*lines, *dropped])


def _cost(stage: Stage, phase: Phase, manifest: Manifest, batch_size: int, stages: Stages) -> Cost:
    count, source = len(manifest.split("train")), stage.source
    blocks = stages.backbone.trained_blocks(phase.train_from)
    steps = max(count // batch_size, 1)
    epoch = steps * _step(source, [one for block in blocks for one in block], batch_size, stages.loading.device)
    if not phase.trains_backbone:
        return Cost(0.0, epoch)
    if isinstance(source, CachedFeatures) and not stages.is_too_large(stage, phase, manifest):
        computed = source.bytes_to_come(manifest.split("train"), phase.views or 1) > 0
        return Cost(count * _of_an_image(source, manifest) if computed else 0.0, epoch)
    return Cost(0.0, epoch + count * _of_an_image(source, manifest))


def _of_an_image(source: CachedFeatures | LiveFeatures, manifest: Manifest) -> float:
    """Seconds that an image takes to be decoded and passed through what is frozen, or through all of a live source."""
    samples = manifest.split("train")[:SAMPLES]
    quiet = replace(source.images.loading, progress=no_progress)
    extractor = source.engine.extractor if isinstance(source, CachedFeatures) else source.images.extractor
    images = replace(source.images, loading=quiet, extractor=extractor)
    order = EpochBatchSampler(len(samples), len(samples))
    return _timed(lambda: list(images.features(samples, order))) / len(samples)


def _step(source: FeatureSource, trained: Sequence[nn.Parameter], batch_size: int, device: torch.device) -> float:
    """Seconds of a step: forward and backward through what is trained."""
    body = (source.body or nn.Identity()).to(device)
    example = source.example().expand(batch_size, *source.example().shape[1:]).to(device)
    for parameter in trained:
        parameter.requires_grad_(True)

    def step() -> None:
        output = body(example)
        if output.requires_grad:
            output.square().mean().backward()

    with threads_for(flops_of_step(body, example[:1], batch_size)):
        step()
        found = min(_timed(step) for _ in range(TIMES))
    for parameter in trained:
        parameter.grad = None
        parameter.requires_grad_(False)
    return found


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter() - began


def deadline(cfg: DictConfig) -> float | None:
    """Return when a run must have ended, on the clock of `time.monotonic()`."""
    given = seconds(cfg)
    return None if given is None else time.monotonic() + given
