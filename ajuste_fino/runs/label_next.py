"""`suggest`: which unlabelled images to label next, those that a model would learn most from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino.classifier import probabilities
from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import Range, counted
from ajuste_fino.files import write_csv, write_text
from ajuste_fino.insight.selection import Choice, select, uncertainty
from ajuste_fino.predict import Predictor, load
from ajuste_fino.report.data_page import Shown, suggest_page
from ajuste_fino.runs.configuration import trusted, validate_ranges
from ajuste_fino.runs.console import WORKERS, log, run_log, workers
from ajuste_fino.runs.grammar import verbatim
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.own_features import features_of, learnt
from ajuste_fino.runs.predict import given_images, unreadable
from ajuste_fino.runs.run_folder import open_run, require_empty
from ajuste_fino.texts import require_language

RANGES = {"k": Range(int, 1, 100_000), "workers": WORKERS}
HEADER = ("rank", "file", "predicted", "probability", "why")
SHOWN = 500  # images on the page; the table has all


@run_log()
def suggest(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Write `suggest.csv` and `suggest.html` into `out`: k images, what matters most first; return how many.

    Raises:
        UserError: where there is no such run or image, or the run's images are gone; after the rest is done, where some images
            cannot be decoded.
    """
    validate_ranges(cfg, RANGES)
    require_language(cfg.lang)
    require_empty(out, cfg)
    images = given_images(cfg.images)
    cfg.run = verbatim(str(find_run(str(cfg.run))))
    predictor = load(cfg.run, cfg.trainer.accelerator, trusted(cfg))
    known = learnt(cfg, predictor).features
    features, positions, bad = features_of(images, predictor, cfg)
    there = [images[position] for position in positions]
    if not there:
        raise unreadable([bad[position] for position in sorted(bad)], len(images))
    if cfg.k > len(there):
        log.warning(f"k={cfg.k} is more than the {counted(len(there), 'image')} that there are; all are ranked.")
    out = open_run(out, cfg)
    p = probabilities(predictor.head, [features], predictor.temperature)
    chosen = select(features, known, uncertainty(p), cfg.k)
    _write(out, chosen, there, p, predictor, cfg)
    log.info(f"{counted(len(chosen), 'image')} of {len(there):,} to label next: {(out / 'suggest.csv').absolute()}")
    log.info(f"Page: {(out / 'suggest.html').absolute()}")
    if bad:
        raise unreadable([bad[position] for position in sorted(bad)], len(images))
    return {"chosen": len(chosen), "images": len(there)}


def _write(
    out: Path, chosen: Sequence[Choice], images: Sequence[ImageFile], p: Tensor, model: Predictor, cfg: DictConfig
) -> None:
    """The table and the page."""
    rows, samples, said = [], list[Sample](), list[dict[str, Any]]()
    for rank, choice in enumerate(chosen, start=1):
        image = images[choice.position]
        (first, second), numbers = (tensor.tolist() for tensor in p[choice.position].topk(2))
        label, other = (model.labels[number] for number in numbers)
        why = f"{label} {first:.2f} or {other} {second:.2f}; {choice.distance:.2f} from what is known"
        rows.append((rank, str(image.path), label, f"{first:.6f}", why))
        samples.append(Sample(image, str(image.path), label))
        names = ("rank", "probability", "other", "other_probability", "distance")
        said.append(dict(zip(names, (rank, first, other, second, choice.distance), strict=True)))
    write_csv(out / "suggest.csv", HEADER, rows)
    pictures = Shown(workers(cfg.workers), model.preprocessing.depth).images(samples[:SHOWN], said[:SHOWN])
    write_text(out / "suggest.html", suggest_page(cfg.lang, Path(cfg.run).name, model.spec.name, pictures))
