"""Where the pictures of a run are, and the rules of the keys `data.*`."""

from math import inf
from pathlib import Path

from omegaconf import DictConfig

from ajuste_fino.data.source import Source
from ajuste_fino.files import existing

RULES = {
    "seed": (int, 0, 2**63 - 1),
    "data.val": (float, 0, 1),
    "data.test": (float, 0, 1),
    "data.max_skipped": (float, 0, 1),
    "data.augment.scale": (float, 0.01, 1),
    "data.augment.flip": (float, 0, 1),
    "data.augment.color": (float, 0, 1),
}
OPTIONAL = {"data.image_size": (int, 8, 4096), "data.folds": (int, 2, inf), "workers": (int, 0, 64)}  # null, or these


def source(data: DictConfig) -> Source:
    """Where the pictures are; `data.root` becomes absolute, so that the saved configuration works from anywhere."""
    data.root = str(_digits() if data.name == "digits" and data.root is None else existing("data.root", data.root))
    split = existing("data.split", data.split) if data.split else None
    group = None if data.group is None else str(data.group)
    return Source(Path(data.root), split, data.val, data.test, data.on_bad_image, data.max_skipped, group)


def _digits() -> Path:
    from ajuste_fino.data.digits import digits_folder  # scikit-learn takes a second to import, and few runs need it

    return digits_folder()
