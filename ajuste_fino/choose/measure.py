"""Run a candidate over the sample: the features of all its cuts from one pass, and what heads make of them."""

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from ajuste_fino.backbone import Backbone
from ajuste_fino.backbone.taps import Cut, Taps, layers_to_try
from ajuste_fino.choose.candidate import Candidate
from ajuste_fino.choose.heads import out_of_fold
from ajuste_fino.choose.trial import Trial
from ajuste_fino.choose.verdict import Row, Score, best, choose_cut
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.features import Extraction
from ajuste_fino.features.extractor import IN_CACHE
from ajuste_fino.features.images import features_of
from ajuste_fino.features.source import refuse_changed
from ajuste_fino.threads import threads_for
from ajuste_fino.transferability import logme

TIMED = 1.0  # seconds of passes, of which the fastest counts: whatever else the machine does only makes one slower
LEAST = 3  # passes


def estimate(candidate: Candidate, trial: Trial) -> float:
    """Seconds that decoding and passing the sample will take, by those of its first images."""
    backbone = candidate.build()
    few = trial.samples[:: max(len(trial.samples) // IN_CACHE, 1)][:IN_CACHE]
    begun = time.perf_counter()
    trial.images(backbone, few)[list(range(len(few)))]
    decoding = (time.perf_counter() - begun) / len(few)
    return len(trial.samples) * (decoding + _milliseconds(backbone, trial, 0) / 1000)


def measure(candidate: Candidate, trial: Trial) -> tuple[list[Row], list[Score]]:
    """Judge each cut of a candidate; features of the default cut, and of the one that is chosen, are left in the cache.

    Returns:
        The rows of the best cut and of the default one, one row where they are the same; the scores of all cuts.

    Raises:
        UserError: where the cache has no room.
    """
    backbone = candidate.build()
    default = Cut(backbone.spec.layer, backbone.spec.pool)
    features = dict(_features(candidate, backbone, trial))
    with threads_for(0):  # one: of the many small steps, several threads that others disturb make a minute of seconds
        scores = [_score(cut, of_cut, trial) for cut, of_cut in features.items()]
    usual = next(score for score in scores if score.cut == default)
    top, chosen = best(scores), choose_cut(scores, usual)
    rows = list[Row]()
    for score in [top] if top is usual else [top, usual]:
        ended = candidate.build(score.cut)
        if score is chosen:
            _keep(trial, ended, features[score.cut])
        parameters = sum(parameter.numel() for parameter in ended.parameters())
        rows.append(
            Row(candidate.label, score, _milliseconds(ended, trial, TIMED), parameters, score is usual, score is chosen)
        )
    return rows, scores


def _score(cut: Cut, features: Tensor, trial: Trial) -> Score:
    right = out_of_fold(features, trial.targets, trial.folds) == trial.targets
    return Score(cut, right, logme(features, trial.targets), features.shape[1])


def _features(candidate: Candidate, backbone: Backbone, trial: Trial) -> Iterator[tuple[Cut, Tensor]]:
    """The features (N, D) of each cut; those of the default one are on disk as soon as they are computed."""
    default, layers = Cut(backbone.spec.layer, backbone.spec.pool), layers_to_try(backbone)
    contents = [sample.sha256 for sample in trial.samples]
    whole = backbone if layers[-1] == default.layer else candidate.build(Cut(layers[-1], 1))
    taps = Taps(whole, layers, default)
    extractor = trial.extractor(taps, backbone)
    cached = trial.cached(backbone)
    missing = cached.missing(contents)
    order, parts = EpochBatchSampler(len(contents), trial.loading.batch_size), list[Tensor]()
    with cached.store as store:
        for batch in features_of(trial.images(backbone, trial.samples), order, extractor, trial.loading):
            refuse_changed(batch)
            parts.append(batch.features)
            new = [n for n, position in enumerate(batch.positions) if contents[position] in missing]
            rows = batch.features[new][:, taps.columns[default]]
            store.add([contents[batch.positions[n]] for n in new], rows.numpy())
        extractor.verify()
    features = torch.cat(parts)
    yield from ((cut, features[:, columns]) for cut, columns in taps.columns.items())


def _keep(trial: Trial, backbone: Backbone, features: Tensor) -> None:
    """Put features that the cache lacks where `train` finds them."""
    cached, contents = trial.cached(backbone), [sample.sha256 for sample in trial.samples]
    missing = cached.missing(contents)
    new = [n for n, content in enumerate(contents) if content in missing]
    with cached.store as store:
        store.add([contents[n] for n in new], features[new].numpy())


def _milliseconds(backbone: Backbone, trial: Trial, timed: float) -> float:
    """Of the network's pass alone, an image, on the device of the trial; the first pass only warms it up.

    Args:
        timed: for how many seconds passes are repeated; 0: one of them is enough.
    """
    preprocessing, device = trial.preprocessing(backbone), trial.loading.device
    count, side = IN_CACHE if device.type == "cpu" else trial.loading.batch_size, preprocessing.size
    pixels = torch.arange(count * 3 * side * side).remainder(251).to(torch.uint8).view(count, 3, side, side)
    extraction, seconds = Extraction(trial.extractor(backbone, backbone), device), list[float]()
    extraction(pixels)
    while not seconds or (timed and (sum(seconds) < timed or len(seconds) < LEAST)):
        begun = time.perf_counter()
        extraction(pixels)
        seconds.append(time.perf_counter() - begun)
    return 1000 * min(seconds) / count
