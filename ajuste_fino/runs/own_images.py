"""The images that a run was trained on, where it says that they are, each still the one it was."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ajuste_fino.console import log
from ajuste_fino.data.content import Content, ImageFile
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.group import assign_groups
from ajuste_fino.data.history import CONFIG, TABLE, History
from ajuste_fino.data.manifest import load_split
from ajuste_fino.data.sample import Sample, evenly
from ajuste_fino.data.sources.kinds import KINDS
from ajuste_fino.data.sources.shards import is_pattern
from ajuste_fino.data.sources.source import Missing, Root, contents
from ajuste_fino.errors import UserError, preview
from ajuste_fino.files import read_csv
from ajuste_fino.runs.console import progress
from ajuste_fino.runs.data import given_root
from ajuste_fino.runs.saved import read
from ajuste_fino.url import is_address

TRAINED = "Pass the folder of a run of train."
MOVED = "Where they are now, say with data.root=FOLDER."
OTHERWISE = "say with data.root=FOLDER where they are now"


def images_root(run: Path, history: History, fix: str, moved: str, given: Root | None = None) -> Root:
    """The folder, the CSV or another source that holds a run's images.

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
    data = _data_of(run, fix)
    if data["name"] == "digits":
        return digits_folder()
    if not (_is_elsewhere(data) or Path(data["root"]).exists()):
        raise UserError("The folder of the run's images", "must be where it was", got=data["root"], fix=moved)
    return given_root(data, _kind(data))


def moved_root(run: Path, root: str | None) -> Root | None:
    """Where a run's images are now, of the kind that they had; None: where they were."""
    if root is None:
        return None
    data = _data_of(run, MOVED)
    return given_root(data | {"root": root}, _kind(data))


def _data_of(run: Path, fix: str) -> dict[str, Any]:
    """What a run says of its images, whether or not they are still there."""
    data = read("run", run / CONFIG).get("data")
    if not isinstance(data, dict) or not (data.get("name") == "digits" or data.get("root")):
        raise UserError(f"run={run}", f"has a {CONFIG} that does not say where its images are", fix=fix)
    plain = OmegaConf.to_container(OmegaConf.create(data), resolve=True)  # a `${` that is part of a name was marked
    return {"name": "folder", **plain}  # type: ignore[dict-item]


def _kind(data: Mapping[str, Any]) -> str:
    """The kind of source that a run's images had; the digits are a folder, and so is what a user's own name stands for."""
    return str(data["name"]) if data["name"] in KINDS else "folder"


def _is_elsewhere(data: Mapping[str, Any]) -> bool:
    """Whether images are under an address, or those of a pattern, of which no path says whether they are there."""
    return is_address(data["root"]) or is_pattern(Path(str(data["root"])))


def _samples(root: Root, rows: Sequence[Mapping[str, str]]) -> list[Sample]:
    """The images that rows of `split.csv` tell."""
    found = contents(root, [row["file"] for row in rows])
    return [
        Sample(content, row["file"], row["label"], row["split"], row.get("sha256", ""))
        for content, row in zip(found, rows, strict=True)
    ]


def own_samples(run: Path, history: History, root: Root | None, name: str, workers: int, depth: int | None) -> list[Sample]:
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
    rows, data = read_csv(run / TABLE), _data_of(run, MOVED)
    try:
        found = _samples(moved_root(run, root) or _place_of(data), rows)
    except UserError as error:
        if root is not None:
            raise
        log.warning(f"The run's images cannot be shown. {error}")
        found = [Sample(Missing(row["file"]), row["file"], row["label"], row["split"]) for row in rows]
    return {sample.file: sample for sample in found}


def _place_of(data: Mapping[str, Any]) -> Root:
    """Where a run's images are by what it says; of a local folder without a look whether it is there."""
    if data["name"] == "digits":
        return digits_folder()
    local = _kind(data) == "folder" and not is_address(data["root"])
    return Path(data["root"]) if local else given_root(data, _kind(data))


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
    samples = _samples(root, evenly(found, most))
    if gone := [sample.file for sample in samples if not _is_there(sample.content)]:
        rule = f"must be where they were; {len(gone)} of {len(samples)} are missing"
        raise UserError("The run's images", rule, got=root, fix=f"{fix}\n{preview(gone)}")
    return samples


def _is_there(content: Content) -> bool:
    """Whether an image is there, as far as that is known without reading it."""
    return content.path.is_file() if isinstance(content, ImageFile) else not isinstance(content, Missing)
