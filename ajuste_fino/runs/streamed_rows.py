"""The rows of a run on extracted features: what must be there, and how the run folder tells of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ajuste_fino.console import log
from ajuste_fino.data.sample import SPLITS
from ajuste_fino.environment import environment
from ajuste_fino.errors import UserError, listed
from ajuste_fino.escape import quoted
from ajuste_fino.features.extracted import ABOUT, Extracted
from ajuste_fino.features.streamed import StreamedFeatures
from ajuste_fino.files import write_json
from ajuste_fino.growing import growing_csv
from ajuste_fino.own_tables import SPLIT
from ajuste_fino.predict import device
from ajuste_fino.runs.run_folder import open_run
from ajuste_fino.runs.unchanged import NEW_RUN

AUDIT = "audit.json"


def require_classes(rows: StreamedFeatures) -> None:
    """Refuse rows that no head can be trained on; warn of classes that another split lacks.

    Raises:
        UserError: for fewer classes than two, a class without training rows, or no validation rows.
    """
    where = f"features.from={rows.extracted.storage.where}"
    if len(rows.labels) < 2:
        raise UserError(where, "must have at least two classes", got=listed(rows.labels), fix="Extract images of others, too.")
    for split in ("train", "val"):
        if not rows.total(split):
            fix = "Pass another data.val, or extract more images."
            raise UserError(where, f"has no row for the split {split}", got=f"{sum(map(rows.total, SPLITS)):,} rows", fix=fix)
    for split in SPLITS:
        lacking = [quoted(label) for label, count in zip(rows.labels, rows.counts[split], strict=True) if not count]
        if lacking and split == "train":
            fix = "Extract more images of it, or pass another seed, by which rows are split."
            raise UserError(where, "must have training rows of every class", got=f"none of {listed(lacking)}", fix=fix)
        if lacking and rows.total(split):
            log.warning(f"The {split} split has no row of {listed(lacking)}. Its metrics leave them out.")


def fingerprint_of(extracted: Extracted) -> str:
    """The hash of `about.json`, which has the hash of every file."""
    return hashlib.sha256(extracted.storage.read(ABOUT) or b"").hexdigest()


def require_same_features(run: Path, extracted: Extracted) -> None:
    """Refuse to go on with a run on other features than it began with.

    Raises:
        UserError: where they are others.
    """
    path = run / AUDIT
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("features") != fingerprint_of(extracted):
        fix = f"Bring them back to {extracted.storage.where}, or {NEW_RUN}"
        raise UserError(f"resume={run}", "needs the features that it began with, and they have changed", fix=fix)


def open_folder(out: Path, cfg: DictConfig, rows: StreamedFeatures) -> Path:
    """Create the run folder, write its configuration, log, split and what is known before it begins; return it."""
    out = open_run(out, cfg)
    if not (out / "split.csv").is_file():
        _write_split(out / "split.csv", rows)
    about = rows.extracted.about
    classes = {label: {s: int(rows.counts[s][n]) for s in SPLITS} for n, label in enumerate(rows.labels)}
    audit: dict[str, Any] = {"root": rows.extracted.storage.where, "images": about["rows"], "classes": classes, "findings": []}
    write_json(out / AUDIT, {**audit, "features": fingerprint_of(rows.extracted)})
    write_json(out / "environment.json", environment(device(cfg.trainer.accelerator)))
    sizes = ", ".join(f"{rows.total(split):,} {split}" for split in SPLITS)
    log.info(f"Run folder: {out}")
    log.info(f"{about['rows']:,} features of {len(rows.labels)} classes: {sizes}")
    return out


def _write_split(path: Path, rows: StreamedFeatures) -> None:
    """Write `split.csv`, the rows of each split in their order, a block at a time."""
    with growing_csv(path, SPLIT) as write:
        for split in SPLITS:
            for block in rows.blocks[split]:
                for key, file, label in zip(*rows.texts(block, "key", "file", "label"), strict=True):
                    write((file, label, split, key))
