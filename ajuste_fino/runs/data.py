"""Where the images of a run are."""

from pathlib import Path

from omegaconf import DictConfig

from ajuste_fino.data.config import DataConfig
from ajuste_fino.files import existing


def data_config(cfg: DictConfig) -> DataConfig:
    """Where the images are; `data.root` becomes absolute, so that the saved configuration works from anywhere."""
    data = cfg.data
    data.root = str(_digits() if data.name == "digits" and data.root is None else existing("data.root", data.root))
    split = existing("data.split", data.split) if data.split else None
    group = None if data.group is None else str(data.group)
    return DataConfig(Path(data.root), split, data.val, data.test, data.on_bad_image, data.max_skipped, group, cfg.seed)


def _digits() -> Path:
    from ajuste_fino.data.digits import digits_folder  # scikit-learn takes a second to import, and few runs need it

    return digits_folder()
