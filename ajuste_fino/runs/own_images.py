"""The images that a run was trained on, where it says that they are, each still the one it was."""

from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.group import assign_groups
from ajuste_fino.data.history import CONFIG, TABLE, History
from ajuste_fino.data.manifest import load_split
from ajuste_fino.data.sample import Sample, evenly
from ajuste_fino.errors import UserError, preview
from ajuste_fino.files import existing, read_csv
from ajuste_fino.runs.console import progress
from ajuste_fino.runs.saved import read

TRAINED = "Pass the folder of a run of train."
MOVED = "Where they are now, say with data.root=FOLDER."
OTHERWISE = "say with data.root=FOLDER where they are now"


def images_root(run: Path, history: History, fix: str, moved: str, given: Path | None = None) -> Path:
    """The folder or CSV that holds a run's images.

    Args:
        fix: the way out where the run has none of its own.
        moved: the way out where they are no longer there.
        given: where they are, if somebody says it.

    Raises:
        UserError: where the run does not say it, or they are not there.
    """
    if not (run / "split.csv").is_file():
        raise UserError(f"run={run}", "is a bundle and has no images of its own", fix=fix)
    if history.unknown:
        raise UserError(str(run / "split.csv"), history.unknown, fix=f"Bring back the one that it wrote. {fix}")
    if given is not None:
        return given
    if not (root := _root_of(run, fix)).exists():
        raise UserError("The folder of the run's images", "must be where it was", got=root, fix=moved)
    return root


def _root_of(run: Path, fix: str) -> Path:
    """Where a run says that its images are, whether or not they are still there."""
    data = OmegaConf.create(read("run", run / CONFIG)).get("data")
    if not isinstance(data, DictConfig) or not (data.get("name") == "digits" or data.get("root")):
        raise UserError(f"run={run}", f"has a {CONFIG} that does not say where its images are", fix=fix)
    return digits_folder() if data.get("name") == "digits" else Path(data["root"])


def _sample(base: Path, row: Mapping[str, str]) -> Sample:
    """An image as a row of `split.csv` tells it."""
    return Sample(ImageFile(base / row["file"]), row["file"], row["label"], row["split"], row.get("sha256", ""))


def own_samples(run: Path, history: History, root: Path | None, name: str, workers: int, depth: int | None) -> list[Sample]:
    """The images of one of a run's splits, in the groups that they had.

    Args:
        root: where they have been moved; None: where they were.

    Raises:
        UserError: where the run has none, or one is gone, damaged or another.
    """
    there = images_root(run, history, TRAINED, MOVED, root)
    samples = load_split(run / "split.csv", name, there, workers, progress, depth, OTHERWISE).samples
    group = (read("run", run / "config.yaml").get("data") or {}).get("group")
    return assign_groups(samples, group, there)


def images_of(run: Path, root: str | None) -> dict[str, Sample]:
    """A run's images by their names, each to be read only as the one it was; they need not be there any more.

    Args:
        root: where they are now, if not where they were.
    """
    place = _root_of(run, MOVED) if root is None else existing("data.root", root)
    base = place.parent if place.is_file() else place
    return {row["file"]: _sample(base, row) for row in read_csv(run / TABLE)}


def folder_of(run: Path) -> Path | None:
    """The run folder that a model is in, by what `run=` gives; None: a bundle elsewhere, or a zip file."""
    beside = run.resolve().parent if run.resolve().name == "bundle" else run
    return next((folder for folder in (run, beside) if all((folder / name).is_file() for name in (TABLE, CONFIG))), None)


def some_images(run: Path, splits: tuple[str, ...], most: int, fix: str) -> list[Sample]:
    """At most so many images of the first of these splits that has any, evenly over its rows; each is read only as it was.

    Raises:
        UserError: where the splits are empty, or images are missing.
    """
    rows = read_csv(run / TABLE)
    found = next((some for split in splits if (some := [row for row in rows if row.get("split") == split])), [])
    if not found:
        raise UserError(str(run / TABLE), f"has no images of {' or '.join(splits)}", fix=fix)
    root = images_root(run, History(), fix, fix)
    base = root if root.is_dir() else root.parent
    samples = [_sample(base, row) for row in evenly(found, most)]
    if gone := [sample.file for sample in samples if not (base / sample.file).is_file()]:
        rule = f"must be where they were; {len(gone)} of {len(samples)} are missing"
        raise UserError("The run's images", rule, got=root, fix=f"{fix}\n{preview(gone)}")
    return samples
