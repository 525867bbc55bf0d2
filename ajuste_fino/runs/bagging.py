"""`ensemble`: train many bagged heads on the same features; the bundle then holds them."""

from collections.abc import Iterator
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino import ensemble
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.errors import Diverged, UserError
from ajuste_fino.features import FeatureSource
from ajuste_fino.head import Head, probabilities
from ajuste_fino.phases import Phases
from ajuste_fino.runs.console import log, progress
from ajuste_fino.runs.factories import require_cached_head, require_plain_labels
from ajuste_fino.runs.learner import Fitted, Learner


def require_possible(cfg: DictConfig, phases: Phases) -> None:
    """Refuse an ensemble of what is trained on images, or by another engine than autograd."""
    if cfg.ensemble is None:
        return
    require_cached_head("ensemble", cfg, phases)
    require_plain_labels("ensemble", phases)
    if cfg.head.engine is not None:
        fix = "Leave ensemble out, or take another head."
        raise UserError("ensemble", "needs a head without an engine of its own", got="head.engine", fix=fix)


def train_ensemble(
    learner: Learner, manifest: Manifest, features: FeatureSource, fitted: Fitted, device: torch.device
) -> tuple[Fitted, dict[str, Any]]:
    """With `ensemble=T` train T heads of the fitted head's shape, for as many epochs as it was, to stand in its place.

    How long to train was chosen on the validation split with the one head; the members need no split of their own, since
    their out-of-bag error is that of images that they did not see.
    """
    cfg, samples = learner.cfg, manifest.split("train")
    if cfg.ensemble is None or fitted.stopped is not None:
        return fitted, {}
    head, epochs = fitted.head, fitted.kept.number
    torch.manual_seed(cfg.seed)
    members = Ensemble(head.shape, cfg.ensemble)
    members.standardise.load_state_dict(head.standardise.state_dict())
    members.set_prior(learner.prior(manifest))
    members.to(device)
    counts = ensemble.bootstrap(cfg.ensemble, len(samples), cfg.seed)
    optimizer = learner.optimizer(members.parameters())
    weights = learner.class_weights(manifest) if cfg.imbalance == "weights" else None
    weighted = counts if weights is None else counts * weights[manifest.targets(samples)]
    batches, schedule = _epochs(learner, manifest, features, epochs), learner.schedules[0](optimizer)
    try:
        ensemble.fit(members, batches, weighted, optimizer, schedule.step)
    except (KeyboardInterrupt, SystemExit) as stop:
        return fitted._replace(stopped=stop), {}  # the one head is trained, and is kept
    if not all(bool(parameter.isfinite().all()) for parameter in members.parameters()):
        raise Diverged(f"The ensemble's weights are not finite after {epochs} epochs. Pass a smaller optimizer.lr.")
    members.cpu()
    return fitted._replace(head=members), _metrics(members, counts, manifest, features) | _single(head, manifest, features)


def _epochs(learner: Learner, manifest: Manifest, features: FeatureSource, epochs: int) -> Iterator[Iterator[Any]]:
    """For each epoch, the batches that the one head saw: features, classes, and which images they are of."""
    dataset, order = learner.training(manifest, features, learner.phases[0].views or 1)

    def batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for positions in order:
            yield *dataset[positions], torch.tensor(positions) % order.count

    for epoch in progress(range(epochs), epochs, "Training the ensemble"):
        order.set_epoch(epoch)
        yield batches()


def _metrics(members: Ensemble, counts: Tensor, manifest: Manifest, features: FeatureSource) -> dict[str, Any]:
    """Out-of-bag error on the training split, mean disagreement on the test split."""
    wrong, counted, start = 0, 0, 0
    y = torch.tensor(manifest.targets(manifest.split("train")))
    for x in features.features_of(manifest.split("train")):
        rows = slice(start, start + len(x))
        with torch.inference_mode():
            predicted = ensemble.out_of_bag(members.logits(x), counts[:, rows])
        wrong += int(((predicted != y[rows]) & (predicted >= 0)).sum())
        counted += int((predicted >= 0).sum())
        start += len(x)
    found = {"ensemble/members": members.members, "ensemble/out_of_bag_error": wrong / max(counted, 1)}
    disagreements = (
        [ensemble.disagreement(members.logits(x).detach()) for x in features.features_of(manifest.split("test"))]
        if manifest.split("test")
        else []
    )
    return found | ({"ensemble/disagreement": float(torch.cat(disagreements).mean())} if disagreements else {})


def _single(head: Head | Ensemble, manifest: Manifest, features: FeatureSource) -> dict[str, Any]:
    """The accuracy of the one head on the test split."""
    samples = manifest.split("test")
    if not samples:
        return {}
    right = probabilities(head, features.features_of(samples)).argmax(1) == torch.tensor(manifest.targets(samples))
    return {"ensemble/single_accuracy": float(right.float().mean())}


def log_summary(metrics: dict[str, Any]) -> None:
    """Log a line about the ensemble, if there is one."""
    if "ensemble/members" in metrics:
        summary = f"out-of-bag error {metrics['ensemble/out_of_bag_error']:.4f}"
        if "ensemble/disagreement" in metrics:
            summary += f", mean disagreement {metrics['ensemble/disagreement']:.4f}"
            summary += f"; the one head had test accuracy {metrics['ensemble/single_accuracy']:.4f}"
        log.info(f"{metrics['ensemble/members']} bagged heads predict together: {summary}")
