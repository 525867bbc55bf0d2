"""What names of files and folders mean: splits, clutter, and the order in which people count."""

import re

from ajuste_fino.errors import UserError

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
CLUTTER = {"__MACOSX", "Thumbs.db", "desktop.ini"}


def natural(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """A sort key under which 2 comes before 10; names that are equal as numbers, 1 and 01, are ordered as texts."""
    parts = [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]
    return parts, name


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden, or left there by an operating system."""
    return name.startswith(".") or name in CLUTTER


def split_named(name: str, where: str) -> str:
    """`validation` → `val`; "" stays."""
    if name and name.lower() not in SPLIT_NAMES:
        raise UserError(where, "has an unknown split", got=name, fix="Use train, val or test.")
    return SPLIT_NAMES.get(name.lower(), "")
