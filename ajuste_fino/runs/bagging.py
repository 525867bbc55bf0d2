"""`ensemble`: beside the one head, many bagged ones on the same features; the bundle then holds them."""

from collections.abc import Iterator
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino import ensemble
from ajuste_fino.classifier import probabilities
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.errors import Diverged, UserError
from ajuste_fino.features import FeatureSource
from ajuste_fino.head import Head
from ajuste_fino.phases import Phase
from ajuste_fino.runs.console import log, progress
from ajuste_fino.runs.learner import Learner


def require_possible(cfg: DictConfig, phase: Phase) -> None:
    """Refuse what would have to be computed anew for every member, or by other gradients than theirs."""
    if cfg.ensemble is None:
        return
    if phase.trains_backbone or cfg.features.mode != "cached":
        got = f"train_from={phase.train_from}, features.mode={cfg.features.mode}"
        fix = "Leave ensemble out, or train heads on cached features."
        raise UserError("ensemble", "needs phases=head and features.mode=cached", got=got, fix=fix)
    if cfg.head.engine is not None:
        fix = "Leave ensemble out, or take another head."
        raise UserError("ensemble", "trains by automatic differentiation", got="head.engine", fix=fix)


def train_ensemble(
    learner: Learner, manifest: Manifest, features: FeatureSource, head: Head, epochs: int, device: torch.device
) -> tuple[Head | Ensemble, dict[str, Any]]:
    """The head itself and nothing to tell; with `ensemble=T`, T heads of its shape, trained for as many epochs as it was.

    How long to train was chosen on the validation split with the one head; the members need no split of their own, since
    their out-of-bag error is that of pictures that they did not see.
    """
    cfg, samples = learner.cfg, manifest.split("train")
    if cfg.ensemble is None:
        return head, {}
    torch.manual_seed(cfg.seed)
    bag = Ensemble(head.shape, cfg.ensemble)
    bag.standardise.load_state_dict(head.standardise.state_dict())
    bag.to(device)
    counts = ensemble.bootstrap(cfg.ensemble, len(samples), cfg.seed)
    optimizer = learner.optimizer(bag.parameters())
    ensemble.fit(bag, _epochs(learner, manifest, features, epochs), counts, optimizer, learner.schedule(optimizer).step)
    if not all(bool(parameter.isfinite().all()) for parameter in bag.parameters()):
        raise Diverged(f"The ensemble's weights are not finite after {epochs} epochs. Pass a smaller optimizer.lr.")
    bag.cpu()
    return bag, _metrics(bag, counts, manifest, features) | _single(head, manifest, features)


def _epochs(learner: Learner, manifest: Manifest, features: FeatureSource, epochs: int) -> Iterator[Iterator[Any]]:
    """Of each epoch the batches that the one head saw: features, classes, and which pictures they are of."""
    dataset, order = learner.training(manifest, features)

    def batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for positions in order:
            yield *dataset[positions], torch.tensor(positions) % order.count

    for epoch in progress(range(epochs), epochs, "Training the ensemble"):
        order.set_epoch(epoch)
        yield batches()


def _metrics(bag: Ensemble, counts: Tensor, manifest: Manifest, features: FeatureSource) -> dict[str, Any]:
    """Out-of-bag error on the training split, mean disagreement on the test split."""
    wrong, judged, start = 0, 0, 0
    y = torch.tensor(manifest.targets(manifest.split("train")))
    for x in features.features_of(manifest.split("train")):
        rows = slice(start, start + len(x))
        with torch.inference_mode():
            said = ensemble.out_of_bag(bag.logits(x), counts[:, rows])
        wrong += int(((said != y[rows]) & (said >= 0)).sum())
        judged += int((said >= 0).sum())
        start += len(x)
    found = {"ensemble/members": bag.members, "ensemble/out_of_bag_error": wrong / max(judged, 1)}
    apart = (
        [ensemble.disagreement(bag.logits(x).detach()) for x in features.features_of(manifest.split("test"))]
        if manifest.split("test")
        else []
    )
    return found | ({"ensemble/disagreement": float(torch.cat(apart).mean())} if apart else {})


def _single(head: Head, manifest: Manifest, features: FeatureSource) -> dict[str, Any]:
    """What the one head would have had on the test split."""
    samples = manifest.split("test")
    if not samples:
        return {}
    right = probabilities(head, features.features_of(samples)).argmax(1) == torch.tensor(manifest.targets(samples))
    return {"ensemble/single_accuracy": float(right.float().mean())}


def log_summary(metrics: dict[str, Any]) -> None:
    """A line of the log, where there is an ensemble."""
    if "ensemble/members" in metrics:
        known = f"out-of-bag error {metrics['ensemble/out_of_bag_error']:.4f}"
        if "ensemble/disagreement" in metrics:
            known += f", mean disagreement {metrics['ensemble/disagreement']:.4f}"
            known += f"; the one head had test accuracy {metrics['ensemble/single_accuracy']:.4f}"
        log.info(f"{metrics['ensemble/members']} bagged heads predict together: {known}")
