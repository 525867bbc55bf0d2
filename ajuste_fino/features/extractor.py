"""Pictures → features, through preprocessing and backbone at one precision, wherever it runs."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

import torch
from torch import Tensor, nn

from ajuste_fino.backbone import Backbone
from ajuste_fino.data.loading import Batch
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.freezing import Frozen
from ajuste_fino.memory import keep_freed_memory

IN_CACHE = 16  # pictures at a time on a CPU: more of them leave its caches between two layers


def resolve_precision(wanted: str, device: torch.device) -> str:
    """`fp32` or `bf16`; `auto` is bf16 where the processor multiplies it in hardware.

    An emulated bf16 is slower than fp32, tenfold on processors without AVX512-BF16 or AMX.
    """
    if wanted not in ("auto", "fp32", "bf16"):
        raise UserError("features.precision", "must be auto, fp32 or bf16", got=wanted, fix="auto takes the faster one.")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        can = torch.cpu.get_capabilities()
        fast = device.type == "cpu" and bool(can.get("amx_bf16") or can.get("avx512_bf16"))
    return "bf16" if fast else "fp32"


class Extractor(nn.Module):
    """(N, 3, size, size) uint8 → (N, num_features) float32, through preprocessing and backbone at one precision."""

    def __init__(self, backbone: Frozen | Backbone, preprocessing: Preprocessing, precision: str) -> None:
        super().__init__()
        self.backbone, self.preprocessing, self.precision = backbone, preprocessing, precision
        self.num_features = backbone.num_features

    def identity(self) -> dict[str, object]:
        """All that decides the features of a picture, as plain values.

        Raises:
            TypeError: where the backbone learns: its features are others after each step.
        """
        if not isinstance(self.backbone, Frozen):
            raise TypeError("only a frozen backbone has features that stay")
        cut, preprocessing = asdict(self.backbone.spec), asdict(self.preprocessing)
        return {"weights": self.backbone.before, "cut": cut, "preprocessing": preprocessing, "precision": self.precision}

    def forward(self, pixels: Tensor) -> Tensor:
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            features = self.backbone(self.preprocessing.normalise(pixels))
        return features.float()


@torch.inference_mode()
def stream(extractor: Extractor, batches: Iterable[Batch], device: torch.device) -> Iterator[tuple[Tensor, Batch]]:
    """The features (N, D) of each batch, on the CPU, and the batch."""
    extractor.to(device).eval()
    keep_freed_memory()
    for batch in batches:
        parts = batch.pixels.split(IN_CACHE if device.type == "cpu" else max(len(batch.pixels), 1))
        features = [extractor(part.to(device, non_blocking=True)).cpu() for part in parts if len(part)]
        yield torch.cat(features or [torch.empty(0, extractor.num_features)]), batch
