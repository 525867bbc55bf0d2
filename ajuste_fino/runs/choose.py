"""`choose`: which trained backbone suits these images, before anything is trained."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, open_dict

from ajuste_fino.choose.candidate import Candidate
from ajuste_fino.choose.measure import estimate, measure
from ajuste_fino.choose.sample import draw, too_few
from ajuste_fino.choose.trial import Trial
from ajuste_fino.choose.verdict import Row, Score
from ajuste_fino.console import log, note_if_stopped
from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.decoding import decode_all
from ajuste_fino.data.folds import fold_numbers
from ajuste_fino.data.group import groups
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.names import natural
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import Range, UserError, counted, listed
from ajuste_fino.features import resolve_precision
from ajuste_fino.memory import tell_when_full
from ajuste_fino.predict import device
from ajuste_fino.runs.candidates import candidates
from ajuste_fino.runs.choice import conclude, write_tables
from ajuste_fino.runs.configuration import require_keys, validate_ranges
from ajuste_fino.runs.console import WORKERS, progress, run_log, workers
from ajuste_fino.runs.data import data_config
from ajuste_fino.runs.run_folder import open_run, require_empty

RANGES = {
    "choose.images": Range(int, 20, 2000),
    "choose.folds": Range(int, 2, 20),
    "features.batch_size": Range(int, 1),
    "workers": WORKERS,
    "data.image_size": Range(int, 8, 4096, optional=True),
    **DataConfig.RANGES,
}
STOPPED = "The features computed so far are kept, and train finds them; choose.csv has the candidates that were finished."


@run_log()
def choose(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Judge each candidate on a sample; write `choose.csv`, `cuts.csv`, `choose.json` and `plots/choose.png` into `out`.

    Returns:
        What `choose.json` has: the recommendation, the `train` command to go on with, and a row for each candidate and cut.

    Raises:
        UserError: for a mistake in the configuration, the candidates or the folder, before anything is written.
    """
    require_keys(cfg)
    validate_ranges(cfg, RANGES)
    require_empty(out, cfg)
    data, found = data_config(cfg), candidates(cfg)
    loading = LoaderConfig(device(cfg.trainer.accelerator), cfg.features.batch_size, workers(cfg.workers), progress)
    resolve_precision(cfg.features.precision, loading.device)  # refuses what is none
    with tell_when_full("features.batch_size", loading.batch_size):
        samples, total = _sample(data, cfg.choose.images, loading.workers)
        trial = _trial(samples, total, cfg, loading, data)
        with open_dict(cfg):
            command = cfg.pop("command")  # which is no key of the run
        _announce(found, trial)
        out = open_run(out, cfg)
        log.info(f"Run folder: {out}")
        with note_if_stopped(STOPPED):
            rows = _measure(found, trial, out)
    return conclude(rows, found, trial, command, out)


def _sample(data: DataConfig, images: int, workers: int) -> tuple[list[Sample], int]:
    """Draw images of the training and validation splits that `train` would make; what is wrong with them is refused.

    Returns:
        The images, and how many there are in all splits.
    """
    inspection = inspect_folder(data, workers, progress)
    early = traps.findings(inspection.with_splits(), traps.BEFORE_DECODING)
    traps.refuse(early)
    if not data.strict:  # what is skipped changes the split
        inspection = inspection.with_decoded(decode_all(inspection.samples, workers, progress, False, depth=data.depth))
    split = inspection.with_splits()
    free = [sample for sample in split.samples if sample.split != "test"]
    drawn = replace(split, samples=_judgeable(draw(_judgeable(free), images, data.seed)))
    if data.strict:
        drawn = drawn.with_decoded(decode_all(drawn.samples, workers, progress, True, depth=data.depth))
    late = [one for one in traps.findings(drawn if data.strict else split, traps.FILES) if one not in early]
    traps.refuse(late)
    for one in [*early, *late]:
        if one.level == "warning":
            log.warning(str(one))
    return drawn.samples, len(split.samples)


def _judgeable(samples: list[Sample]) -> list[Sample]:
    """Leave out the classes of which no image could be judged by a head that saw another.

    Raises:
        UserError: where fewer than two classes are left.
    """
    few = too_few(samples)
    left = {sample.label for sample in samples} - set(few)
    what = "two different images (or groups) outside of the test split"
    if len(left) < 2:
        fix = f"Too few: {listed(few)}. Bring more images, or keep fewer of them aside by data.test=0.1."
        raise UserError("choose", f"needs two classes, each of at least {what}", got=len(left), fix=fix)
    if few:
        log.warning(f"Left out of the sample, since a class needs {what}: {listed(few)}")
    return [sample for sample in samples if sample.label in left]


def _trial(samples: Sequence[Sample], total: int, cfg: DictConfig, loading: LoaderConfig, data: DataConfig) -> Trial:
    labels = sorted({sample.label for sample in samples}, key=natural)
    targets = torch.tensor([labels.index(sample.label) for sample in samples])
    count = min(cfg.choose.folds, len(set(groups(samples))))
    folds = torch.tensor(fold_numbers(samples, count, cfg.seed))
    rare = [label for label, images in zip(labels, targets.bincount().tolist(), strict=True) if images < count]
    if rare:
        log.warning(f"Fewer images than folds, so that some heads see hardly any of them: {listed(rare)}")
    log.info(f"{counted(len(samples), 'image')} of {len(labels)} classes, none of the test split, in {count} folds")
    return Trial(samples, targets, folds, loading, cfg.features.precision, total, data)


def _announce(found: Sequence[Candidate], trial: Trial) -> None:
    """Say what the passes will cost, by a timed one of a few images; what cannot be built is refused by that."""
    seconds = {one.label: estimate(one, trial) for one in found}
    each = ", ".join(f"{label} {cost:.1f} s" for label, cost in seconds.items())
    log.info(
        f"About {sum(seconds.values()):.0f} s for the images to pass the networks ({each}), and some more for graphs and heads."
    )
    log.info("Ctrl-C stops it and keeps the features computed so far.")


def _measure(found: Sequence[Candidate], trial: Trial, out: Path) -> list[Row]:
    rows, cuts = list[Row](), dict[str, list[Score]]()
    for number, one in enumerate(found, start=1):
        log.info(f"Candidate {number} of {len(found)}: {one.label}")
        measured, cuts[one.label] = measure(one, trial)
        rows += measured
        write_tables(out, rows, cuts)
    return rows
