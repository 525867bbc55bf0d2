"""`ensemble`: beside the one head, many bagged ones on the same features; the bundle then holds them."""

from collections.abc import Iterator
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino import ensemble
from ajuste_fino.classifier import probabilities
from ajuste_fino.data.prepare import Table
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.errors import Diverged, UserError
from ajuste_fino.features import Cached, Live
from ajuste_fino.head import Head
from ajuste_fino.runs.console import log, progress
from ajuste_fino.runs.learner import Learner


def possible(cfg: DictConfig) -> None:
    """Refuse what would have to be computed anew for every member, or by other gradients than theirs."""
    if cfg.ensemble is None:
        return
    if cfg.phases.name != "head" or cfg.features.mode != "cached":
        got = f"phases={cfg.phases.name}, features.mode={cfg.features.mode}"
        fix = "Leave ensemble out, or train heads on cached features."
        raise UserError("ensemble", "needs phases=head and features.mode=cached", got=got, fix=fix)
    if cfg.head.engine is not None:
        fix = "Leave ensemble out, or take another head."
        raise UserError("ensemble", "trains by automatic differentiation", got="head.engine", fix=fix)


def bagged(
    learner: Learner, table: Table, features: Cached | Live, head: Head, epochs: int
) -> tuple[Head | Ensemble, dict[str, Any]]:
    """The head itself and nothing to tell; with `ensemble=T`, T heads of its shape, trained for as many epochs as it was.

    How long to train was chosen on the validation split with the one head; the members need no split of their own, since
    their out-of-bag error is that of pictures that they did not see.
    """
    cfg, samples = learner.cfg, table.of("train")
    if cfg.ensemble is None:
        return head, {}
    torch.manual_seed(cfg.seed)
    bag = Ensemble(head.shape, cfg.ensemble)
    bag.standardise.load_state_dict(head.standardise.state_dict())
    bag.to(features.work.device if isinstance(features, Live) else features.live.work.device)
    counts = ensemble.bootstrap(cfg.ensemble, len(samples), cfg.seed)
    optimizer = learner.optimizer(bag.parameters())
    ensemble.fit(bag, _epochs(learner, table, features, epochs), counts, optimizer, learner.schedule(optimizer).step)
    if not all(bool(parameter.isfinite().all()) for parameter in bag.parameters()):
        raise Diverged(f"The ensemble's weights are not finite after {epochs} epochs. Pass a smaller optimizer.lr.")
    bag.cpu()
    return bag, _figures(bag, counts, table, features) | _single(head, table, features)


def _epochs(learner: Learner, table: Table, features: Cached | Live, epochs: int) -> Iterator[Iterator[Any]]:
    """Of each epoch the batches that the one head saw: features, classes, and which pictures they are of."""
    dataset, order = learner.training(table, features)

    def batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for positions in order:
            yield *dataset[positions], torch.tensor(positions) % order.count

    for epoch in progress(range(epochs), epochs, "Training the ensemble"):
        order.set_epoch(epoch)
        yield batches()


def _figures(bag: Ensemble, counts: Tensor, table: Table, features: Cached | Live) -> dict[str, Any]:
    """Out-of-bag error on the training split, mean disagreement on the test split."""
    wrong, judged, start = 0, 0, 0
    y = torch.tensor(table.targets(table.of("train")))
    for x in features.plain(table.of("train")):
        rows = slice(start, start + len(x))
        with torch.inference_mode():
            said = ensemble.out_of_bag(bag.logits(x), counts[:, rows])
        wrong += int(((said != y[rows]) & (said >= 0)).sum())
        judged += int((said >= 0).sum())
        start += len(x)
    found = {"ensemble/members": bag.members, "ensemble/out_of_bag_error": wrong / max(judged, 1)}
    apart = (
        [ensemble.disagreement(bag.logits(x).detach()) for x in features.plain(table.of("test"))] if table.of("test") else []
    )
    return found | ({"ensemble/disagreement": float(torch.cat(apart).mean())} if apart else {})


def _single(head: Head, table: Table, features: Cached | Live) -> dict[str, Any]:
    """What the one head would have had on the test split."""
    samples = table.of("test")
    if not samples:
        return {}
    right = probabilities(head, features.plain(samples)).argmax(1) == torch.tensor(table.targets(samples))
    return {"ensemble/single_accuracy": float(right.float().mean())}


def told(figures: dict[str, Any]) -> None:
    """A line of the log, where there is an ensemble."""
    if "ensemble/members" in figures:
        known = f"out-of-bag error {figures['ensemble/out_of_bag_error']:.4f}"
        if "ensemble/disagreement" in figures:
            known += f", mean disagreement {figures['ensemble/disagreement']:.4f}"
            known += f"; the one head had test accuracy {figures['ensemble/single_accuracy']:.4f}"
        log.info(f"{figures['ensemble/members']} bagged heads predict together: {known}")
