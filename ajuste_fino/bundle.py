"""What a user keeps: backbone, head, labels and preprocessing in two files and their hashes; never a pickle."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ajuste_fino.backbone import Backbone, BackboneSpec, rebuild
from ajuste_fino.backbone.file_kinds import MOST
from ajuste_fino.backbone.weights import is_finite
from ajuste_fino.bundle_files import SUMS, find
from ajuste_fino.bundle_metadata import check, parsed
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable
from ajuste_fino.files import existing, no_pipe, sha256, write_bytes, write_json, write_text
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.memory import is_full
from ajuste_fino.novelty import Novelty
from ajuste_fino.novelty import rebuild as rebuild_novelty

FORMAT = 1
FORMAT_OF_MORE = 2  # with a depth, padding or a temperature, which an earlier release would not know of
TENSORS, METADATA = "model.safetensors", "bundle.json"


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that its predictions depend on.

    `split` is the SHA-256 of the `split.csv` of its run; None where an older version wrote it. `engine` is what computed the
    features that its head learnt from. The head's logits are divided by `temperature` before softmax.
    `augmentation` is what `data.multiview.kept` gives of it; None where nothing but plain views were learnt from. `novelty`
    tells images of other kinds; None where an older version wrote the bundle. An older version reads it and goes without.
    """

    backbone: Backbone
    head: Head | Ensemble
    labels: list[str]
    preprocessing: Preprocessing
    precision: str
    split: str | None = None
    engine: str = "torch"
    temperature: float = 1.0
    augmentation: dict[str, Any] | None = None
    novelty: Novelty | None = None

    def metadata(self) -> dict[str, Any]:
        more = self.preprocessing.depth or self.preprocessing.pad or self.temperature != 1
        return {
            "format": FORMAT_OF_MORE if more else FORMAT,
            "labels": self.labels,
            "preprocessing": self.preprocessing.metadata(),
            "precision": self.precision,
            "backbone": self.backbone.spec.to_dict(),
            "head": asdict(self.head.shape),
            **({"ensemble": self.head.members} if isinstance(self.head, Ensemble) else {}),
            **({"split": self.split} if self.split else {}),
            **({"engine": self.engine} if self.engine != "torch" else {}),
            **({"temperature": self.temperature} if self.temperature != 1 else {}),
            **({"augmentation": self.augmentation} if self.augmentation else {}),
            **({"novelty": self.novelty.metadata()} if self.novelty else {}),
            **({"origin": self.backbone.origin} if self.backbone.origin else {}),
        }

    def tensors(self) -> dict[str, Tensor]:
        parts = {"backbone": self.backbone.net, "head": self.head}
        named = {f"{part}.{name}": t.detach().cpu() for part, m in parts.items() for name, t in m.state_dict().items()}
        named |= {f"novelty.{name}": t for name, t in (self.novelty.tensors() if self.novelty else {}).items()}
        shared = Counter(tensor.data_ptr() for tensor in named.values())  # some networks use one buffer under several names
        return {n: t.contiguous().clone() if shared[t.data_ptr()] > 1 else t.contiguous() for n, t in named.items()}


def write(bundle: Bundle, folder: Path) -> None:
    """Write `model.safetensors`, `bundle.json` and `SHA256SUMS` (as `sha256sum --check` reads it), the last one last."""
    write_bytes(folder / TENSORS, save(bundle.tensors()))
    write_json(folder / METADATA, bundle.metadata())
    write_text(folder / SUMS, "".join(f"{sha256(folder / name)}  {name}\n" for name in (TENSORS, METADATA)))


def read(value: str | Path, trusted: Sequence[str] = ()) -> Bundle:
    """The bundle in a run folder, a bundle's own folder, or a zip file of either.

    Args:
        trusted: packages that may have the class of its backbone.

    Raises:
        UserError: where there is none, or one of its files is not as it was written.
    """
    where, files = find(no_pipe("run", existing("run", value)), (TENSORS, METADATA), SUMS)
    _verify(where, files)
    try:
        metadata = parsed(files[METADATA])
        if metadata["format"] not in (FORMAT, FORMAT_OF_MORE):
            rule = f"must have format {FORMAT} or {FORMAT_OF_MORE}"
            raise UserError(f"run={where}", rule, got=metadata["format"], fix="Update ajuste_fino.")
        tensors = load(files[TENSORS])
        _refuse_non_finite(where, tensors)
        return _assemble(metadata, tensors, trusted)
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        if is_full(error):
            raise
        fix = "Copy the bundle again or train again."
        raise UserError(f"run={where}", f"has files that are not those of a bundle ({_short(error)})", fix=fix) from error


def _short(error: Exception) -> str:
    """What torch says of tensors that do not fit may be long."""
    return printable(" ".join(str(error).split()), most=200)


def _refuse_non_finite(where: Path, tensors: Mapping[str, Tensor]) -> None:
    bad = next((name for name, tensor in tensors.items() if not is_finite(tensor)), None)
    if bad:
        rule = f"must hold finite numbers, and {printable(bad, most=MOST)} has some that are NaN or infinite"
        raise UserError(f"{where / TENSORS}", rule, fix="Its training diverged: train again.")


def _verify(where: Path, files: Mapping[str, bytes]) -> None:
    lines = files[SUMS].decode(errors="replace").splitlines()
    sums = {name: expected for expected, _, name in (line.partition("  ") for line in lines)}
    for name in (TENSORS, METADATA):
        if name not in files or hashlib.sha256(files[name]).hexdigest() != sums.get(name):
            fix = "Copy the bundle again or train again."
            raise UserError(f"{where / name}", f"is not as it was written ({SUMS})", fix=fix)


def _assemble(metadata: Mapping[str, Any], tensors: dict[str, Tensor], trusted: Sequence[str]) -> Bundle:
    def part(name: str) -> dict[str, Tensor]:
        return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}

    check(metadata, part("head"))
    preprocessing = Preprocessing(**metadata["preprocessing"])
    shape, members = HeadShape(**metadata["head"]), metadata.get("ensemble")
    head = Ensemble(shape, members) if members else Head(shape)
    head.load_state_dict(part("head"), strict=True)
    backbone = rebuild(BackboneSpec.from_dict(metadata["backbone"]), metadata["preprocessing"], part("backbone"), trusted)
    backbone.origin = metadata.get("origin", "")
    if backbone.num_features != shape.num_features:
        raise ValueError(f"the backbone gives {backbone.num_features} features, and the head takes {shape.num_features}")
    return Bundle(
        backbone,
        head.eval(),
        metadata["labels"],
        preprocessing,
        metadata["precision"],
        metadata.get("split"),
        metadata.get("engine", "torch"),
        float(metadata.get("temperature", 1)),
        metadata.get("augmentation"),
        rebuild_novelty(metadata["novelty"], part("novelty"), shape.num_features) if "novelty" in metadata else None,
    )
