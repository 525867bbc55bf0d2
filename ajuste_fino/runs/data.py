"""Where the images of a run are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.sources.kinds import KINDS
from ajuste_fino.data.sources.source import Root
from ajuste_fino.errors import UserError
from ajuste_fino.files import existing
from ajuste_fino.places import require_path
from ajuste_fino.runs.grammar import verbatim


def data_config(cfg: DictConfig) -> DataConfig:
    """Where the images are; a `data.root` becomes absolute, so that the saved configuration works from anywhere.

    Raises:
        UserError: for a folder that is not there, or one beside the digits, which have their own.
    """
    data = cfg.data
    own = data.name != "digits" or data.root == ""
    root = given_root(data, data.name if data.name in KINDS else "folder") if own else _digits(data.root)
    data.root = None if data.name == "digits" else verbatim(str(root))
    split = None if data.split is None else existing("data.split", data.split)
    corrections = corrections_of(data)
    group = None if data.group is None else str(data.group)
    if (kept := data.get("cache", "none")) not in ("none", "uint8"):
        raise UserError("data.cache", "must be none or uint8", got=kept, fix="Pass none to decode them anew.")
    # a file of the user's own may be older than a key
    given = (
        data.val,
        data.test,
        data.on_bad_image,
        data.max_skipped,
        group,
        cfg.seed,
        data.depth,
        data.get("resize"),
        corrections,
    )
    return DataConfig(root, split, *given)


def given_root(data: Mapping[str, Any] | DictConfig, kind: str | None) -> Root:
    """The root that `data.root` gives.

    Args:
        kind: folder, parquet or webdataset; None: as what is there tells.

    Raises:
        UserError: where it is not there, or cannot be reached.
    """
    from ajuste_fino.data.sources.opening import open_root

    require_path("data.root", data["root"])
    keys = {key: None if data.get(key) is None else str(data[key]) for key in ("image_column", "label_column")}
    return open_root(str(data["root"]), kind, keys)


def corrections_of(data: DictConfig) -> Path | None:
    """The table of corrected labels, absolute in the saved configuration, too; a group of the user's own may be older."""
    if data.get("corrections") is None:
        return None
    path = existing("data.corrections", data.corrections)
    if not path.is_file():
        fix = "Pass a CSV with the columns file and corrected, such as suspects.csv of ajuste-fino data."
        raise UserError("data.corrections", "must be a file", got=path, fix=fix)
    data.corrections = verbatim(str(path))
    return path


def _digits(given: str | None) -> Path:
    from ajuste_fino.data.digits import digits_folder  # scikit-learn takes a second to import, and few runs need it

    root = digits_folder()
    if given not in (None, str(root)):
        raise UserError("data.root", "cannot be given with data=digits", got=given, fix=f"Pass data=folder data.root={given}.")
    return root
