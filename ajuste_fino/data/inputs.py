"""What prediction takes for an image, and for many of them: the rule, once, for the command and for Python.

| what | what is predicted |
|---|---|
| the path of a file | the image in it, whatever its name |
| the path of a folder | every image below it, by its name or by its first bytes, in the order in which people count |
| a path with `*`, `?` or `[…]` that no file has for its name | what matches, as in a shell; hidden files do not |
| `bytes`, `bytearray`, `memoryview` | the image file whose content they are |
| a file object opened as binary | its content, from where it stands to its end |
| a PIL image | the image |
| a NumPy array (H, W, 3) or (H, W) | an RGB or a grey image; uint8, or floats in [0, 1] |
| a tensor (3, H, W) or (1, H, W) | the same |
| a list, a tuple or any other iterable of these | each of them; a folder in it counts as its images |

Files are read by the rules of `images.load_image`; an array becomes a PIL image first, floats being rounded to 255ths. All
else is refused by name: addresses such as https:// and s3://, batches (N, …), other types of numbers, floats beyond [0, 1].
"""

import glob
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ajuste_fino.console import log
from ajuste_fino.data.content import Content, ImageBytes, ImageFile
from ajuste_fino.data.folder import images_below
from ajuste_fino.data.kinds import SUFFIXES, unread_files
from ajuste_fino.data.names import natural
from ajuste_fino.errors import UserError, counted, preview
from ajuste_fino.files import existing, expanded

Source = Content | Image.Image
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:[^/]*/[^,]*,")
TAKEN = "Pass a path, bytes, a file object, a PIL image, an array, a tensor, or a list of these."


def sources(value: Any, name: str = "images") -> Source | list[Source]:
    """One image, or a list of them where `value` is a list, a folder or a pattern; `name` is what messages call it.

    Raises:
        UserError: for what is none of these, a path that does not exist, a folder or a pattern without images.
    """
    if isinstance(value, str | os.PathLike):
        return _from_path(os.fsdecode(value), name)
    if isinstance(value, Image.Image):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return ImageBytes(bytes(value), name)
    if isinstance(value, Tensor):
        return _from_tensor(value, name)
    if isinstance(value, np.ndarray):
        return _from_array(value, name)
    if hasattr(value, "read"):
        return _from_file_object(value, name)
    if isinstance(value, Iterable) and not isinstance(value, Mapping | set | frozenset):
        return [one for n, item in enumerate(value) for one in _as_list(sources(item, _name_of(item, n, name)))]
    raise UserError(name, "must be an image or a list of images", got=type(value).__name__, fix=TAKEN)


def _name_of(item: Any, n: int, name: str) -> str:
    """What messages call an item of a list: a path is shown anyway, of the others one must know which it is."""
    return name if isinstance(item, str | os.PathLike) else f"{name}[{n}]"


def _as_list(found: Source | list[Source]) -> list[Source]:
    return found if isinstance(found, list) else [found]


def _from_path(text: str, name: str) -> Source | list[Source]:
    if not text:
        raise UserError(name, "must name an image", got="an empty text", fix="Pass a file, a folder or a pattern.")
    path, shown = expanded(text), text if len(text) < 80 else f"{text[:80]}…"
    if ADDRESS.match(text):
        raise UserError(name, "must be on this machine", got=shown, fix="Download it first, and pass its path or its bytes.")
    try:
        there = path.exists()
    except OSError as error:
        fix = "Pass the content of a file as bytes."
        raise UserError(name, f"must be an existing path ({error.strerror})", got=shown, fix=fix) from error
    if there:
        return _from_folder(path, name) if path.is_dir() else ImageFile(existing(name, path))
    if not glob.has_magic(text):
        return ImageFile(existing(name, text))
    matches = sorted(glob.glob(str(path)), key=natural)  # noqa: PTH207  # Path.glob takes no absolute ones
    found = [one for match in matches for one in (_below(Path(match)) if Path(match).is_dir() else [Path(match)])]
    if not found:
        raise UserError(name, "must match at least one file", got=text, fix="Check the folder and the ending.")
    return [ImageFile(one.absolute()) for one in dict.fromkeys(found)]


def _from_folder(path: Path, name: str) -> list[Source]:
    return [ImageFile(one) for one in _below(path.absolute(), name)]


def _below(folder: Path, required_as: str | None = None) -> list[Path]:
    """The images below a folder; what is left out is said, those that could be converted first.

    Args:
        required_as: what messages call the folder, where it must hold an image.
    """
    found, others = images_below(folder)
    if required_as and not found:
        unread = unread_files(one.path for one in others)
        fix = f"It holds {unread}." if unread else f"Images end in {', '.join(SUFFIXES)}."
        raise UserError(required_as, "must hold at least one image", got=folder, fix=fix)
    if others:
        lines = [str(one) for one in sorted(others, key=lambda one: "convert" not in one.reason)]
        log.warning(f"{counted(len(others), 'file')} in {folder} left out:\n{preview(lines)}")
    return found


def _from_file_object(file: Any, name: str) -> ImageBytes:
    content = file.read()
    if not isinstance(content, bytes):
        fix = "Open it as binary, open(path, 'rb')."
        raise UserError(name, "must be read as bytes", got=f"{type(content).__name__} from {type(file).__name__}", fix=fix)
    return ImageBytes(content, name)


def _from_tensor(values: Tensor, name: str) -> Image.Image:
    if values.ndim != 3 or values.shape[0] not in (1, 3) or 0 in values.shape:
        fix = "Channels come first, as after x.permute(2, 0, 1); of a batch pass list(x)."
        raise UserError(name, "must be a tensor (3, H, W) or (1, H, W)", got=tuple(values.shape), fix=fix)
    values = values.detach().cpu()
    plain = values.float() if values.dtype == torch.bfloat16 else values  # NumPy has no bfloat16
    return _image(plain.permute(1, 2, 0).squeeze(2).numpy(), name)


def _from_array(values: np.ndarray, name: str) -> Image.Image:
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 3)) or 0 in values.shape:
        fix = "Channels come last, as after x.transpose(1, 2, 0); of a batch pass list(x)."
        raise UserError(name, "must be an array (H, W, 3) or (H, W)", got=values.shape, fix=fix)
    return _image(values, name)


def _image(values: np.ndarray, name: str) -> Image.Image:
    """(H, W, 3) or (H, W), uint8 or floats in [0, 1] → the image."""
    if np.issubdtype(values.dtype, np.floating):
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):  # as are numbers that are none
            fix = "Divide by 255 where they are 0 … 255; do not normalise by mean and deviation, which the model does itself."
            raise UserError(name, "must be floats in [0, 1]", got=f"{values.dtype} from {low:g} to {high:g}", fix=fix)
        values = (values * 255).round().astype(np.uint8)
    if values.dtype != np.uint8:
        fix = "Convert it to uint8 where it holds 0 … 255."
        raise UserError(name, "must be uint8, or floats in [0, 1]", got=str(values.dtype), fix=fix)
    return Image.fromarray(np.ascontiguousarray(values))
