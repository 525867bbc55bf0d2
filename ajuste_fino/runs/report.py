"""`report`: write the report of a run again, with maps of where the model looks and what its features tell of the data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from ajuste_fino.attribution import relevance, require_captum
from ajuste_fino.console import log
from ajuste_fino.data.content import BadImage
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import Range, UserError, counted
from ajuste_fino.places import require_writable
from ajuste_fino.predict import Predictor, load
from ajuste_fino.report.heat import overlay
from ajuste_fino.report.run_files import RunFiles
from ajuste_fino.report.run_report import Extras, Looked, write
from ajuste_fino.runs.configuration import trusted, validate_ranges
from ajuste_fino.runs.console import start_log
from ajuste_fino.runs.grammar import verbatim
from ajuste_fino.runs.insight_parts import Work
from ajuste_fino.runs.insights import examine, require
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.own_images import images_of
from ajuste_fino.texts import require_language


def report(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Write `report.html`; return where it is.

    Raises:
        UserError: where there is no such run, or captum is missing.
    """
    _require(cfg)
    start_log()
    run = find_run(str(cfg.run))
    out = run if str(cfg.out) == str(cfg.run) else out
    require_writable("out", out)
    files = RunFiles.read(run)
    images = images_of(run, cfg.data.root)
    path = write(run, cfg.lang, _extras(cfg, files, images), out)
    log.info(f"Report: {path.absolute()}")
    return {"report": str(path)}


def _require(cfg: DictConfig) -> None:
    validate_ranges(cfg, {"attribution": Range(int, 0, 100)})
    require_language(cfg.lang)
    if cfg.attribution:
        require_captum()
    if cfg.insights:
        require(cfg)


def _extras(cfg: DictConfig, files: RunFiles, images: dict[str, Sample]) -> Extras:
    """What the report has beside the files of the run, as far as it is wanted."""
    if not (cfg.attribution or cfg.insights):
        return Extras(images)
    predictor = load(files.folder, cfg.trainer.accelerator, trusted(cfg))
    looked = _look(files, predictor, images, cfg.attribution) if cfg.attribution else []
    return Extras(images, looked, _insights(cfg, files.folder, predictor) if cfg.insights else {})


def _insights(cfg: DictConfig, run: Path, predictor: Predictor) -> dict[str, Any]:
    """What the features tell of the data; nothing, and a warning, where the images are no longer what they were."""
    cfg.run = verbatim(str(run))
    try:
        work = Work.of(cfg, predictor)
    except UserError as error:
        log.warning(f"The report does not say what the features tell of the data. {error}")
        return {}
    return examine(work)[0]


def _look(files: RunFiles, predictor: Predictor, images: dict[str, Sample], most: int) -> list[Looked]:
    """Show where the model looks on the images of which it was surest: half of them wrong, if there are, the others right."""
    wrong = files.judged.most_wrong(most // 2)
    chosen = wrong + files.judged.surest(most - len(wrong))
    there = [position for position in chosen if (sample := images.get(files.judged.files[position])) and _is_there(sample)]
    if len(there) < len(chosen):
        log.warning(
            f"{counted(len(chosen) - len(there), 'image')} of the run cannot be read any more; data.root=FOLDER says where."
        )
    return _drawn(predictor, [images[files.judged.files[n]] for n in there], there, files.judged.predicted[there].tolist())


def _is_there(sample: Sample) -> bool:
    try:
        sample.read()
    except BadImage:
        return False
    return True


def _drawn(predictor: Predictor, samples: Sequence[Sample], positions: Sequence[int], targets: Sequence[int]) -> list[Looked]:
    if not samples:
        return []
    pixels = predictor.pixels(list(samples)).to(predictor.device)
    backbone = predictor.extractor.backbone.module
    heat = relevance(backbone, predictor.head, predictor.preprocessing.normalise(pixels), torch.tensor(targets))
    if heat is None:
        log.warning(f"{predictor.spec.name} has no map of places: the report shows no places.")
        return []
    parts = zip(positions, pixels.cpu(), heat.cpu(), strict=True)
    return [Looked(position, overlay(one, places)) for position, one, places in parts]
