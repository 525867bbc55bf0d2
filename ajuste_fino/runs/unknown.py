"""At the end of `train`: learn what the training images are like, so that `predict` can tell images of other kinds."""

import torch

from ajuste_fino import novelty
from ajuste_fino.console import log
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.novelty import Novelty
from ajuste_fino.runs.learner import Fitted
from ajuste_fino.runs.stages import Stages


def fit(stages: Stages, fitted: Fitted, manifest: Manifest) -> Novelty | None:
    """Fit it to the features that the head of the last phase reads; None where that cannot be had.

    They are there already, but where a part of the backbone was trained: then at most 4000 images pass through that part,
    which a run that was stopped is spared.
    """
    samples, trains = manifest.split("train"), stages.phases.trains_backbone
    if not manifest.split("val") or (trains and fitted.stopped is not None):
        return None
    targets = manifest.targets(samples)
    positions = novelty.chosen(targets, len(manifest.labels))
    fitted.head.cpu().eval()
    batches = stages.last.source.features_of([samples[position] for position in positions])
    with torch.inference_mode():
        x = torch.cat([fitted.head.standardise(features) for features in batches])
    return novelty.fit(x, torch.tensor(targets)[positions])


def log_threshold(metrics: dict[str, float], count: int) -> None:
    """Say what `predict` will call unknown."""
    if "val/accepted" in metrics:
        rule = f"less like the training images than {round(metrics['val/accepted'] * count)} of {count} validation images"
        log.info(f"Predict calls an image unknown that is {rule}.")
