"""Read the tensors of a file, and nothing but tensors: no code in it is ever run, whoever put it there."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors.torch import load, load_file
from torch import Tensor

from ajuste_fino.backbone import file_kinds
from ajuste_fino.backbone.checksums import damaged_record
from ajuste_fino.backbone.file_kinds import MOST, SAVE, WHOLE, Kind
from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable
from ajuste_fino.files import existing
from ajuste_fino.memory import is_full

WITHIN = "::"
SHOWN = 16  # digits of a hash
DEPTH = 8  # mappings within mappings


class NotWeights(Exception):
    """A file that holds no tensors, with what it is instead."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.what)
        self.kind = kind


def read(value: str | Path) -> dict[str, Tensor]:
    """The tensors by name of the file that `backbone.weights` names, see `tensors_of`.

    Raises:
        UserError: where there is no such file, or it holds no tensors.
    """
    if "://" in str(value):
        raise UserError("backbone.weights", "must be a file on this machine", got=value, fix="Download it and pass its path.")
    if _is_word(value):
        fix = "Pass pretrained for those that are published, none for random ones, or the path of a .pth or .safetensors file "
        fix += "or of a run."
        raise UserError("backbone.weights", "must be pretrained, none or an existing path", got=value, fix=fix)
    path = existing("backbone.weights", value)
    try:
        return tensors_of(path)
    except NotWeights as error:
        rule = f"cannot be read as weights: it {error.kind.what}"
        raise UserError(f"backbone.weights={path}", rule, fix=error.kind.fix) from error


def _is_word(value: str | Path) -> bool:
    """Whether it is rather a name of some weights, as other programs know them, than the path of a file."""
    path = Path(value)
    return bool(path.name) and len(path.parts) == 1 and not path.suffix and path.name[0] not in "~." and not path.exists()


def tensors_of(path: Path, digits: str = "") -> dict[str, Tensor]:
    """The tensors of a file that torch.save or safetensors wrote; those within mappings are named `outer::inner`.

    Args:
        digits: the first hexadecimal digits of the SHA-256 that the content must have; what is read then is the very bytes
            that were hashed, whatever happens to the file meanwhile.

    Raises:
        NotWeights: where it is another file, or holds no tensors by name.
    """
    if not path.is_file():
        raise NotWeights(file_kinds.of_place(path))
    try:
        with path.open("rb") as file:
            content = _content(BytesIO(_verified(file, digits)) if digits else file, path)
        bad = None if digits else damaged_record(path)  # a hash has said it already
    except OSError as error:
        raise NotWeights(Kind(f"cannot be read ({error.strerror})", "Change its permissions, or copy it.")) from error
    if bad:
        what = f"is damaged: by its CRC-32, {printable(bad, most=MOST)} in it is not as it was written"
        raise NotWeights(Kind(what, WHOLE))
    tensors = dict(_named(content))
    if not tensors:
        raise NotWeights(_without_names(content))
    return tensors


def _without_names(content: object) -> Kind:
    rule = "must hold tensors by name, and holds"
    place = _in_a_list(content)
    if place:
        fix = f"Save one of them alone: torch.save(content{place}, 'weights.pth')."
        return Kind(f"{rule} them within a list", fix)
    what = "a single tensor" if isinstance(content, Tensor) else f"a {type(content).__name__} without any"
    return Kind(f"{rule} {what}", SAVE)


def _in_a_list(content: object) -> str | None:
    """Where the first mapping with tensors lies in a list, as Python writes it: `['models'][0]`."""
    seen = {id(content)}
    level: list[tuple[str, bool, object]] = [("", False, content)]
    for _ in range(DEPTH):
        inner: list[tuple[str, bool, object]] = []
        for above, listed, value in level:
            if listed and next(_named(value), None):
                return printable(above, most=MOST)
            for key, part in _parts(value):
                if id(part) not in seen:
                    seen.add(id(part))
                    inner.append((f"{above}[{key!r}]", listed or isinstance(value, list | tuple), part))
        level = inner
    return None


def _parts(value: object) -> Iterator[tuple[object, object]]:
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, part in pairs:
        if isinstance(key, str | int) and isinstance(part, Mapping | list | tuple):
            yield key, part


def _verified(file: BinaryIO, digits: str) -> bytes:
    content = file.read()
    found = hashlib.sha256(content).hexdigest()
    if not found.startswith(digits):
        shown = f"{found[: min(len(digits), SHOWN)]} instead of {digits[:SHOWN]}"
        what = f"is damaged or another file (its SHA-256 begins with {shown})"
        raise NotWeights(Kind(what, WHOLE))
    return content


def _content(file: BinaryIO, path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whatever torch has to say of a format, the file is read or refused
            if not file_kinds.begins_like_safetensors(file.read(9)):
                file.seek(0)  # by its path a file is read faster, and by its suffix, which may be wrong
                source = file if isinstance(file, BytesIO) or path.suffix == ".safetensors" else path
                return torch.load(source, map_location="cpu", weights_only=True)
            return load(file.getvalue()) if isinstance(file, BytesIO) else load_file(path)
    except Exception as error:  # a damaged or hostile file makes the readers stumble in any way
        if _is_of_memory(error):
            raise
        raise NotWeights(file_kinds.of_content(file, path.suffix)) from error


def _is_of_memory(error: Exception) -> bool:
    """Whether the memory is full; the words alone do not tell, since an error may quote names out of a hostile file."""
    by_torch = isinstance(error, RuntimeError) and str(error).startswith(("[enforce fail", "DefaultCPUAllocator"))
    return (isinstance(error, MemoryError) or by_torch) and is_full(error)


def _named(content: object) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a mapping and of those within it, the outer before the inner; one that is there twice is read once.

    A file may hold itself, or mappings that share others, through which there are exponentially many ways.
    """
    if not isinstance(content, Mapping):
        return
    seen, level = {id(content)}, [("", content)]
    for _ in range(DEPTH + 1):
        inner = []
        for above, mapping in level:
            for key, value in mapping.items():
                if isinstance(key, str) and isinstance(value, Tensor):
                    yield f"{above}{key}", value
                elif isinstance(key, str) and isinstance(value, Mapping) and id(value) not in seen:
                    seen.add(id(value))
                    inner.append((f"{above}{key}{WITHIN}", value))
        level = inner
