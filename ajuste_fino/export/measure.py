"""Exported files on images: beside the model in float32, beside the model as it is, and 8 bits beside 32."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ajuste_fino.errors import counted
from ajuste_fino.export.formats import Run
from ajuste_fino.export.parity import Parity, in_parts, of_several_sizes, outputs, reference
from ajuste_fino.predict import Predictor
from ajuste_fino.scores import wilson


@dataclass(frozen=True)
class Compared:
    """A format beside the model in float32 by torch, and beside the model as it predicts, where that is another precision.

    `sizes` is how many sizes the images have; `own` says precision and engine of the model.
    """

    name: str
    sizes: int
    to_model: Parity
    own: str = ""
    to_own: Parity | None = None

    def metrics(self) -> dict[str, float]:
        own = self.to_own.metrics(f"{self.name}/own") if self.to_own else {}
        return {**self.to_model.metrics(self.name), f"{self.name}/sizes": self.sizes, **own}

    def sentences(self, file: str) -> list[str]:
        images = f"{counted(self.to_model.images, 'image')} of {counted(self.sizes, 'size')}"
        said = [f"{file} beside the model in fp32, on {images}: {self.to_model}."]
        if self.to_own:
            said.append(f"The model itself predicts in {self.own}; {file} beside that: {self.to_own}.")
        return said


def compare(runs: Mapping[str, Run], predictor: Predictor, images: Iterable[np.ndarray]) -> list[Compared]:
    """Compare files with the model, all fed the same arrays (H, W, 3) uint8, and some in other sizes where all are of one."""
    own = "" if predictor.extractor.precision == "fp32" else f"{predictor.extractor.precision} by {predictor.engine}"
    found: dict[str, list[Tensor]] = {name: [] for name in ("", "own", *runs)}
    sizes = set()
    for part in in_parts(of_several_sizes(images)):
        sizes |= {image.shape for image in part}
        found[""].append(reference(predictor, part))
        if own:
            found["own"].append(predictor.scores([Image.fromarray(image) for image in part]).probabilities)
        for name, run in runs.items():
            found[name].append(outputs(run, part))
    tables = {name: torch.cat(parts) for name, parts in found.items() if parts}
    return [
        Compared(
            name,
            len(sizes),
            Parity.of(tables[name], tables[""]),
            own,
            Parity.of(tables[name], tables["own"]) if own else None,
        )
        for name in runs
    ]


@dataclass(frozen=True)
class Judged:
    """What 8 bits cost: how many of `images` each of the two gets right, and how the two differ."""

    images: int
    right: dict[str, int]
    parity: Parity

    def metrics(self) -> dict[str, float]:
        right = {f"int8/accuracy{'' if name == 'int8' else '_fp32'}": n / self.images for name, n in self.right.items()}
        return {**right, **self.parity.metrics("int8")}

    def sentence(self, file: str, split: str) -> str:
        low, high = wilson(self.right["int8"], self.images)
        eight, full = (self.right[name] / self.images for name in ("int8", "onnx"))
        named = {"val": "validation", "test": "test"}[split]
        interval = f"95 % interval {low:.3f} to {high:.3f}"
        return (
            f"{file} is right on {eight:.4f} of {counted(self.images, f'{named} image')} ({interval}), "
            f"float32 on {full:.4f}; {self.parity}."
        )


def judge(runs: Mapping[str, Run], images: Iterable[np.ndarray], targets: Sequence[int]) -> Judged:
    """Judge the files `onnx` and `int8` by images of known classes."""
    found: dict[str, list[Tensor]] = {name: [] for name in runs}
    for part in in_parts(images):
        for name, run in runs.items():
            found[name].append(outputs(run, part))
    tables, true = {name: torch.cat(parts) for name, parts in found.items()}, torch.tensor(targets)
    right = {name: int((table.argmax(1) == true).sum()) for name, table in tables.items()}
    return Judged(len(true), right, Parity.of(tables["int8"], tables["onnx"]))
