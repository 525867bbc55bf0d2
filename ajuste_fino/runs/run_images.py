"""The images of a run: where they lie now, and some of a split."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.history import CONFIG, TABLE
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import UserError, preview
from ajuste_fino.files import read_csv
from ajuste_fino.runs.saved import read

T = TypeVar("T")


def image_root(run: Path, fix: str, moved: str) -> Path:
    """The folder or table of a run's images.

    Args:
        fix: the way out where the run does not say where they are.
        moved: the way out where they are there no longer.

    Raises:
        UserError: in either case.
    """
    data = OmegaConf.create(read("run", run / CONFIG)).get("data")
    if not isinstance(data, DictConfig) or not (data.get("name") == "digits" or data.get("root")):
        raise UserError(f"run={run}", f"has a {CONFIG} that does not say where its images are", fix=fix)
    root = digits_folder() if data.get("name") == "digits" else Path(data["root"])
    if not root.exists():
        raise UserError("The folder of the run's images", "must be where it was", got=root, fix=moved)
    return root


def folder_of(run: Path) -> Path | None:
    """The run folder that a model is in, by what `run=` gives; None: a bundle elsewhere, or a zip file."""
    beside = run.resolve().parent if run.resolve().name == "bundle" else run
    return next((folder for folder in (run, beside) if all((folder / name).is_file() for name in (TABLE, CONFIG))), None)


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly over all of them."""
    count = min(most, len(items))
    return [items[n * len(items) // count] for n in range(count)]


def some_images(run: Path, splits: tuple[str, ...], most: int, fix: str) -> list[Sample]:
    """At most so many images of the first of these splits that has any, evenly over its rows; each is read only as it was.

    Raises:
        UserError: where the splits are empty, or images are missing.
    """
    rows = read_csv(run / TABLE)
    found = next((some for split in splits if (some := [row for row in rows if row.get("split") == split])), [])
    if not found:
        raise UserError(str(run / TABLE), f"has no images of {' or '.join(splits)}", fix=fix)
    root = image_root(run, fix, fix)
    base = root if root.is_dir() else root.parent
    samples = [
        Sample(ImageFile(base / row["file"]), row["file"], row["label"], row["split"], row.get("sha256", ""))
        for row in evenly(found, most)
    ]
    if gone := [sample.file for sample in samples if not (base / sample.file).is_file()]:
        rule = f"must be where they were; {len(gone)} of {len(samples)} are missing"
        raise UserError("The run's images", rule, got=root, fix=f"{fix}\n{preview(gone)}")
    return samples
